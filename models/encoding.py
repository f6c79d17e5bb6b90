"""From pictures, frames and samples to PNG, MP4 and WAV, each with its manifest inside. The same media in, the same
bytes out: no times, no name of the encoder's build, one thread."""

import io
import struct
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from models.manifest import KEY, Manifest, as_text

_BT709 = 1  # the number of this colour space, as MP4 writes it
_QUALITY = "18"  # x264's constant rate factor: hardly to be told from the frames
_FULL = 32767  # the loudest sample of 16 bits


def to_png(image: Image.Image, manifest: Manifest) -> bytes:
    text = PngInfo()
    text.add_text(KEY, as_text(manifest))
    data = io.BytesIO()
    image.save(data, "PNG", pnginfo=text)
    return data.getvalue()


def to_mp4(frames: Iterable[Image.Image], fps: float, manifest: Manifest) -> bytes:
    """H.264 in yuv420p, which every browser plays, its index in front. Odd sizes lose a line."""
    import av

    with tempfile.TemporaryDirectory(prefix="safelight-") as folder:
        file = Path(folder) / "film.mp4"  # the index moves to the front of a file only
        with av.open(str(file), "w", options={"movflags": "faststart", "fflags": "bitexact"}) as container:
            container.metadata["comment"] = as_text(manifest)
            stream: Any = None
            for image in frames:
                if stream is None:
                    stream = _film(container, image, fps)
                frame = av.VideoFrame.from_image(  # type: ignore[no-untyped-call]
                    image.convert("RGB").crop((0, 0, stream.width, stream.height))
                )
                container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=_BT709)))
            if stream is not None:
                container.mux(stream.encode())
        return file.read_bytes()


def _film(container: Any, first: Image.Image, fps: float) -> Any:
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    stream.width, stream.height = first.width // 2 * 2, first.height // 2 * 2
    stream.pix_fmt = "yuv420p"
    stream.options = {"crf": _QUALITY, "threads": "1"}
    context = stream.codec_context
    context.flags |= 1 << 23  # AV_CODEC_FLAG_BITEXACT
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    return stream


def to_wav(samples: Any, rate: int, manifest: Manifest) -> bytes:
    """Samples from -1 to 1, of shape (length,) or (channels, length), in 16 bits."""
    import numpy as np

    lines = np.atleast_2d(np.nan_to_num(np.asarray(samples, dtype=np.float32)))
    pcm = np.rint(np.clip(lines.T, -1, 1) * _FULL).astype("<i2")
    channels = pcm.shape[1]
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    comment = _chunk(b"ICMT", as_text(manifest).encode("ascii") + b"\0")
    body = _chunk(b"fmt ", form) + _chunk(b"LIST", b"INFO" + comment) + _chunk(b"data", pcm.tobytes())
    return _chunk(b"RIFF", b"WAVE" + body)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
