"""The page of failed jobs."""

from playwright.sync_api import expect

from tests.stacks import RunningStack
from tests.studio.conftest import Enter
from tests.studio.visits import PATIENCE_MS


def failed(stack: RunningStack, prompt: str, **given: object) -> str:
    """A job that failed and would succeed if it were tried again."""
    job = stack.finished(stack.submit(prompt=prompt, fail="error", fail_times=3, **given)["id"])
    assert job["status"] == "failed"
    return str(job["id"])


def test_a_failed_job_says_why_and_is_retried(enter: Enter, stack: RunningStack) -> None:
    job_id = failed(stack, "to be tried again")
    visit = enter(stack, "/#failed")
    row = visit.row(job_id)
    expect(row).to_contain_text("The diagnostic model failed because its input asked for it.")
    row.locator("summary").click()
    expect(row.locator(".attempts > li")).to_have_count(3, timeout=PATIENCE_MS)
    row.get_by_role("button", name="Retry").click()
    expect(row).to_have_count(0, timeout=PATIENCE_MS)
    visit.page.get_by_role("link", name="Wall", exact=True).click()
    visit.until(job_id, "succeeded")


def test_all_failed_jobs_are_retried_at_once(enter: Enter, stack: RunningStack) -> None:
    ids = [failed(stack, f"one of many, {n}") for n in range(3)]
    visit = enter(stack, "/#failed")
    for job_id in ids:
        expect(visit.row(job_id)).to_be_visible()
    visit.page.get_by_role("button", name="Retry all").click()
    for job_id in ids:
        expect(visit.row(job_id)).to_have_count(0, timeout=PATIENCE_MS)
        assert stack.finished(job_id)["status"] == "succeeded"


def test_a_job_is_deleted_only_at_the_second_click(enter: Enter, stack: RunningStack) -> None:
    job_id = failed(stack, "to be forgotten")
    visit = enter(stack, "/#failed")
    visit.row(job_id).get_by_role("button", name="Delete").click()
    assert stack.get(job_id)["status"] == "failed"
    visit.row(job_id).get_by_role("button", name="Really delete").click()
    expect(visit.row(job_id)).to_have_count(0, timeout=PATIENCE_MS)
    assert stack.http.get(f"/v1/jobs/{job_id}").status_code == 404
