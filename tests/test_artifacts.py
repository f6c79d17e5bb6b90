"""The artifact store: bytes under the name of their content, whole or not at all."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.media.artifacts import SHELVES, ArtifactStore

BYTES = b"a picture"
KEY = f"{hashlib.sha256(BYTES).hexdigest()}.png"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def files(store: ArtifactStore) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


def old(store: ArtifactStore, seconds: float) -> set[Path]:
    return {path for shelf in range(SHELVES) for path in store.older_than(seconds, shelf)}


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds, time.time() - seconds))


def test_bytes_are_stored_under_the_name_of_their_content(store: ArtifactStore) -> None:
    stored = store.put(BYTES, "image/png")
    assert (stored.key, stored.sha256, stored.bytes) == (KEY, KEY.removesuffix(".png"), len(BYTES))
    path = store.find(stored.key)
    assert path is not None
    assert path.read_bytes() == BYTES
    assert files(store) == [path]


def test_stored_bytes_may_be_read_by_others_and_written_by_nobody_else(store: ArtifactStore) -> None:
    path = store.find(store.put(BYTES, "image/png").key)
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [
        ("image/jpeg", "jpg"),
        ("image/webp", "webp"),
        ("video/mp4", "mp4"),
        ("audio/wav", "wav"),
        ("x/y", "bin"),
    ],
)
def test_the_extension_tells_the_media_type(store: ArtifactStore, media_type: str, extension: str) -> None:
    stored = store.put(b"", media_type)
    assert stored.key == f"{hashlib.sha256(b'').hexdigest()}.{extension}"
    assert store.find(stored.key) is not None


def test_the_same_bytes_put_twice_are_one_file_that_is_young_again(store: ArtifactStore) -> None:
    path = store.find(store.put(BYTES, "image/png").key)
    assert path is not None
    age(path, 1_000)
    assert store.put(BYTES, "image/png").key == path.name
    assert files(store) == [path]
    assert old(store, 500) == set(), "a sweep must not take it before its row is written"


def test_a_file_cut_short_by_somebody_else_is_made_whole_by_the_next_put(store: ArtifactStore) -> None:
    path = store.find(store.put(BYTES, "image/png").key)
    assert path is not None
    path.write_bytes(BYTES[:3])
    store.put(BYTES, "image/png")
    assert path.read_bytes() == BYTES


def test_the_same_bytes_put_from_many_threads_are_one_whole_file(store: ArtifactStore) -> None:
    data = os.urandom(300_000)
    with ThreadPoolExecutor(8) as pool:
        keys = {stored.key for stored in pool.map(lambda _: store.put(data, "image/png"), range(64))}
    assert len(keys) == 1
    assert [path.read_bytes() for path in files(store)] == [data]


WRITE_WITHIN_A_LIMIT = """
import errno, resource, sys
from pathlib import Path
from storage.media.artifacts import ArtifactStore
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
store = ArtifactStore(Path(sys.argv[1]))
store.put(b"small", "image/png")
try:
    store.put(b"x" * int(sys.argv[2]), "image/png")
except OSError as fault:
    print(errno.errorcode[fault.errno])
