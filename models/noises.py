"""The noise that pictures are made of, and what lies between two of them. Imports torch: reach it only through
`models.walk`."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor

from models.pipelines import seeded


def draw_noise(pipeline: Any, seeds: Sequence[int], size: tuple[int, int]) -> Any:
    """One for each seed, the same that the pipeline itself would draw for a picture of this width and height."""
    width, height = (side // pipeline.vae_scale_factor for side in size)
    shape = (1, pipeline.unet.config.in_channels, height, width)
    device = pipeline._execution_device
    return tuple(randn_tensor(shape, seeded(seed), device, pipeline.unet.dtype) for seed in seeds)


def blend(one: torch.Tensor, other: torch.Tensor, shares: Sequence[float]) -> torch.Tensor:
    """Rows from one (0) to the other (1). On an arc, not on a line: the sum of two noises must be as strong as each,
    or the picture is dull in the middle."""
    if torch.equal(one, other):
        return one.expand(len(shares), *one.shape[1:])
    angles = one.new_tensor(shares).view(-1, 1, 1, 1) * (math.pi / 2)
    return angles.cos() * one + angles.sin() * other
