"""What a line of the results says of its job: the answer that its endpoint would have given."""

from collections.abc import Callable, Mapping
from typing import Any

from forms.answers import Rendering, encode, images_document, video_document
from forms.batch_bodies import IMAGES, VIDEOS, rendering_of
from forms.batches import LineFault, read_line
from jobs.batches import Batch
from jobs.document import job_document
from jobs.errors import InvalidInput
from jobs.values import Job
from storage.media.artifacts import ArtifactStore


class OutputGone(Exception):
    """The bytes of the output are no more: the job was deleted meanwhile."""


class Answers:
    """The answers of one batch."""

    def __init__(self, batch: Batch, artifacts: ArtifactStore) -> None:
        self._batch = batch
        self._artifacts = artifacts
        kinds: Mapping[str, Callable[[Job, bytes | None], dict[str, Any]]] = {IMAGES: self._images, VIDEOS: _video}
        self._answer = kinds.get(batch.endpoint, _job)

    def answer(self, job: Job, raw: bytes | None) -> dict[str, Any]:
        """Of a job that succeeded, and the line that asked for it, if that can still be read.

        Raises:
            OutputGone: there is no answer any more.
        """
        return self._answer(job, raw)

    def _images(self, job: Job, raw: bytes | None) -> dict[str, Any]:
        rendering = self._rendering(raw)
        wanted = job.outputs if rendering.wants_bytes else ()
        encoded = {output.key: encode(self._bytes(output.key), output, rendering) for output in wanted}
        return images_document([job], rendering, self._batch.origin, encoded)

    def _rendering(self, raw: bytes | None) -> Rendering:
        try:
            return rendering_of(read_line(raw, self._batch.endpoint).body)
        except (LineFault, InvalidInput):
            return Rendering()

    def _bytes(self, key: str) -> bytes:
        path = self._artifacts.find(key)
        try:
            if path is not None:
                return path.read_bytes()
        except FileNotFoundError:  # swept in this moment
            pass
        raise OutputGone


def _job(job: Job, _raw: bytes | None) -> dict[str, Any]:
    return job_document(job, now=job.finished_at or job.created_at)


def _video(job: Job, _raw: bytes | None) -> dict[str, Any]:
    return video_document(job, None)
