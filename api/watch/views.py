"""Views: one job, or one group, as this process can show it at one moment. Built once, shared by all who watch it."""

import itertools
from datetime import UTC, datetime
from functools import cached_property

from pydantic_core import to_json

from jobs.document import Document, job_document, shown_progress
from jobs.group_document import ProgressOf, group_document, group_progress
from jobs.groups import Group
from jobs.values import Job, Place, Progress

Rank = tuple[int, float, int]
Subject = Job | Group

_serials = itertools.count(1)


class View:
    """A job with its progress and its place in the queue. The document is made when somebody asks."""

    kind = "job"

    def __init__(self, job: Job, progress: Progress | None = None, place: Place | None = None) -> None:
        self.job = job
        self.progress = progress if progress and progress.seq == job.seq else None
        self.place = place
        self._serial = next(_serials)
        self._document: Document | None = None
        self._text: str | None = None

    @property
    def subject(self) -> Job:
        return self.job

    @property
    def fraction(self) -> float:
        """The live progress, 0.0 when there is none."""
        return self.progress.fraction if self.progress else 0.0

    @property
    def rank(self) -> Rank:
        """Orders the views of one job: by its changes, then its progress, then the moment of looking."""
        return self.job.seq, self.fraction, self._serial

    @property
    def etag(self) -> str:
        """Differs wherever clients that poll would see another status or progress."""
        return f'"{self.job.seq}-{shown_progress(self.job, self.progress):.4f}"'

    @property
    def document(self) -> Document:
        if self._document is None:
            self._document = job_document(self.job, self.progress, self.place, now=datetime.now(UTC))
        return self._document

    @property
    def text(self) -> str:
        """The document as JSON, for channels that send it to many."""
        if self._text is None:
            self._text = to_json(self.document).decode()
        return self._text


class GroupView:
    """A group with the progress of its members."""

    kind = "group"

    def __init__(self, group: Group, progress_of: ProgressOf = lambda _job_id: None) -> None:
        self.group = group
        self._progress = {member.job_id: progress_of(member.job_id) for member in group.members if not member.over}
        self.fraction = group_progress(group, self._progress.get)
        self._serial = next(_serials)

    @property
    def subject(self) -> Group:
        return self.group

    @property
    def rank(self) -> Rank:
        return self.group.seq, self.fraction, self._serial

    @property
    def etag(self) -> str:
        return f'"{self.group.seq}-{self.fraction:.4f}"'

    @cached_property
    def document(self) -> Document:
        return group_document(self.group, self._progress.get)

    @cached_property
    def text(self) -> str:
        return to_json(self.document).decode()


AnyView = View | GroupView
