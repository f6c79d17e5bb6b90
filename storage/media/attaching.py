"""Media that jobs have among their inputs, at submit: is it there, what of it must be waited for, who uses what.
Every function is part of somebody's transaction. Jobs without media cost nothing here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from jobs.errors import FieldFault
from jobs.identity import new_id
from jobs.references import MediaInput, OutputReference, UploadReference, UrlReference
from jobs.uploads import Upload, UploadStatus, fetch_again, unavailable, wanted
from jobs.values import Fault, Status, Submission
from storage.media.uploads import OUTCOMES, UPLOAD_COLUMNS, upload_of, upload_row
from storage.statuses import FETCHABLE
from storage.tables import JOBS, UPLOAD_USES, UPLOADS


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of another job's outputs: how many, and of which media types if they are there."""

    tenant: str
    count: int
    media_types: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Sources:
    """What the media inputs of some submissions refer to, as it stands until the transaction ends."""

    uploads: Mapping[str, Upload]
    by_url: Mapping[tuple[str, str], Upload]  # by tenant and URL: what is to be fetched, a new one among it or not
    made: Mapping[str, Made]

    def faults(self, submission: Submission) -> tuple[FieldFault, ...]:
        """Of its media inputs, those that cannot be."""
        found = ((media.name, self._fault(submission, media)) for media in submission.media)
        return tuple(FieldFault(f"input.{name}", fault) for name, fault in found if fault)

    def settled(self, submission: Submission) -> Submission:
        """The submission, needing what of its media is still to be fetched."""
        uploads = self.of(submission)
        pending = [upload.id for upload in uploads if upload.status is UploadStatus.PENDING]
        return (
            replace(submission, needs=tuple(dict.fromkeys((*submission.needs, *pending)))) if pending else submission
        )

    def of(self, submission: Submission) -> list[Upload]:
        """The uploads that it uses."""
        found: dict[str, Upload] = {}
        for media in submission.media:
            match media.reference:
                case UploadReference(upload_id):
                    found[upload_id] = self.uploads[upload_id]
                case UrlReference(url):
                    upload = self.by_url[submission.tenant, url]
                    found[upload.id] = upload
        return list(found.values())

    def _fault(self, submission: Submission, media: MediaInput) -> str | None:
        match media.reference:
            case UploadReference(upload_id):
                return _fault_of_upload(self.uploads.get(upload_id), submission.tenant, media)
            case OutputReference(job_id, index):
                return _fault_of_output(self.made.get(job_id), submission.tenant, index, media)
            case UrlReference():
                return None
        return "A data URI must be uploaded first."


NOTHING = Sources({}, {}, {})


def look_up_media(connection: Connection, submissions: Sequence[Submission], now: datetime) -> Sources:
    """Uploads stay as they are until the transaction ends, so that none is gone, or there, between this look and the
    row that uses it. The jobs that outputs are taken from are needs, and locked as such before."""
    inputs = [(submission, media.reference) for submission in submissions for media in submission.media]
    if not inputs:
        return NOTHING
    ids = {reference.upload_id for _, reference in inputs if isinstance(reference, UploadReference)}
    urls = {(one.tenant, reference.url) for one, reference in inputs if isinstance(reference, UrlReference)}
    job_ids = {reference.job_id for _, reference in inputs if isinstance(reference, OutputReference)}
    uploads = _locked(connection, ids | _fetching(connection, urls))
    pending = [upload for upload in uploads.values() if upload.status is UploadStatus.PENDING and upload.url]
    by_url = {(upload.tenant, upload.url or ""): upload for upload in pending}
    new = {(tenant, url): wanted(new_id(), tenant, url, now) for tenant, url in sorted(urls - by_url.keys())}
    made = _made(connection, job_ids) if job_ids else {}
    made |= {one.id: Made(one.tenant, one.units, None) for one in submissions if one.id in job_ids}
    return Sources(uploads, by_url | new, made)


