"""Files as answers: a Range that is no range is ignored, as RFC 9110 says; one beyond the end is a problem."""

from http import HTTPStatus

from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable


class Download(FileResponse):
    """The library answers both in plain text."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable as fault:
            detail = f"The file has {file_size} bytes."
            headers = {"Content-Range": f"bytes */{file_size}"}
            raise HTTPException(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, detail, headers) from fault
