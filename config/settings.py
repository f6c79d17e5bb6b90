"""Settings: `SAFELIGHT_*` variables, `safelight.toml`, or what a running `safelight up` left in its data
folder; read here and nowhere else, then handed around as one frozen value."""

import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from config.failpoints import POINTS
from config.webhooks import Networks, parse_networks, parse_secrets, parse_waits

STACK_FILE = "stack.json"  # written by `safelight up` into its data folder, removed when it stops
_DEFAULT_DATA_DIR = Path(".safelight")


class SettingsError(Exception):
    """A setting is missing or wrong."""


class Settings(BaseSettings):
    """All settings, validated."""

    model_config = SettingsConfigDict(
        env_prefix="SAFELIGHT_",
        toml_file="safelight.toml",
        frozen=True,
        extra="ignore",
    )

    data_dir: Path = _DEFAULT_DATA_DIR
    log: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    url: str = "http://127.0.0.1:8000"  # where the command finds the API
    api_key: str = ""
    database_url: str = ""  # sqlite:///… or postgresql+psycopg://…; default: a file in data_dir
    broker_url: str = "redis://127.0.0.1:6379/0"
    artifacts_url: str = ""  # file:///…; default: a folder in data_dir
    models: str = ""  # extra catalog folders, separated by the system's path separator
    device: str = "auto"
    auth: Literal["off", "keys"] = "off"
    diagnostics: bool = False
    lease_s: float = Field(default=15.0, ge=2.0, le=3600.0)
    heartbeat_s: float = Field(default=1.0, gt=0.0, le=10.0)
    drain_grace_s: float = Field(default=4.0, ge=0.0, le=3600.0)
    reap_every_s: float = Field(default=1.0, gt=0.0, le=60.0)
    max_attempts: int = Field(default=3, ge=1, le=100)
    max_queued: int = Field(default=100_000, ge=1)  # a fuller queue refuses submits with 503
    retention_s: float = Field(default=0.0, ge=0.0)  # finished jobs are forgotten after this; 0: never
    result_cache: bool = True  # identical work with a seed is done once
    result_cache_bytes: int = Field(default=10 * 2**30, ge=0)  # of results that may be used again, all tenants'
    result_cache_ttl_s: float = Field(default=604_800.0, gt=0.0)  # no result is used again after this
    circuit_failures: int = Field(default=3, ge=1)  # failures to load a model that open its circuit,
    circuit_window_s: float = Field(default=120.0, gt=0.0)  # within this time,
    circuit_open_s: float = Field(default=30.0, gt=0.0)  # for this long
    circuit_policy: Literal["wait", "refuse"] = "wait"  # what a submit for an open circuit gets: a place, or 503
    torch_threads: int = Field(default=0, ge=0, le=1024)  # 0: torch decides
    loaded_models: int = Field(default=4, ge=1, le=64)  # pipelines a worker keeps in memory
    affinity_looks: int = Field(default=8, ge=0, le=1000)  # in a row at which a worker prefers models it has loaded,
    affinity_s: float = Field(default=60.0, ge=0.0, le=3600.0)  # and for how long; then it takes what is best
    preload: str = ""  # models that a worker loads before its first job, separated by commas
    flower_auth: str = ""  # user:password for Flower's basic auth
    flower_url: str = ""  # where people find Flower; `up` knows it by itself
    webhook_secrets: str = ""  # whsec_…, newest first; default: one made here and kept in the database
    webhook_allow: str = ""  # networks that webhooks may reach although they are not public: 10.1.0.0/16, …
    webhook_timeout_s: float = Field(default=10.0, ge=0.1, le=60.0)  # for one try, all in all
    webhook_waits_s: str = "5,30,120,600,1800,3600,7200,14400,14400,14400,14400,14400"  # between tries: a day
    webhook_retention_s: float = Field(default=604_800.0, ge=0.0)  # finished deliveries are forgotten after this
    batch_share: float = Field(default=0.1, ge=0.0, le=0.9)  # of a worker's claims: batch jobs go first there
    batch_outstanding: int = Field(default=2_000, ge=1, le=50_000)  # jobs of one batch that are under way at a time
    batch_retention_s: float = Field(default=2_592_000.0, ge=0.0)  # ended batches are forgotten after this
    max_upload_bytes: int = Field(default=64 << 20, ge=1)  # of one upload, sent or fetched
    upload_retention_s: float = Field(default=86_400.0, ge=0.0)  # uploads that no job uses are forgotten after this
    fetch_timeout_s: float = Field(default=60.0, ge=0.1, le=3600.0)  # for one try to fetch an input, all in all
    fetch_waits_s: str = "1,5,20"  # between tries
    courier_threads: int = Field(default=16, ge=1, le=256)
    watch_roots: str = ""  # folders in which triggers may watch, separated by the system's path separator
    origins: str = ""  # other sites whose pages may use the API, separated by commas: https://studio.example
    max_sockets: int = Field(default=10_000, ge=1)  # open WebSockets of one API process
    die_at: str = ""  # failure points, separated by commas; heeded only with diagnostics
    freeze_at: str = ""  # the same, to freeze there

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in {"sqlite", "postgresql+psycopg", "postgresql"}:
            raise ValueError("use sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        return url.replace("postgresql://", "postgresql+psycopg://", 1) if url else url

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"redis", "rediss"}:
            raise ValueError("use redis://HOST:PORT/DB or rediss://…; sentinel is not served yet")
        return url

    @field_validator("flower_url")
    @classmethod
    def _known_page(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError("use http://… or https://…")
        return url

    @field_validator("artifacts_url")
    @classmethod
    def _known_artifacts(cls, url: str) -> str:
        if url and urlsplit(url).scheme != "file":
            raise ValueError("use file:///FOLDER")
        return url

    @field_validator("die_at", "freeze_at")
    @classmethod
    def _known_points(cls, points: str) -> str:
        for point in filter(None, points.split(",")):
            if point not in POINTS:
                raise ValueError(f"{point} is none of {', '.join(POINTS)}")
        return points

    @field_validator("webhook_secrets")
    @classmethod
    def _known_secrets(cls, text: str) -> str:
        parse_secrets(text)
        return text

    @field_validator("webhook_allow")
    @classmethod
    def _known_networks(cls, text: str) -> str:
        parse_networks(text)
        return text

    @field_validator("webhook_waits_s", "fetch_waits_s")
    @classmethod
    def _known_waits(cls, text: str) -> str:
        parse_waits(text)
        return text

    @field_validator("watch_roots")
    @classmethod
    def _known_roots(cls, text: str) -> str:
        for folder in filter(None, text.split(os.pathsep)):
            if not Path(folder).is_absolute():
                raise ValueError(f"{folder} is no absolute path")
        return text

    @property
    def watched_roots(self) -> tuple[Path, ...]:
        return tuple(Path(folder) for folder in self.watch_roots.split(os.pathsep) if folder)

    @property
    def webhook_networks(self) -> Networks:
        return parse_networks(self.webhook_allow)

    @property
    def webhook_keys(self) -> tuple[str, ...]:
        return parse_secrets(self.webhook_secrets)

    @property
    def webhook_waits(self) -> tuple[float, ...]:
        return parse_waits(self.webhook_waits_s)

    @property
    def fetch_waits(self) -> tuple[float, ...]:
        return parse_waits(self.fetch_waits_s)

    @property
    def preloaded_models(self) -> list[str]:
        return list(filter(None, (name.strip() for name in self.preload.split(","))))

    @property
    def dying_points(self) -> list[str]:
        return self.die_at.split(",") if self.diagnostics and self.die_at else []

    @property
    def freezing_points(self) -> list[str]:
        return self.freeze_at.split(",") if self.diagnostics and self.freeze_at else []

    @property
    def allowed_origins(self) -> frozenset[str]:
        return frozenset(filter(None, (origin.strip().lower().rstrip("/") for origin in self.origins.split(","))))

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'safelight.db').resolve()}"

    @property
    def artifacts_folder(self) -> Path:
        if self.artifacts_url:
            return Path(url2pathname(urlsplit(self.artifacts_url).path))
        return (self.data_dir / "artifacts").resolve()

    @property
    def files_folder(self) -> Path:
        """Beside the artifacts' shelves, so that whatever holds and backs up these does it for those."""
        return self.artifacts_folder / "files"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls)
        data_dir = Path(
            (init_settings() | {}).get("data_dir")
            or env_settings().get("data_dir")
            or toml().get("data_dir")
            or _DEFAULT_DATA_DIR
        )
        running = JsonConfigSettingsSource(settings_cls, json_file=data_dir / STACK_FILE)
        return init_settings, env_settings, toml, running


def read_settings(**overrides: object) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: with a sentence for each setting that is wrong.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as wrong:
        lines = [
            f"SAFELIGHT_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in wrong.errors()
        ]
        raise SettingsError("; ".join(lines)) from wrong
    except ValueError as wrong:  # a safelight.toml or stack.json that cannot be parsed
        raise SettingsError(str(wrong)) from wrong
