"""A view: one job as this process can show it at one moment. Built once, shared by everybody who watches the job."""

import itertools
from datetime import UTC, datetime
from functools import cached_property

from pydantic_core import to_json

from jobs.document import Document, job_document, shown_progress
from jobs.values import Job, Place, Progress

Rank = tuple[int, float, int]

_serials = itertools.count(1)


class View:
    """A job with its progress and its place in the queue. The document is made when somebody asks."""

    def __init__(self, job: Job, progress: Progress | None = None, place: Place | None = None) -> None:
        self.job = job
        self.progress = progress if progress and progress.seq == job.seq else None
        self.place = place
        self._serial = next(_serials)

    @property
    def rank(self) -> Rank:
        """Orders the views of one job: by its changes, then its progress, then the moment of looking."""
        return self.job.seq, self.progress.fraction if self.progress else 0.0, self._serial

    @property
    def etag(self) -> str:
        """Differs wherever clients that poll would see another status or progress."""
        return f'"{self.job.seq}-{shown_progress(self.job, self.progress):.4f}"'

    @cached_property
    def document(self) -> Document:
        return job_document(self.job, self.progress, self.place, now=datetime.now(UTC))

    @cached_property
    def text(self) -> str:
        """The document as JSON, for channels that send it to many."""
        return to_json(self.document).decode()
