"""Groups as users of the command type them, on the model that ships."""

import json
from pathlib import Path

from tests.stacks import RunningStack
from tests.test_command import answer, run


def test_one_prompt_with_four_seeds_of_which_the_first_two_will_do(stack: RunningStack, tmp_path: Path) -> None:
    """One worker takes two at a time, so that the others never cost the device a whole batch of four."""
    file = tmp_path / "out.png"
    words = ("generate", "a lighthouse at dawn", "--seeds", "1,2,3,4", "--first", "2", "--no-cache", "-o", str(file))
    group = answer(*words, url=stack.url)
    assert sorted(member["status"] for member in group["members"]) == [
        "canceled",
        "canceled",
        "succeeded",
        "succeeded",
    ]
    assert group["files"] == [str(file), str(tmp_path / "out-1.png")]
    first, second = (Path(one).read_bytes() for one in group["files"])
    assert first.startswith(b"\x89PNG")
    assert first != second
    assert [output["seed"] for output in group["outputs"]] == [
        position + 1 for position, member in enumerate(group["members"]) if member["joined"]
    ]


def test_a_file_is_submitted_and_the_group_listed_shown_watched_and_deleted(
    stack: RunningStack, tmp_path: Path
) -> None:
    noop = {"model": "noop", "input": {"prompt": "x"}}
    body = {"members": [{"name": "then", "depends_on": ["first"], **noop}, {"name": "first", **noop}]}
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(body))
    done = run("groups", "submit", str(file), "-o", str(tmp_path / "out.png"), url=stack.url)
    assert done.returncode == 0, done.stderr
    assert "2 of 2: then, first" in done.stdout
    (group,) = answer("groups", "list", "--limit", "1", url=stack.url)["groups"]
    assert answer("groups", "watch", group["id"], url=stack.url)["status"] == "succeeded"
    assert "then" in run("groups", "show", group["id"], url=stack.url).stdout
    assert run("groups", "retry", group["id"], url=stack.url).returncode == 1
    assert answer("groups", "delete", group["id"], url=stack.url)["deleted"]
    assert run("groups", "show", group["id"], url=stack.url).returncode == 1


def test_a_group_is_canceled_and_retried(stack: RunningStack, tmp_path: Path) -> None:
    seeds = ("--seeds", "1,2", "-i", "duration_s=4", "-i", "steps=50")
    group_id = run("generate", "x", "--model", "noop", *seeds, "--no-wait", url=stack.url).stdout.strip()
    assert answer("groups", "cancel", group_id, url=stack.url)["cancel_requested"]
    watched = run("groups", "watch", group_id, url=stack.url)
    assert (watched.returncode, "canceled" in watched.stdout) == (1, True)
    assert answer("groups", "retry", group_id, url=stack.url)["status"] in ("waiting", "running")
    assert answer("groups", "watch", group_id, url=stack.url)["status"] == "succeeded"


def test_a_bad_file_or_a_bad_option_is_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "workflow.json"
    file.write_text("{members")
    assert run("groups", "submit", str(file)).returncode == 2
    assert run("generate", "x", "--first", "2").returncode == 2
    assert run("generate", "x", "--model", "noop", "--seeds", "1,two").returncode == 2
