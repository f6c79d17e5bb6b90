"""Where the loss weighs more: the regions that a caption speaks of.

Weights depend on the caption alone, never on the drawing, so the learned average stays unbiased.
"""

from __future__ import annotations

from functools import cache

import torch

from models.training.attributes import NONE
from models.training.captions import Caption, Claims

CENTRES = {"left": 0.235, "middle": 0.5, "right": 0.765}
Region = tuple[float, float, float, float, float]


def list_regions(claims: Claims) -> tuple[Region, ...]:
    """(left, top, right, bottom, weight), as fractions, for what the claims name."""
    regions: list[Region] = []
    if claims.get("mountains", NONE) != NONE:
        regions.append((0.0, 0.34, 1.0, 0.66, 1.4))
    if claims.get("body", NONE) != NONE:
        place = CENTRES.get(claims.get("body_place", NONE))
        regions.append(
            (0.0, 0.03, 1.0, 0.44, 2.0) if place is None else (place - 0.18, 0.03, place + 0.18, 0.44, 4.0)
        )
    if claims.get("subject", NONE) != NONE:
        place = CENTRES.get(claims.get("subject_place", NONE))
        regions.append((0.0, 0.42, 1.0, 0.92, 2.0) if place is None else (place - 0.2, 0.42, place + 0.2, 0.92, 3.4))
    return tuple(regions)


@cache
def weigh_region_set(regions: tuple[Region, ...], rows: int, columns: int) -> torch.Tensor:
    across, down = (torch.arange(columns) + 0.5) / columns, (torch.arange(rows) + 0.5) / rows
    weights = torch.ones(rows, columns)
    for left, top, right, bottom, weight in regions:
        inside = ((down > top) & (down < bottom))[:, None] & ((across > left) & (across < right))[None, :]
        weights = torch.where(inside, torch.full_like(weights, weight).maximum(weights), weights)
    return weights


def weigh_regions(captions: list[Caption], rows: int, columns: int) -> torch.Tensor:
    """Weights of the squared error, shape (n, rows, columns)."""
    return torch.stack([weigh_region_set(list_regions(caption.claims), rows, columns) for caption in captions])
