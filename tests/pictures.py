"""Small pictures, sounds and films, for tests of inputs."""

import io
import struct

from PIL import Image


def picture(
    width: int = 24, height: int = 16, kind: str = "PNG", colour: tuple[int, int, int] = (20, 90, 160)
) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(data, kind)
    return data.getvalue()


def sound() -> bytes:
    """Of one silent sample."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 24_000, 48_000, 2, 16)
    return b"RIFF" + struct.pack("<I", 38) + b"WAVE" + form + b"data" + struct.pack("<IH", 2, 0)


def film() -> bytes:
    """Only how one begins."""
    return b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 40
