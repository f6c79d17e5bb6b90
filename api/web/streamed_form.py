"""multipart/form-data, streamed: small fields are kept, the one file goes on as it comes, however large it is."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from api.web.problems import TooLarge
from jobs.errors import FieldFault, InvalidInput

_FIELDS_MOST = 100
_FIELD_BYTES_MOST = 1 << 20  # of all fields together
_AT_A_TIME = 1 << 20  # bytes that are handed on, in a thread, before more are read
_NAME_CHARACTERS = 255


@dataclass(slots=True)
class Form:
    """What a form said beside its file."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None  # None: there was no file
    media_type: str = ""
    file_bytes: int = 0


async def read_form(request: Request, file_field: str, take: Callable[[bytes], object], most: int) -> Form:
    """Read a form whose file, in the part `file_field`, is given piece by piece to `take`, in a thread.

    Raises:
        InvalidInput: it is no form, breaks off, or has another file.
        TooLarge: the file has more than `most` bytes, or the rest is too much.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidInput("The body must be multipart/form-data.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most + 2 * _FIELD_BYTES_MOST:
        raise TooLarge(f"A file may have {most} bytes.")
    try:
        return await _read(request, _Parts(boundary, file_field, most), take)
    except FormParserError as fault:
        raise InvalidInput(f"The form cannot be read: {fault}") from fault


async def _read(request: Request, parts: "_Parts", take: Callable[[bytes], object]) -> Form:
    with suppress(ClientDisconnect):  # then the form has not ended
        async for chunk in request.stream():
            parts.feed(chunk)
            if len(parts.waiting) >= _AT_A_TIME:
                await asyncio.to_thread(take, parts.taken())
    if not parts.ended:
        raise InvalidInput("The form breaks off.")
    if parts.waiting:
        await asyncio.to_thread(take, parts.taken())
    return parts.form


class _Parts:
    """What the parser has come to."""

    def __init__(self, boundary: bytes, file_field: str, most: int) -> None:
        self.form = Form()
        self.waiting = bytearray()  # of the file, and not handed on yet
        self.ended = False
        self._file_field = file_field
        self._most = most
        self._headers: dict[str, str] = {}
        self._header = (bytearray(), bytearray())
        self._name = ""
        self._text: bytearray | None = None  # of the present field; None: it is the file
        self._text_bytes = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._note_header,
                "on_headers_finished": self._begin_part,
                "on_part_data": self._note_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        self._parser.write(chunk)

    def taken(self) -> bytes:
        """What waits, which waits no more."""
        data = bytes(self.waiting)
        self.waiting.clear()
        return data

    def _note_header(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._header = (bytearray(), bytearray())

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        if filename is None:
            self._text = bytearray()
            return
        if self._name != self._file_field or self.form.filename is not None:
            raise InvalidInput("The form has another file.", [FieldFault(self._name, "One file is wanted.")])
        self._text = None
        self.form.filename = _plain(filename.decode("utf-8", "replace"))
        self.form.media_type = self._headers.get("content-type", "")

    def _note_data(self, data: bytes, start: int, end: int) -> None:
        if self._text is None:
            self.form.file_bytes += end - start
            if self.form.file_bytes > self._most:
                raise TooLarge(f"A file may have {self._most} bytes.")
            self.waiting += data[start:end]
            return
        self._text_bytes += end - start
        if self._text_bytes > _FIELD_BYTES_MOST:
            raise TooLarge(f"The fields of a form may have {_FIELD_BYTES_MOST} bytes.")
        self._text += data[start:end]

    def _end_part(self) -> None:
        if self._text is None:
            return
        if len(self.form.fields) >= _FIELDS_MOST:
            raise TooLarge(f"A form may have {_FIELDS_MOST} fields.")
        try:
            text = self._text.decode("utf-8")
        except UnicodeDecodeError as fault:
            raise InvalidInput("The form is not UTF-8.", [FieldFault(self._name, "Is not UTF-8.")]) from fault
        if "\0" in text + self._name:
            raise InvalidInput("The form is not text.", [FieldFault(self._name[:64], "Has a NUL character.")])
        self.form.fields[self._name] = text

    def _end(self) -> None:
        self.ended = True


def _plain(filename: str) -> str:
    """A name to show: without folders, and without what no name has."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:_NAME_CHARACTERS]