"""


@pytest.mark.parametrize("size", [50_001, 5_000_000])
def test_bytes_that_do_not_fit_leave_nothing_half_written_behind(store: ArtifactStore, size: int) -> None:
    """The kernel refuses the write midway, as on a full disk."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_WITHIN_A_LIMIT, store.folder, str(size)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        check=True,
    )
    assert done.stdout.strip() == "EFBIG"
    assert [path.read_bytes() for path in files(store)] == [b"small"]
    assert store.find(f"{hashlib.sha256(b'x' * size).hexdigest()}.png") is None


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from storage.media.artifacts import ArtifactStore
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
ArtifactStore(Path(sys.argv[1])).put(b"never seen", "image/png")
"""


def test_a_process_killed_before_its_bytes_are_synced_leaves_only_what_a_sweep_finds(
    store: ArtifactStore,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, store.folder], cwd=Path(__file__).parent.parent
    )
    assert done.returncode == -9
    (abandoned,) = files(store)
    assert store.find(f"{hashlib.sha256(b'never seen').hexdigest()}.png") is None
    assert store.find(abandoned.name) is None
    assert old(store, 3_600) == set(), "somebody may still be writing it"
    age(abandoned, 7_200)
    assert old(store, 3_600) == {abandoned}


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        "../secret.png",
        "ab/../../secret.png",
        "/etc/passwd",
        "..%2Fsecret.png",
        "\0",
        f"{KEY}\n",
        f"{KEY}\0",
        f" {KEY}",
        KEY.upper(),
        KEY.removesuffix(".png"),
        f"{KEY[:63]}.png",
        f"{KEY[:2]}/{KEY}",
        f"../{KEY[:2]}/{KEY}",
        f"{KEY[:64]}.",
        f"{KEY[:64]}.p/g",
        f"{KEY[:64]}.PNG",
        f"{KEY[:64]}.abcdef",
        "x" * 10_000,
        "é" * 64 + ".png",
        "٠" * 64 + ".png",
    ],
)
def test_whatever_is_no_key_finds_nothing(store: ArtifactStore, key: str) -> None:
    store.put(BYTES, "image/png")
    (store.folder.parent / "secret.png").write_bytes(b"secret")
    assert store.find(key) is None


@pytest.mark.parametrize("name", ["tmpabcd.part", KEY[:64], f"{KEY}\n", f"{KEY[:64]}.abcdef", f"{KEY}.part"])
def test_what_lies_on_a_shelf_under_a_name_that_is_no_key_is_not_found(store: ArtifactStore, name: str) -> None:
    (store.folder / name[:2]).mkdir(parents=True)
    (store.folder / name[:2] / name).write_bytes(b"half written")
    assert store.find(name) is None


def test_a_key_of_other_bytes_or_of_a_folder_finds_nothing(store: ArtifactStore) -> None:
    other = KEY.replace(KEY[0], "0" if KEY[0] != "0" else "1")
    assert store.find(KEY) is None
    (store.folder / other[:2] / other).mkdir(parents=True)
    assert store.find(other) is None


def test_what_is_old_is_listed_shelf_by_shelf_and_what_is_young_is_not(store: ArtifactStore) -> None:
    paths = [store.find(store.put(bytes([number]), "image/png").key) for number in range(9)]
    aged = {path for path in paths[:6] if path}
    for path in aged:
        age(path, 1_000)
    assert len({path.parent for path in aged}) > 1
    assert old(store, 500) == aged
    assert old(store, 2_000) == set()
    some = next(iter(aged))
    assert some in store.older_than(500, int(some.name[:2], 16))


def test_a_store_that_never_stored_anything_has_nothing_old(store: ArtifactStore) -> None:
    assert old(store, 0) == set()
    assert store.find(KEY) is None


def test_what_is_set_aside_is_still_found_and_put_back_or_discarded(store: ArtifactStore) -> None:
    key = store.put(BYTES, "image/png").key
    store.set_aside(key)
    assert store.aside(500) == [], "its time aside begins now, however old it was"
    assert read(store, key) == BYTES
    store.put_back(key)
    assert (store.aside(-1), read(store, key)) == ([], BYTES)
    store.set_aside(key)
    store.discard(key, 500)
    assert store.find(key) is not None, "it came there just now"
    store.discard(key, -1)
    assert store.find(key) is None


def test_what_is_set_aside_and_put_again_is_written_anew(store: ArtifactStore) -> None:
    key = store.put(BYTES, "image/png").key
    store.set_aside(key)
    store.put(BYTES, "image/png")
    store.discard(key, -1)
    assert read(store, key) == BYTES


def test_what_is_not_there_can_be_set_aside_put_back_and_discarded(store: ArtifactStore) -> None:
    for act in (store.set_aside, store.put_back, lambda key: store.discard(key, 0)):
        act(KEY)
    assert store.find(KEY) is None


def test_bytes_that_were_put_are_found_whoever_sets_them_aside_meanwhile(store: ArtifactStore) -> None:
    """As a job stores the very bytes that another one's refused conclusion had stored."""
    over = threading.Event()

    def move() -> None:
        while not over.is_set():
            store.set_aside(KEY)

    movers = [threading.Thread(target=move) for _ in range(2)]
    for mover in movers:
        mover.start()
    found = [store.find(store.put(BYTES, "image/png").key) for _ in range(1_000)]
    over.set()
    for mover in movers:
        mover.join()
    assert all(found)
    assert read(store, KEY) == BYTES


def read(store: ArtifactStore, key: str) -> bytes:
    path = store.find(key)
    assert path is not None
    return path.read_bytes()


def test_a_folder_that_cannot_be_written_is_told_apart_from_one_that_can(tmp_path: Path) -> None:
    ArtifactStore(tmp_path / "new" / "folder").check_writable()
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        ArtifactStore(tmp_path / "file" / "artifacts").check_writable()
