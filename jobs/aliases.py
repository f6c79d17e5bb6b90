"""Aliases: a name that stands for several versions of models, each with a share of the jobs. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Target:
    """A version (name@version), and its share of the jobs beside the other targets' weights."""

    model: str
    weight: int


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that does some of the jobs again, for comparison: nobody gets its results."""

    model: str
    percent: float


@dataclass(frozen=True, slots=True)
class Alias:
    """One revision of an alias. The highest is in force; none ever changes."""

    tenant: str
    name: str
    revision: int
    targets: tuple[Target, ...]
    shadows: tuple[Shadow, ...]
    restores: int | None  # the revision that a roll back took this from
    created_at: datetime

    @property
    def origin(self) -> int:
        """The revision that first said what this one says."""
        return self.restores or self.revision


Routes = Mapping[tuple[str, str], Alias]  # by tenant and name, those in force
NO_ROUTES: Routes = MappingProxyType({})


def choose(alias: Alias, sticky: str) -> str:
    """The version for whoever `sticky` stands for: the same for as long as the weights are the same, and when one
    grows, of the others' only as many change as must."""
    place = _place(alias, "target", sticky) * sum(target.weight for target in alias.targets)
    for target in alias.targets:
        place -= target.weight
        if place < 0:
            return target.model
    return alias.targets[-1].model


def choose_shadows(alias: Alias, job_id: str) -> list[str]:
    """The versions that shall do this job again."""
    return [one.model for one in alias.shadows if _place(alias, one.model, job_id) * 100 < one.percent]


def _place(alias: Alias, what: str, sticky: str) -> float:
    """From 0 to 1, evenly."""
    digest = hashlib.sha256("\0".join((alias.tenant, alias.name, what, sticky)).encode()).digest()
    return int.from_bytes(digest[:6]) / (1 << 48)
