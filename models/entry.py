"""One entry of the catalog: what a model's TOML may say, checked. Import-light: no torch."""

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema_rs
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from jobs.errors import InvalidInput
from models.effort import count_steps, count_work
from models.schema import allow_null, field_faults, kinds, media_inputs, plain

PER_ROW = frozenset({"prompt", "negative_prompt"})  # text that may differ from row to row of a batch
PIPELINES = frozenset({"diffusers", "walk"})  # runners that load a pipeline of diffusers
_OF_EACH_JOB = frozenset({"seed", "fail", "fail_times"})  # so may these; the faults are the diagnostic model's
_NO_SIZE = frozenset({"seed", "count", "steps", "fail_times"})

Number = Annotated[float, Field(allow_inf_nan=False)]

_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Where the weights are: a folder (relative to the TOML), a hub id with a pinned revision, or in an installed
    Python package. And which of the library's pipelines reads them."""

    folder: Path | None = None
    hub: str | None = None
    package: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    variant: str | None = None  # file name infix, such as "fp16"
    pipeline: str = Field(default="DiffusionPipeline", pattern=r"^[A-Z][A-Za-z0-9]{0,99}$")  # the one that saved them
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")  # of a folder; None: computed at each load

    @model_validator(mode="after")
    def _one_pinned_place(self) -> "Source":
        if [self.folder, self.hub, self.package].count(None) != 2:
            raise ValueError("name either a folder or a hub id (or a package)")
        if self.hub is not None and self.revision is None:
            raise ValueError("a hub id needs a revision: the full commit hash")
        return self


class Limits(_Part):
    """Bounds in seconds beyond those of the input schema."""

    step_timeout_s: float = Field(default=300.0, gt=0)  # a step that takes longer hangs: the worker is ended
    load_timeout_s: float = Field(default=1800.0, gt=0)


class Batch(_Part):
    """How many outputs may share a batch. Its jobs agree in all inputs but those that may differ by row."""

    max: int = Field(default=1, ge=1, le=1024)
    max_wait_ms: int = Field(default=0, ge=0, le=1000)  # for companions, and only while some arrive
    sizes: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = ()  # a batch is filled up to the next of these

    @model_validator(mode="after")
    def _ascending(self) -> "Batch":
        if list(self.sizes) != sorted(set(self.sizes)):
            raise ValueError("sizes must ascend")
        if self.sizes and self.sizes[-1] < self.max:
            raise ValueError("the last of sizes must not be less than max")
        return self

    def padded(self, outputs: int) -> int:
        """The rows of a batch of so many outputs."""
        return next((size for size in self.sizes if size >= outputs), outputs)


class Load(_Part):
    """How the pipeline is put on its device."""

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    offload: Literal["none", "model", "group", "sequential"] = "none"
    channels_last: bool = False
    quantize: Literal["int8wo", "int8dq", "float8wo"] | None = None  # the denoiser's weights, by torchao
    attention: str | None = Field(default=None, pattern=r"^[a-z0-9_]{1,40}$")  # as diffusers calls its backends
    compile: bool = False  # the denoiser, by torch.compile

    @model_validator(mode="after")
    def _no_remote_code(self) -> "Load":
        if self.attention and "hub" in self.attention.split("_"):
            raise ValueError(f"attention = {self.attention!r} would download code and run it")
        return self


