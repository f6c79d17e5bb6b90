"""Stills of a film, as the façade for videos shows them."""

import io
from pathlib import Path

import av
import pytest
from PIL import Image

from api.openai.films import NoFilm, spritesheet, thumbnail


def film(path: Path, frames: int) -> Path:
    """A film that goes from black to white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            level = 255 * number // max(1, frames - 1)
            image = Image.new("RGB", (64, 48), (level, level, level))
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return path


def test_a_thumbnail_is_the_first_frame(tmp_path: Path) -> None:
    still = Image.open(io.BytesIO(thumbnail(film(tmp_path / "a.mp4", 20))))
    assert (still.format, still.size) == ("WEBP", (64, 48))
    assert max(still.convert("L").getextrema()) < 40


@pytest.mark.parametrize(("frames", "rows"), [(3, 1), (16, 4), (50, 4)])
def test_a_spritesheet_shows_all_of_the_film(tmp_path: Path, frames: int, rows: int) -> None:
    sheet = Image.open(io.BytesIO(spritesheet(film(tmp_path / "a.mp4", frames))))
    assert (sheet.format, sheet.size) == ("JPEG", (640, 120 * rows))
    light = sheet.convert("L")
    assert light.getpixel((80, 60)) < 40
    last = ((min(frames, 16) - 1) % 4 * 160 + 80, (rows - 1) * 120 + 60)
    assert light.getpixel(last) > 200


def test_what_is_no_film_has_no_stills(tmp_path: Path) -> None:
    other = tmp_path / "a.mp4"
    other.write_bytes(b"not a film")
    for draw in (thumbnail, spritesheet):
        with pytest.raises(NoFilm):
            draw(other)
