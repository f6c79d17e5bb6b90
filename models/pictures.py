"""Pictures that clients hand in: decoded under limits, turned upright, brought to a size. Whoever is hostile gets a
fault of his own job."""

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageOps

from jobs.errors import InvalidMedia, ModelFault
from models.runner import Request

MOST_PIXELS = 40_000_000

_FORMATS = ("PNG", "JPEG", "WEBP")
_WHITE = (255, 255, 255)
_FAULTS = (
    *(OSError, ValueError, TypeError, SyntaxError, EOFError, IndexError, KeyError, OverflowError),
    *(struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning),
)


def read_picture(request: Request, name: str, most_side: int | None = None) -> Image.Image:
    """The picture that an input is, upright, in RGB, or RGBA where it is transparent. Of several frames the first.

    Raises:
        InvalidMedia: there is none, it is too large, or it cannot be decoded.
        ModelFault: its file cannot be read, now.
    """
    attachment = request.media.get(name)
    if attachment is None:
        raise InvalidMedia(f"input.{name}: the picture was not delivered.")
    try:
        data = attachment.path.read_bytes()
    except OSError as fault:
        raise ModelFault(f"input.{name}: {fault.strerror}.") from fault
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _bound(image, name, most_side)
            return _plain(ImageOps.exif_transpose(image))
    except InvalidMedia:
        raise
    except _FAULTS as fault:  # whatever Pillow's decoders raise on foreign bytes
        known = ", ".join(_FORMATS)
        raise InvalidMedia(f"input.{name}: this cannot be read as a picture ({known}).") from fault


def opaque(image: Image.Image) -> Image.Image:
    """In RGB; what is transparent lies on white."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, _WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def fit(image: Image.Image, rule: dict[str, Any], size: tuple[int, int] | None) -> Image.Image:
    """To a size, if there is one: scaled, and cut at two sides where the proportions differ. Else to the next
    smaller multiple that the property asks for (`x-multiple`)."""
    multiple = int(rule.get("x-multiple", 1))
    width, height = size or (max(multiple, side // multiple * multiple) for side in image.size)
    if image.size == (width, height):
        return image
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def _bound(image: Image.Image, name: str, most_side: int | None) -> None:
    """Before anything is decoded: the header says how large it will be."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise InvalidMedia(f"input.{name}: {width}×{height} are more than {MOST_PIXELS // 1_000_000} megapixels.")
    if most_side is not None and max(width, height) > most_side:
        raise InvalidMedia(f"input.{name}: {width}×{height} is too large; a side has {most_side} pixels at most.")


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel
        image = image.point(lambda level: level * (1 / 256)).convert("L")
    transparent = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")