class Preview(_Part):
    """A linear map from latents, as the pipeline holds them, to colours from 0 (black) to 1: what a running job
    shows of its picture. Each channel's row has red, green and blue of n × n pixels, line by line."""

    rgb: tuple[tuple[Number, ...], ...] = Field(min_length=1, max_length=1024)
    offset: tuple[Number, Number, Number]

    @property
    def pixels_per_latent(self) -> int:
        """On a side."""
        return math.isqrt(len(self.rgb[0]) // 3)

    @model_validator(mode="after")
    def _square(self) -> "Preview":
        width = len(self.rgb[0])
        if any(len(row) != width for row in self.rgb):
            raise ValueError("the rows of rgb differ in length")
        if not 1 <= self.pixels_per_latent <= 8 or 3 * self.pixels_per_latent**2 != width:
            raise ValueError("a row of rgb has 3 numbers, or 12, 27, … 192: three for each of n × n pixels")
        return self


class Entry(_Part):
    """A model as its TOML describes it. `input` is JSON Schema; every optional property may also be null."""

    name: str = Field(pattern=_NAME)
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    aliases: tuple[str, ...] = ()
    default: bool = False
    description: str = ""
    license: str = ""
    media_kind: Literal["image", "video", "audio", "none"]
    runner: Literal["diffusers", "walk", "upscale", "speech", "noop"] = "diffusers"
    diagnostic: bool = False
    queue: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    source: Source | None = None
    load: Load = Load()
    preload: bool = False  # workers of its queue load it before their first job
    limits: Limits = Limits()
    batch: Batch = Batch()
    preview: Preview | None = None  # None: the pipeline's own decoder, where there is time for it
    call: dict[str, str] = {}  # input name -> keyword of the pipeline, where they differ
    input: dict[str, Any]

    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _prepare(self) -> "Entry":
        if self.runner in PIPELINES and (self.source is None or self.source.package):
            raise ValueError("a diffusers model needs a [source]: a folder or a hub id")
        if self.input.get("type") != "object" or self.input.get("additionalProperties") is not False:
            raise ValueError('[input] must have type = "object" and additionalProperties = false')
        allow_null(self.input)
        try:
            self.validator  # noqa: B018 (made here, and kept)
        except ValueError as fault:
            raise ValueError(f"[input] is not a JSON Schema: {fault}") from fault
        self.media_inputs  # noqa: B018 (so is this)
        return self

    @cached_property
    def validator(self) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator(self.input)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Of the inputs that have one."""
        rules = self.input.get("properties", {}).items()
        return {name: rule["default"] for name, rule in rules if isinstance(rule, dict) and "default" in rule}

    @property
    def full_name(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def folder(self) -> Path:
        """Where its TOML lies."""
        return self._folder

    @cached_property
    def media_inputs(self) -> Mapping[str, tuple[str, ...]]:
        """The inputs that are media, each with the media types it accepts."""
        return media_inputs(self.input)

    @property
    def weights_folder(self) -> Path | None:
        """The folder of a local source, absolute; None for a hub id."""
        if self.source is None or self.source.folder is None:
            return None
        return (self._folder / self.source.folder).resolve()

    def placed(self, folder: Path) -> "Entry":
        """The entry, knowing the folder its TOML lies in."""
        self._folder = folder
        return self

    def validate_input(self, given: Mapping[str, Any]) -> None:
        """Raises: InvalidInput, with a fault for each wrong field (named `input.…`)."""
        if not self.validator.is_valid(given):
            faults = [field for fault in self.validator.iter_errors(given) for field in field_faults(fault)]
            raise InvalidInput(f"The input does not fit the model {self.name}.", faults)

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The input with every default filled in; nulls mean "not given"."""
        rules: dict[str, Any] = self.input.get("properties", {})
        named = {name: plain(value, rules.get(name)) for name, value in given.items() if value is not None}
        return {**self.defaults, **named}

    def batch_key(self, resolved: Mapping[str, Any]) -> str | None:
        """Jobs with the same key may run in one batch; None: this job runs alone."""
        if self.batch.max < 2 or resolved.get("exact") or self._has_its_own_size(resolved):
            return None
        of_each = PER_ROW | _OF_EACH_JOB | self.media_inputs.keys()
        shared = {name: value for name, value in resolved.items() if name not in of_each}
        given = sorted(
            (PER_ROW | self.media_inputs.keys()) & resolved.keys()
        )  # "" and nothing at all are not the same
        same = json.dumps([self.full_name, shared, given], sort_keys=True)
        return hashlib.sha256(same.encode()).hexdigest()

    def _has_its_own_size(self, resolved: Mapping[str, Any]) -> bool:
        """Pictures that are not brought to a size fit into no batch of tensors."""
        sized = "width" in resolved and "height" in resolved
        return self.runner in PIPELINES and bool(self.media_inputs.keys() & resolved.keys()) and not sized

    def shape(self, resolved: Mapping[str, Any]) -> tuple[int, ...]:
        """What decides how much memory one output takes: the sizes among the inputs, all whole numbers."""
        sizes = sorted(name for name, rule in self.input.get("properties", {}).items() if "integer" in kinds(rule))
        values = (resolved.get(name) for name in sizes if name not in _NO_SIZE)
        return tuple(value if isinstance(value, int) else 0 for value in values)

    @staticmethod
    def units(resolved: Mapping[str, Any]) -> int:
        return int(resolved.get("count", 1))

    def work(self, resolved: Mapping[str, Any]) -> float:
        """How much there is to do, for forecasts, in the runner's own unit."""
        return count_work(self.runner, self._done(resolved))

    def steps(self, resolved: Mapping[str, Any]) -> int:
        """That the runner will report, as far as the input tells."""
        return count_steps(self.runner, self._done(resolved))

    def _done(self, resolved: Mapping[str, Any]) -> Mapping[str, Any]:
        """A strength means nothing without a picture to begin with."""
        if self.media_inputs.keys() & resolved.keys():
            return resolved
        return {name: value for name, value in resolved.items() if name != "strength"}
