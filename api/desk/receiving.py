"""Media that clients send: streamed into the artifact store, checked, written down as uploads. The way in for every
channel."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.context import TENANT, Context
from api.web.problems import TooLarge
from api.web.streamed_form import read_form
from jobs.errors import FieldFault, InvalidInput, StorageFull, UnsupportedMedia
from jobs.magic import declared_type, sniff
from jobs.references import DataReference, MediaInput, UploadReference
from jobs.uploads import Upload
from jobs.values import Submission
from storage.media.artifacts import EXTENSIONS
from storage.media.incoming import Incoming
from storage.media.storing import store_media

_AT_A_TIME = 1 << 20  # bytes that are written in a thread before more are read
_NAME_CHARACTERS = 255
_KNOWN = ", ".join(EXTENSIONS)


async def receive_upload(context: Context, request: Request) -> Upload:
    """What a request carries: the bytes themselves, or a form with a part `file`.

    Raises:
        UnsupportedMedia: it says that it is something that we do not take.
        TooLarge: more than `max_upload_bytes`, announced or sent.
        InvalidInput: it is not what it says, or breaks off.
        StorageFull: it cannot be stored.
    """
    most = context.settings.max_upload_bytes
    kind = request.headers.get("content-type", "")
    async with _incoming(context) as incoming:
        if kind.partition(";")[0].strip().lower() == "multipart/form-data":
            form = await read_form(request, "file", incoming.write, most)
            if form.filename is None:
                raise InvalidInput("The form is not valid.", [FieldFault("file", "This file is required.")])
            return await _keep(context, incoming, form.media_type, form.filename)
        _check_taken(declared_type(kind))
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced[:20]) > most:
            raise TooLarge(f"An upload may have {most} bytes.")
        await _write(request.stream(), incoming.write, most)
        return await _keep(context, incoming, kind, None)


async def bring(
    context: Context, pieces: AsyncIterable[bytes], declared: str | None, filename: str | None, tenant: str = TENANT
) -> Upload:
    """Bytes from anywhere. `declared` is a Content-Type, if somebody gave one. Raises: see `receive_upload`."""
    async with _incoming(context) as incoming:
        await _write(pieces, incoming.write, context.settings.max_upload_bytes)
        return await _keep(context, incoming, declared, filename, tenant)


async def take_in(context: Context, submission: Submission) -> Submission:
    """The submission, with an upload instead of each data URI among its media.

    Raises:
        InvalidInput: one of them is not what it says, or nothing that the model takes. Nothing is stored then.
    """
    brought = [(one, one.reference) for one in submission.media if isinstance(one.reference, DataReference)]
    if not brought:
        return submission
    faults = [FieldFault(f"input.{one.name}", fault) for one, data in brought if (fault := _fault_of_data(one, data))]
    if faults:
        raise InvalidInput("The job is not valid.", faults)
    uploads = {
        one.name: await bring(context, _once(data.data), data.media_type, None, submission.tenant)
        for one, data in brought
    }
    shadows = tuple(_naming(shadow, uploads) for shadow in submission.shadows)
    return replace(_naming(submission, uploads), shadows=shadows)


def _naming(submission: Submission, uploads: Mapping[str, Upload]) -> Submission:
    """The submission, with these uploads as its inputs."""
    media = tuple(
        replace(one, reference=UploadReference(uploads[one.name].id)) if one.name in uploads else one
        for one in submission.media
    )
    references = {name: f"upload:{upload.id}" for name, upload in uploads.items()}
    return replace(submission, media=media, input={**submission.input, **references})


@asynccontextmanager
async def _incoming(context: Context) -> AsyncIterator[Incoming]:
    try:
        incoming = await asyncio.to_thread(context.artifacts.receive)
        try:
            yield incoming
        finally:
            await asyncio.to_thread(incoming.discard)
    except ClientDisconnect as fault:
        raise InvalidInput("The body breaks off.") from fault
    except OSError as fault:
        raise StorageFull from fault


async def _write(pieces: AsyncIterable[bytes], take: Callable[[bytes], object], most: int) -> None:
    waiting, received = bytearray(), 0
    async for piece in pieces:
        waiting += piece
        received += len(piece)
        if received > most:
            raise TooLarge(f"An upload may have {most} bytes.")
        if len(waiting) >= _AT_A_TIME:
            await asyncio.to_thread(take, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(take, bytes(waiting))


async def _keep(
    context: Context, incoming: Incoming, declared: str | None, filename: str | None, tenant: str = TENANT
) -> Upload:
    media_type = _what_it_is(declared_type(declared), incoming.media_type)
    try:
        content = await asyncio.to_thread(store_media, context.artifacts, incoming, media_type)
    except ValueError as fault:
        raise InvalidInput("The file is not valid.", [FieldFault("file", f"{str(fault).capitalize()}.")]) from fault
    name = "".join(filter(str.isprintable, filename or ""))[:_NAME_CHARACTERS] or None
    keep_s = context.settings.upload_retention_s
    return await asyncio.to_thread(context.uploads.add, tenant, name, content, keep_s)


def _check_taken(declared: str | None) -> None:
    if declared is not None and declared not in EXTENSIONS:
        raise UnsupportedMedia(f"{declared[:64]!r} is not taken here: {_KNOWN} are.")


def _what_it_is(declared: str | None, found: str | None) -> str:
    _check_taken(declared)
    if found is None or declared not in (None, found):
        detail = f"It does not begin as {declared} does." if declared else f"It is none of {_KNOWN}."
        raise InvalidInput("The file is not valid.", [FieldFault("file", detail)])
    return found


def _fault_of_data(media: MediaInput, given: DataReference) -> str | None:
    declared, found = declared_type(given.media_type), sniff(given.data)
    if declared is not None and declared != found:
        return f"The data does not begin as {declared[:64]} does."
    if found not in media.accepts:
        return f"This is {found or 'unknown'}; the model takes {', '.join(media.accepts)}."
    return None


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
