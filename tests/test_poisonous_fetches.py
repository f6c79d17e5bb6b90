"""A URL that ends whoever fetches it: no courier lives to conclude a try, and yet the tries come to an end."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from config.settings import read_settings
from egress.downloads import Downloader
from jobs.references import UrlReference
from jobs.uploads import UploadStatus
from jobs.values import Status
from storage.engine import Database
from storage.tables import UPLOADS
from tests.test_uploads import URL, House
from workers.errands.fetching import Fetcher


class Poison(Downloader):
    """Nobody who fetches comes back."""

    def download(self, url: str, take: Callable[[bytes], None], *, most: int, timeout_s: float) -> None:
        raise SystemExit


def test_a_url_that_ends_every_courier_that_fetches_it_is_given_up_with_the_job_that_names_it(
    database: Database, tmp_path: Path
) -> None:
    house = House(database)
    job_id = house.using(UrlReference(URL))
    settings = read_settings(data_dir=tmp_path, database_url=database.url)
    tries = len(settings.fetch_waits) + 1
    for _ in range(tries):
        with pytest.raises(SystemExit):
            Fetcher(settings, database, threading.Event(), Poison(())).fetch_next()
        with database.writing() as connection:  # its lease runs out
            connection.execute(update(UPLOADS).values(lease_until=None))
    given_up = Fetcher(settings, database, threading.Event(), Poison(())).fetch_next()
    assert given_up
    assert given_up.status is UploadStatus.FAILED
    house.work_off()
    job = house.store.get(job_id)
    assert (job.status, job.error and job.error.code) == (Status.FAILED, "input_unavailable")
