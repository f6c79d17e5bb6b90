"""The size of a picture in pixels, as its header says it. Nothing is decoded, so nothing can explode."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

Size = tuple[int, int]

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG's markers that a frame begins with
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without anything behind them
_SEGMENTS_MOST = 1_000


def read_size(path: Path, media_type: str) -> Size | None:
    """Width and height; None for what is no picture.

    Raises:
        ValueError: it says that it is a picture, and is none.
    """
    reader = _READERS.get(media_type)
    if reader is None:
        return None
    try:
        with path.open("rb") as file:
            width, height = reader(file)
    except struct.error as fault:
        raise ValueError("the picture breaks off") from fault
    if width < 1 or height < 1:
        raise ValueError("the picture has no size")
    return width, height


def _png(file: BinaryIO) -> Size:
    head = file.read(24)
    if head[12:16] != b"IHDR":
        raise ValueError("the picture has no header")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _webp(file: BinaryIO) -> Size:
    head = file.read(30)
    match head[12:16]:
        case b"VP8X":
            width, height = head[24:27], head[27:30]
            if len(height) == 3:
                return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
        case b"VP8L":
            (bits,) = struct.unpack("<I", head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            across, down = struct.unpack("<HH", head[26:30])
            return across & 0x3FFF, down & 0x3FFF
    raise ValueError("the picture has no header")


def _jpeg(file: BinaryIO) -> Size:
    """From marker to marker, up to the first frame."""
    file.seek(2)
    for _ in range(_SEGMENTS_MOST):
        filler, marker = struct.unpack("BB", file.read(2))
        while marker == 0xFF:
            (marker,) = struct.unpack("B", file.read(1))
        if filler != 0xFF:
            break
        if marker in _BARE:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if marker in _FRAMES:
            _, height, width = struct.unpack(">BHH", file.read(5))
            return width, height
        if length < 2 or marker == 0xD9:
            break
        file.seek(length - 2, 1)
    raise ValueError("the picture has no header")


_READERS: dict[str, Callable[[BinaryIO], Size]] = {"image/png": _png, "image/jpeg": _jpeg, "image/webp": _webp}
