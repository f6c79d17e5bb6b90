"""Settings: where they come from, which source wins, and how a wrong one is told."""

import json
import os
from pathlib import Path

import pytest

from config.settings import STACK_FILE, Settings, SettingsError, read_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and no setting from outside."""
    for name in list(os.environ):
        if name.startswith("SAFELIGHT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_stack(folder: Path, **known: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / STACK_FILE).write_text(json.dumps(known))


def test_nothing_need_be_set(folder: Path) -> None:
    settings = read_settings()
    assert settings.database == f"sqlite:///{folder / '.safelight' / 'safelight.db'}"
    assert settings.artifacts_folder == folder / ".safelight" / "artifacts"
    assert (settings.auth, settings.device, settings.diagnostics, settings.max_attempts) == (
        "off",
        "auto",
        False,
        3,
    )


def test_an_argument_wins_over_the_environment_over_the_file_over_the_running_stack(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = {"url": "http://stack", "device": "stack", "models": "stack", "flower_auth": "stack"}
    write_stack(folder / ".safelight", **everywhere)
    (folder / "safelight.toml").write_text('url = "http://file"\ndevice = "file"\nmodels = "file"\n')
    monkeypatch.setenv("SAFELIGHT_URL", "http://environment")
    monkeypatch.setenv("SAFELIGHT_DEVICE", "environment")
    settings = read_settings(url="http://argument")
    assert settings.url == "http://argument"
    assert settings.device == "environment"
    assert settings.models == "file"
    assert settings.flower_auth == "stack"


def test_an_argument_of_none_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_URL", "http://environment")
    assert read_settings(url=None).url == "http://environment"


@pytest.mark.parametrize("source", ["argument", "environment", "file"])
def test_the_running_stack_is_looked_for_in_the_data_folder_wherever_that_was_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    data = folder / "data"
    write_stack(data, url="http://127.0.0.1:1234", pid=1, flower_url="http://127.0.0.1:5")
    if source == "environment":
        monkeypatch.setenv("SAFELIGHT_DATA_DIR", str(data))
    if source == "file":
        (folder / "safelight.toml").write_text('data_dir = "data"\n')
    settings = read_settings(data_dir=data if source == "argument" else None)
    assert settings.url == "http://127.0.0.1:1234"
    assert settings.database == f"sqlite:///{data / 'safelight.db'}"


def test_a_stack_that_was_stopped_leaves_no_settings(folder: Path) -> None:
    write_stack(folder / ".safelight", url="http://127.0.0.1:1234")
    assert read_settings().url == "http://127.0.0.1:1234"
    (folder / ".safelight" / STACK_FILE).unlink()
    assert read_settings().url == "http://127.0.0.1:8000"


WRONG = {
    "SAFELIGHT_LEASE_S": ["1", "abc", "nan", ""],
    "SAFELIGHT_HEARTBEAT_S": ["0", "11"],
    "SAFELIGHT_DRAIN_GRACE_S": ["-1"],
    "SAFELIGHT_REAP_EVERY_S": ["0"],
    "SAFELIGHT_MAX_ATTEMPTS": ["0", "1.5", "101"],
    "SAFELIGHT_TORCH_THREADS": ["-1"],
    "SAFELIGHT_LOADED_MODELS": ["0"],
    "SAFELIGHT_WEBHOOK_ALLOW": ["10.0.0.1/8", "example.com", "10.0.0.0/8;127.0.0.0/8"],
    "SAFELIGHT_WEBHOOK_TIMEOUT_S": ["0", "61", "inf"],
    "SAFELIGHT_WEBHOOK_WAITS_S": ["soon", "5,-1", "5,inf", "nan", "604801"],
    "SAFELIGHT_COURIER_THREADS": ["0", "257"],
    "SAFELIGHT_WATCH_ROOTS": ["inbox", "/srv/inbox:inbox"],
    "SAFELIGHT_DIAGNOSTICS": ["perhaps"],
    "SAFELIGHT_AUTH": ["on", "OFF!"],
    "SAFELIGHT_DATABASE_URL": [
        "mysql://host/name",
        "/var/lib/safelight.db",
        "postgresql+asyncpg://host/name",
    ],
    "SAFELIGHT_BROKER_URL": ["amqp://host", "127.0.0.1:6379", "", "redis://[::1"],
    "SAFELIGHT_ARTIFACTS_URL": ["/var/lib/artifacts", "ftp://host/folder"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_value_is_told_in_a_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert str(refused.value).startswith(f"{name}: ")
    assert "\n" not in str(refused.value)


def test_every_wrong_value_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_AUTH", "maybe")
    monkeypatch.setenv("SAFELIGHT_MAX_ATTEMPTS", "none")
    with pytest.raises(SettingsError, match=r"SAFELIGHT_AUTH: .*; SAFELIGHT_MAX_ATTEMPTS: "):
        read_settings()


@pytest.mark.parametrize("text", ["url = ", 'max_attempts = "many"', "[url]\nx = 1", "\x00"])
def test_a_file_that_is_wrong_is_told_in_a_sentence(folder: Path, text: str) -> None:
    (folder / "safelight.toml").write_text(text)
    with pytest.raises(SettingsError):
        read_settings()


@pytest.mark.parametrize("text", ["{", '"words"', '{"url": 7}'])
def test_what_a_stack_left_behind_that_is_wrong_is_told_in_a_sentence(folder: Path, text: str) -> None:
    (folder / ".safelight").mkdir()
    (folder / ".safelight" / STACK_FILE).write_text(text)
    with pytest.raises(SettingsError):
        read_settings()


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://me@host/name", "postgresql+psycopg://me@host/name"),
        (
            "postgresql+psycopg://me@host/name?sslmode=require",
            "postgresql+psycopg://me@host/name?sslmode=require",
        ),
        ("sqlite:////var/lib/safelight.db", "sqlite:////var/lib/safelight.db"),
    ],
)
def test_a_database_may_be_sqlite_or_postgresql_which_is_spoken_to_through_psycopg(given: str, used: str) -> None:
    assert read_settings(database_url=given).database == used


@pytest.mark.parametrize("url", ["redis://h:1/2", "rediss://me:secret@h", "redis://[::1]:6379"])
def test_a_broker_may_be_reached_in_each_of_these_ways(url: str) -> None:
    assert read_settings(broker_url=url).broker_url == url


@pytest.mark.parametrize("name", ["plain", "with blank", "with#mark", "with?mark", "100%25", "é"])
def test_an_artifacts_url_names_the_folder_it_was_made_from(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    assert read_settings(artifacts_url=folder.as_uri()).artifacts_folder == folder


def test_settings_are_one_value_that_nobody_changes() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().url = "http://elsewhere"  # type: ignore[misc]
