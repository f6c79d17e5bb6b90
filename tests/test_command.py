"""The safelight command, as its users type it."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.pictures import picture
from tests.servers import free_port, wait_until
from tests.stacks import SAFELIGHT, RunningStack


def run(*arguments: str, url: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    given = os.environ | ({"SAFELIGHT_URL": url} if url else {}) | environment
    return subprocess.run([SAFELIGHT, *arguments], env=given, capture_output=True, text=True, timeout=120)


def answer(*arguments: str, url: str) -> Any:
    done = run(*arguments, "--json", url=url)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_generate_saves_the_picture_and_says_which_job_made_it(stack: RunningStack, tmp_path: Path) -> None:
    file = tmp_path / "out.png"
    done = run("generate", "a tent in the desert", "--seed", "3", "-i", "steps=2", "-o", str(file), url=stack.url)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(b"\x89PNG")
    assert str(file) in done.stdout
    assert "seed 3" in done.stdout
    assert "succeeded" in done.stderr


def test_generate_uploads_a_file_that_an_input_names(stack: RunningStack, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(picture())
    file = f"media=@{tmp_path / 'in.png'}"
    done = run("generate", "a", "-m", "noop", "-i", file, "-o", str(tmp_path / "out.png"), url=stack.url)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").read_bytes() == picture()
    assert run("generate", "a", "-m", "noop", "-i", "media=@nowhere.png", url=stack.url).returncode == 2


def test_a_model_without_words_needs_no_prompt_and_a_command_without_anything_is_wrong(
    stack: RunningStack, tmp_path: Path
) -> None:
    picture, large = tmp_path / "small.png", tmp_path / "large.png"
    Image.new("RGB", (9, 5), "teal").save(picture)
    done = run("generate", "-m", "enlarge", "-i", f"image=@{picture}", "-o", str(large), url=stack.url)
    assert done.returncode == 0, done.stderr
    assert "seed" not in done.stdout
    with Image.open(large) as image:
        assert image.size == (18, 10)
    assert run("generate", "-m", "enlarge", url=stack.url).returncode == 2


def test_generate_can_leave_at_once_with_the_id(stack: RunningStack) -> None:
    done = run("generate", "x", "--model", "noop", "--no-wait", url=stack.url)
    assert stack.finished(done.stdout.strip())["status"] == "succeeded"


def test_a_refused_submit_exits_1_and_names_the_field(stack: RunningStack) -> None:
    done = run("generate", "x", "-i", "width=17", url=stack.url)
    assert done.returncode == 1
    assert "input.width" in done.stderr


def test_a_role_says_what_runs_as_a_line_of_json(stack: RunningStack) -> None:
    settings = os.environ | {"SAFELIGHT_DATA_DIR": str(stack.folder)}
    process = subprocess.Popen([SAFELIGHT, "reaper", "--json"], env=settings, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout
        assert json.loads(process.stdout.readline()) == {"role": "reaper", "pid": process.pid}
        process.kill()


def test_wrong_usage_exits_2() -> None:
    assert run("generate").returncode == 2
    assert run("jobs", "retry").returncode == 2
    assert run("nothing").returncode == 2


def test_an_absent_server_exits_1_and_says_what_to_do() -> None:
    done = run("jobs", "list", url=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "safelight up" in done.stderr


def test_jobs_are_listed_shown_watched_canceled_and_retried(stack: RunningStack) -> None:
    job_id = stack.submit()["id"]
    watched = answer("jobs", "watch", job_id, url=stack.url)
    assert (watched["id"], watched["status"]) == (job_id, "succeeded")
    assert job_id in {job["id"] for job in answer("jobs", "list", url=stack.url)["jobs"]}
    assert answer("jobs", "show", job_id, url=stack.url)["id"] == job_id
    held, queued = stack.submit(duration_s=2.0)["id"], stack.submit()["id"]
    assert answer("jobs", "cancel", queued, url=stack.url)["status"] == "canceled"
    assert answer("jobs", "retry", queued, url=stack.url)["status"] == "queued"
    refused = run("jobs", "retry", job_id, url=stack.url)
    assert (refused.returncode, "409" in refused.stdout) == (1, True)
    for one in (held, queued):
        stack.finished(one)


def test_failed_jobs_are_retried_and_purged_by_filter_after_a_dry_run(stack: RunningStack) -> None:
    failed = stack.finished(stack.submit(fail="error", fail_times=3)["id"])
    assert failed["status"] == "failed"
    chosen = ("--failed", "--model", "noop", "--since", "1h")
    counted = answer("jobs", "retry", *chosen, "--dry-run", url=stack.url)
    assert (counted["count"] >= 1, counted["dry_run"]) == (True, True)
    assert stack.get(failed["id"])["status"] == "failed", "a dry run changes nothing"
    retried = run("jobs", "retry", *chosen, url=stack.url)  # there is no terminal to ask at
    assert (retried.returncode, retried.stdout) == (0, f"retry: {counted['count']} job(s)\n")
    assert stack.finished(failed["id"])["status"] == "succeeded"
    doomed = stack.finished(stack.submit(fail="oom", fail_times=3)["id"])
    assert run("jobs", "purge", "--before", "1d", "--yes", url=stack.url).stdout == "no such jobs\n"
    assert answer("jobs", "purge", "--model", "noop", "--yes", url=stack.url)["count"] >= 1
    assert stack.http.get(f"/v1/jobs/{doomed['id']}").status_code == 404


def test_purging_many_asks_first_and_without_consent_changes_nothing(stack: RunningStack) -> None:
    canceled = stack.submit(duration_s=30.0)["id"]
    stack.http.post(f"/v1/jobs/{canceled}/cancel")
    assert stack.finished(canceled)["status"] == "canceled"
    asked = run("jobs", "purge", "--status", "canceled", url=stack.url)
    assert (asked.returncode, "purge" in asked.stderr) == (1, True)
    assert run("jobs", "purge", "--status", "canceled", "--json", url=stack.url).returncode == 1
    assert stack.get(canceled)["status"] == "canceled"
    assert run("jobs", "retry", canceled, "--model", "noop", url=stack.url).returncode == 2


def test_stats_tell_queues_waits_and_errors(stack: RunningStack) -> None:
    stack.finished(stack.submit()["id"])
    wait_until(lambda: answer("stats", url=stack.url)["finished"]["succeeded"] > 0, "the success is counted")
    stats = answer("stats", url=stack.url)
    assert {queue["name"] for queue in stats["queues"]} >= {"default"}
    assert stats["workers"] == 1
    assert stats["run_s"]["p50"] is not None
    assert httpx.get(stats["flower_url"]).status_code == 200
    words = run("stats", url=stack.url).stdout
    assert "default" in words
    assert "p95" in words


def test_models_are_listed_shown_and_verified(stack: RunningStack) -> None:
    assert "scenes" in run("models", "list", url=stack.url).stdout
    assert "guidance" in run("models", "show", "scenes", url=stack.url).stdout
    assert run("models", "verify", "scenes").returncode == 0


def examined(settings: dict[str, str]) -> dict[str, dict[str, str]]:
    done = run("doctor", "--json", **settings)
    assert done.returncode == 1
    return {
        finding["part"]: finding for finding in json.loads(done.stdout)["findings"] if finding["state"] == "fault"
    }


def test_doctor_finds_a_healthy_stack_healthy(stack: RunningStack) -> None:
    done = run("doctor", SAFELIGHT_DATA_DIR=str(stack.folder))
    assert done.returncode == 0, done.stdout


def test_doctor_names_each_fault_with_its_mend(tmp_path: Path) -> None:
    """A database without its migrations, a broker that is away, a model file that is gone."""
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    (catalog / "gone.toml").write_text(
        'name = "gone"\nversion = "1"\nmedia_kind = "image"\n[source]\nfolder = "weights"\n'
        '[input]\ntype = "object"\nadditionalProperties = false\n'
    )
    faults = examined(
        {
            "SAFELIGHT_DATA_DIR": str(tmp_path),
            "SAFELIGHT_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",
            "SAFELIGHT_MODELS": str(catalog),
        }
    )
    assert "migration is missing" in faults["database"]["what"]
    assert "safelight db upgrade" in faults["database"]["mend"]
    assert "unreachable" in faults["broker"]["what"]
    assert "SAFELIGHT_BROKER_URL" in faults["broker"]["mend"]
    assert "gone@1: a model file is missing" in faults["models"]["what"]
    assert faults["models"]["mend"]
    assert faults["api"]["mend"]


def test_db_check_fails_until_the_database_is_migrated(tmp_path: Path) -> None:
    settings = {"SAFELIGHT_DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"}
    before = run("db", "check", **settings)
    assert (before.returncode, "db upgrade" in before.stderr) == (1, True)
    assert run("db", "upgrade", **settings).returncode == 0
    assert run("db", "check", **settings).returncode == 0


def test_without_keys_the_api_is_offered_to_this_machine_only(tmp_path: Path) -> None:
    for command in (("up", "--data-dir", str(tmp_path)), ("api",)):
        done = run(*command, "--host", "0.0.0.0", "--port", str(free_port()))
        assert done.returncode == 1
        assert "loopback" in done.stderr


def test_a_second_stack_on_the_same_folder_is_refused(stack: RunningStack) -> None:
    done = run("up", "--port", "0", "--data-dir", str(stack.folder))
    assert (done.returncode, "another" in done.stderr) == (1, True)


def test_help_answers_within_half_a_second_of_cpu() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.5


@pytest.mark.parametrize("module", ["api.app", "api.process", "cli.main", "cli.up", "cli.generate", "cli.doctor"])
def test_the_api_and_the_command_never_import_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'diffusers', 'transformers'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
