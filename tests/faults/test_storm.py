"""Everything at once: a short storm in every run of the tests; `make chaos` has long ones."""

from pathlib import Path

import pytest

from tests.faults.storm import rage

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_in_a_storm_of_kills_freezes_and_restarts_no_job_is_lost_doubled_or_stuck(
    database: str, tmp_path: Path
) -> None:
    toll = rage(tmp_path, database, seed=7, seconds=12)
    print(toll)
    assert toll.jobs > 20
    assert toll.deeds.total() > 4
    assert toll.clean, str(toll)
