"""The figures in the docs are those that a run saved, and the recipes that we are held against do work."""

import json
import urllib.request
from pathlib import Path

import pytest

from bench.contestants import SQLITE, Queued, safelight_and_recipes
from bench.load import post_times
from bench.report import draw_charts, fill_in
from bench.results import OURS, Results, interleave, read_results

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_every_number_in_the_docs_is_one_that_a_run_saved() -> None:
    page = (DOCS / "performance.md").read_text("utf-8")
    assert fill_in(page, read_results()) == page, "run `python -m bench.report`"
    for name, chart in draw_charts(read_results()).items():
        assert (DOCS / "images" / name).read_text("utf-8") == chart, "run `python -m bench.report`"


def test_a_ratio_is_made_round_by_round(tmp_path: Path) -> None:
    results = Results()
    for ours, theirs in ((10.0, 1.0), (30.0, 10.0), (8.0, 2.0)):
        results.add("submits", SQLITE, "64 clients", OURS, rate=ours)
        results.add("submits", SQLITE, "64 clients", "naive", rate=theirs)
    ratio = results.ratio(("submits", SQLITE, "64 clients", OURS), "rate", "naive")
    assert ratio
    assert (ratio.least, ratio.median, ratio.most) == (3.0, 4.0, 10.0)


def test_saving_one_bench_keeps_what_is_known_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "saved.json"
    for bench, rate in (("submits", 1.0), ("drain", 2.0), ("submits", 3.0)):
        results = Results()
        results.add(bench, SQLITE, "", OURS, rate=rate)
        results.save(file)
    known = read_results(file)
    assert {key[0]: figures["rate"] for key, figures in known.figures.items()} == {"drain": [2.0], "submits": [3.0]}


def test_every_other_round_goes_backwards() -> None:
    turns: list[str] = []
    interleave(2, {name: (lambda name=name: turns.append(name)) for name in "abc"})
    assert "".join(turns) == "abccba"


@pytest.mark.slow
def test_safelight_and_both_recipes_finish_what_is_posted_to_them() -> None:
    with safelight_and_recipes(SQLITE, batch=8) as contestants:
        for one in contestants.values():
            worker = one.start_worker()
            job = _post(one)
            one.until_drained()
            with urllib.request.urlopen(f"{one.url}/{job['id']}") as answer:
                assert json.load(answer)["status"] == "succeeded"
            assert worker.cpu_s() > 0
            load = post_times(one.url, one.body, clients=4, times=10)
            assert (load.accepted, load.refused) == (10, 0)
            one.until_drained()


def _post(one: Queued) -> dict[str, str]:
    request = urllib.request.Request(one.url, one.body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 202
        job: dict[str, str] = json.load(answer)
        return job
