"""`enlarge`, the classical enlarger, and how pictures that clients hand in are read: none of them is trusted."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from jobs.errors import ModelFault
from models.catalog import read_catalog
from models.loading import LoadedModels
from models.runner import Attachment, Media, Request, Result, Runner
from tests.test_noop import Watching

ENTRY = read_catalog().find("enlarge")
RUNNER: Runner = LoadedModels("cpu").take(ENTRY)[0]


def request(picture: Path, **given: Any) -> Request:
    wanted = {"image": "upload:1", **given}
    ENTRY.validate_input(wanted)
    return Request(ENTRY.resolve(wanted), 7, 1, {"image": Attachment(picture, "image/png")})


def enlarged(picture: Path, **given: Any) -> Image.Image:
    (result,) = RUNNER.generate([request(picture, **given)], Watching())
    assert isinstance(result, list), result
    (media,) = result
    image = Image.open(io.BytesIO(media.data))
    assert (media.media_type, media.width, media.height) == ("image/png", *image.size)
    return image


def fault(result: Result) -> ModelFault:
    assert isinstance(result, ModelFault), result
    return result


def save(folder: Path, image: Image.Image, name: str = "picture.png", **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def checkered() -> Image.Image:
    image = Image.new("RGB", (24, 16), "navy")
    for place in range(0, 24, 4):
        image.paste((250, 200, place * 10), (place, 0, place + 2, 16))
    return image


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_picture_becomes_as_many_times_as_large_as_asked_and_stays_the_same_picture(
    tmp_path: Path, factor: int
) -> None:
    picture = save(tmp_path, checkered())
    large = enlarged(picture, factor=factor)
    assert large.size == (24 * factor, 16 * factor)
    back = large.convert("RGB").resize((24, 16), Image.Resampling.BOX)
    worst = max(int(high) for _, high in ImageChops.difference(back, checkered()).getextrema())
    assert worst < 60
    assert large.tobytes() != enlarged(picture, factor=factor, sharpen=0).tobytes()


def test_the_same_picture_and_settings_give_the_same_bytes_and_each_its_own(tmp_path: Path) -> None:
    one, other = save(tmp_path, checkered()), save(tmp_path, Image.new("RGB", (5, 5), "red"), "other.png")
    watch = Watching()
    first, second, third = RUNNER.generate([request(one), request(other), request(one)], watch)
    assert first == third != second
    assert watch.steps == [(1, 3), (2, 3), (3, 3)]


def test_transparency_stays_and_hidden_colours_do_not_bleed(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 4, 8))
    large = enlarged(save(tmp_path, image), sharpen=0)
    assert large.mode == "RGBA"
    assert large.getpixel((0, 0)) == (0, 0, 255, 255)
    edge = [large.getpixel((x, 8)) for x in range(16)]
    assert all(red < 40 for red, _, _, alpha in edge if alpha > 30), edge  # type: ignore[misc]


def test_a_photograph_lies_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned
    photo = save(tmp_path, checkered(), "photo.jpg", exif=exif)
    assert enlarged(photo).size == (2 * 16, 2 * 24)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I;16", "CMYK"])
def test_every_kind_of_pixel_is_read(tmp_path: Path, mode: str) -> None:
    name = "picture.jpg" if mode == "CMYK" else "picture.png"
    assert enlarged(save(tmp_path, Image.new(mode, (6, 4)), name)).size == (12, 8)


def png(width: int, height: int) -> bytes:
    """One that says it has this size, and has next to nothing in it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def saved_as(kind: str) -> bytes:
    data = io.BytesIO()
    checkered().save(data, kind)
    return data.getvalue()


HOSTILE = {
    "nothing": b"",
    "zeros": b"\0" * 5000,
    "text": b"<svg/>",
    "a format that is not taken": saved_as("GIF"),
    "a picture cut short": saved_as("PNG")[:60],
    "a JPEG cut short": saved_as("JPEG")[:300],
    "pixels that are missing": png(4000, 4000),
    "a hundred megapixels": png(12_000, 9_000),
    "a bomb": png(60_000, 60_000),
    "a side too long": png(5_000, 10),
    "a size of nothing": png(0, 7),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_picture_is_that_jobs_fault_for_good_and_its_neighbours_are_enlarged(
    tmp_path: Path, data: bytes
) -> None:
    bad, good = tmp_path / "bad.png", save(tmp_path, checkered())
    bad.write_bytes(data)
    before, wrong, after = RUNNER.generate([request(good), request(bad), request(good)], Watching())
    assert isinstance(before, list)
    assert before == after
    assert (fault(wrong).code, fault(wrong).retryable) == ("invalid_media", False)
    assert str(fault(wrong)).startswith("input.image: ")


def test_a_result_that_would_be_too_large_is_refused_before_it_is_made(tmp_path: Path) -> None:
    (wrong,) = RUNNER.generate([request(save(tmp_path, Image.new("L", (2000, 2000))), factor=4)], Watching())
    assert "8000×8000 would be more than 32 megapixels" in str(fault(wrong))


def test_a_file_that_is_not_there_may_be_there_later_and_one_that_nobody_brought_will_not(tmp_path: Path) -> None:
    (gone,) = RUNNER.generate([request(tmp_path / "gone.png")], Watching())
    assert fault(gone).retryable
    (bare,) = RUNNER.generate([Request(ENTRY.resolve({"image": "upload:1"}), 7, 1)], Watching())
    assert (fault(bare).code, fault(bare).retryable) == ("invalid_media", False)


def test_its_worker_needs_no_torch_and_keeps_it_beside_its_pipelines() -> None:
    models = LoadedModels("cpu", most=1)
    for name in ("enlarge", "speech"):
        models.take(read_catalog().find(name))
    assert models.names == ["enlarge@1", "speech@1"]


def test_it_says_what_it_made(tmp_path: Path) -> None:
    (result,) = RUNNER.generate([request(save(tmp_path, checkered()))], Watching())
    assert isinstance(result, list)
    assert isinstance(result[0], Media)
    assert result[0].seed is None, "no chance is in it"