def write_uses(connection: Connection, sources: Sources, submitted: Iterable[Submission]) -> None:
    """Of submissions whose jobs were inserted: what is to be fetched for them, and what they use."""
    uses = [
        (submission.id, upload) for submission in submitted if submission.media for upload in sources.of(submission)
    ]
    new = {upload.id: upload_row(upload) for _, upload in uses if upload.id not in sources.uploads}
    if new:
        connection.execute(insert(UPLOADS), list(new.values()))
    if uses:
        connection.execute(insert(UPLOAD_USES), [{"job_id": job_id, "upload_id": one.id} for job_id, one in uses])


def outcomes_of(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    """Of those ids that are uploads', how each ended, in the words of a job's status; "" while it has not. They stay
    as they are until the transaction ends."""
    found = _locked(connection, ids)
    return {upload.id: OUTCOMES.get(upload.status, "") for upload in found.values()}


def want_again(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    """Of those ids that are uploads', fetch again what failed: a job that needs it is retried."""
    if not ids:
        return
    failed = UPLOADS.c.status == UploadStatus.FAILED.value
    connection.execute(update(UPLOADS).where(UPLOADS.c.id.in_(ids), failed).values(fetch_again(now)))


def faults_of(connection: Connection, ids: Iterable[str]) -> dict[str, Fault]:
    """Of those ids that are uploads' that failed, why a job ends that needs them."""
    query = select(*UPLOAD_COLUMNS).where(UPLOADS.c.id.in_(sorted(ids)))
    uploads = [upload_of(row) for row in connection.execute(query)]
    return {upload.id: unavailable(upload) for upload in uploads if upload.status is UploadStatus.FAILED}


def _fault_of_upload(upload: Upload | None, tenant: str, media: MediaInput) -> str | None:
    if upload is None or upload.tenant != tenant:
        return "There is no such upload."
    if upload.status is UploadStatus.FAILED:
        return f"This upload could not be fetched: {upload.error}."
    return _fault_of_type(upload.media_type, media)


def _fault_of_output(made: Made | None, tenant: str, index: int, media: MediaInput) -> str | None:
    if made is None or made.tenant != tenant:
        return "There is no such job."
    if index >= made.count:
        return f"That job has {made.count} output(s), counted from 0."
    return _fault_of_type(made.media_types[index], media) if made.media_types else None


def _fault_of_type(media_type: str | None, media: MediaInput) -> str | None:
    if media_type is None or media_type in media.accepts:
        return None
    return f"This is {media_type}; the model takes {', '.join(media.accepts)}."


def _fetching(connection: Connection, urls: Iterable[tuple[str, str]]) -> set[str]:
    """Ids of what is being fetched already from one of these URLs, for the tenant that wants it now."""
    found: set[str] = set()
    by_tenant: dict[str, list[str]] = {}
    for tenant, url in urls:
        by_tenant.setdefault(tenant, []).append(url)
    for tenant, some in by_tenant.items():
        query = select(UPLOADS.c.id).where(FETCHABLE, UPLOADS.c.tenant == tenant, UPLOADS.c.url.in_(some))
        found |= set(connection.execute(query).scalars())
    return found


def _locked(connection: Connection, ids: Iterable[str]) -> dict[str, Upload]:
    known = sorted(ids)
    if not known:
        return {}
    query = select(*UPLOAD_COLUMNS).where(UPLOADS.c.id.in_(known)).order_by(UPLOADS.c.id).with_for_update()
    return {row.id: upload_of(row) for row in connection.execute(query)}


def _made(connection: Connection, job_ids: Iterable[str]) -> dict[str, Made]:
    columns = (JOBS.c.id, JOBS.c.tenant, JOBS.c.status, JOBS.c.units, JOBS.c.outputs)
    found = connection.execute(select(*columns).where(JOBS.c.id.in_(sorted(job_ids))))
    return {row.id: _made_by(row) for row in found}


def _made_by(row: Any) -> Made:
    if row.status != Status.SUCCEEDED.value:
        return Made(row.tenant, row.units, None)
    return Made(row.tenant, len(row.outputs), tuple(output["media_type"] for output in row.outputs))
