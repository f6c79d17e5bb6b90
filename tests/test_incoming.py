"""Bytes on their way into the store, piece by piece, and what a picture's header says of its size."""

import hashlib
import io
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from storage.media.artifacts import ArtifactStore
from storage.media.dimensions import read_size
from storage.media.storing import store_media
from tests.pictures import film, picture, sound


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def files(store: ArtifactStore) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


def test_pieces_become_one_artifact_under_the_hash_of_all(store: ArtifactStore) -> None:
    data = picture(40, 30)
    with store.receive() as incoming:
        for at in range(0, len(data), 7):
            incoming.write(data[at : at + 7])
        assert incoming.media_type == "image/png"
        content = store_media(store, incoming, "image/png")
    assert content.sha256 == hashlib.sha256(data).hexdigest()
    assert (content.bytes, content.width, content.height) == (len(data), 40, 30)
    (path,) = files(store)
    assert store.find(content.key) == path
    assert path.read_bytes() == data
    assert store.put(data, "image/png").key == content.key
    assert files(store) == [path]


def test_what_breaks_off_or_is_no_picture_leaves_nothing(store: ArtifactStore) -> None:
    with store.receive() as incoming:
        incoming.write(b"half")
    with store.receive() as incoming:
        incoming.write(picture()[:18])
        with pytest.raises(ValueError, match="breaks off"):
            store_media(store, incoming, "image/png")
    assert files(store) == []


def test_memory_does_not_grow_with_what_comes_in(store: ArtifactStore) -> None:
    piece = b"\0" * 65_536
    tracemalloc.start()
    with store.receive() as incoming:
        for _ in range(512):
            incoming.write(piece)
        store.keep(incoming, "video/mp4")
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert incoming.bytes == 32 << 20
    assert peak < 1 << 20


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (640, 3), (300, 2_000)])
def test_a_picture_is_as_large_as_its_header_says(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    file = tmp_path / "picture"
    data = picture(*size, kind)
    file.write_bytes(data)
    media_type = f"image/{kind.lower()}"
    assert read_size(file, media_type) == size
    for end in range(2, min(len(data), 40)):
        file.write_bytes(data[:end])
        try:
            assert read_size(file, media_type) in (size, None)
        except ValueError:
            continue


def test_pictures_that_keep_their_size_in_another_kind_of_header(tmp_path: Path) -> None:
    file = tmp_path / "picture"
    for options in ({"lossless": True}, {"exif": Image.Exif(), "icc_profile": b"x" * 200}):
        data = io.BytesIO()
        Image.new("RGBA", (33, 21), (1, 2, 3, 4)).save(data, "WEBP", **options)
        file.write_bytes(data.getvalue())
        assert read_size(file, "image/webp") == (33, 21)
    data = io.BytesIO()
    Image.new("RGB", (33, 21)).save(data, "JPEG", progressive=True, exif=b"Exif\0\0" + b"x" * 60_000)
    file.write_bytes(data.getvalue())
    assert read_size(file, "image/jpeg") == (33, 21)


def test_sounds_and_films_have_no_size_and_what_is_hostile_has_an_end(tmp_path: Path) -> None:
    file = tmp_path / "media"
    for data, media_type in ((sound(), "audio/wav"), (film(), "video/mp4")):
        file.write_bytes(data)
        assert read_size(file, media_type) is None
    for data in (b"\xff\xd8" + b"\xff\xe0\0\2" * 200_000, b"\xff\xd8" + b"\xff" * 100_000, b"\xff\xd8\xff\xe0\0\0"):
        file.write_bytes(data)
        with pytest.raises(ValueError, match=r"header|breaks off"):
            read_size(file, "image/jpeg")
