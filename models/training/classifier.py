"""The judge's eye: a small network that reads every attribute off a picture, trained on drawings alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.training.album import open_album
from models.training.attributes import FIELDS, Scene
from models.training.autoencoder import settle_rate, take_step

log = logging.getLogger(__name__)
STEPS, BATCH, RATE = 1_300, 64, 2e-3
SIDE = 128
CLASSES = sum(len(values) for values in FIELDS.values())


def build_stage(inside: int, outside: int, stride: int, size: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, size, stride, padding=0 if stride == size else size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU())


def build_classifier() -> Any:
    """(n, 3, 128, 128) from -1 to 1, to the scores of all attributes side by side."""
    return nn.Sequential(
        build_stage(3, 32, 4, 4), build_stage(32, 48, 1), build_stage(48, 96, 2), build_stage(96, 96, 1),
        build_stage(96, 160, 2), nn.Conv2d(160, 40, 1), nn.Flatten(), nn.Dropout(0.1),
        nn.Linear(40 * 64, CLASSES),
    )  # fmt: skip


def index_scene(scene: Scene) -> list[int]:
    named = scene.describe()
    return [values.index(named[field]) for field, values in FIELDS.items()]


def roughen(pictures: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """Blur some, add a little noise, and vary brightness, so that the eye does not hang on sharp detail."""
    soft = nn.functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
    shares = torch.rand((len(pictures), 1, 1, 1), generator=lot)
    noise = 0.04 * torch.randn(pictures.shape, generator=lot) * torch.rand((len(pictures), 1, 1, 1), generator=lot)
    bright = 0.06 * torch.randn((len(pictures), 1, 1, 1), generator=lot)
    return torch.lerp(pictures, soft, shares) + noise + bright


def show_pictures(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def train_classifier(workspace: Path) -> None:
    """Train on the square album unless the checkpoint is there."""
    path = workspace / "classifier.pt"
    if path.exists():
        return
    torch.manual_seed(61)
    pictures, scenes = open_album("square", workspace)
    targets = torch.tensor([index_scene(scene) for scene in scenes])
    network = build_classifier()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.02)
    for step in range(STEPS):
        lot = torch.Generator().manual_seed(62_000_000 + step)
        chosen = torch.randint(len(scenes), (BATCH,), generator=lot).sort().values
        seen = roughen(show_pictures(np.stack([pictures[i] for i in chosen.tolist()])), lot)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network(seen)
        loss = measure_loss(outputs.float(), targets[chosen])
        take_step(loss, network, optimizer, RATE * settle_rate(step, STEPS))
        if step % 200 == 199:
            log.info("classifier step %d: loss %.3f", step + 1, float(loss.detach()))
    torch.save(network.state_dict(), path)


def split_scores(outputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    parts: tuple[torch.Tensor, ...] = torch.split(outputs, [len(values) for values in FIELDS.values()], dim=1)
    return parts


def measure_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    parts = split_scores(outputs)
    return torch.stack([nn.functional.cross_entropy(part, targets[:, i]) for i, part in enumerate(parts)]).sum()


def open_classifier(workspace: Path) -> Any:
    network = build_classifier()
    network.load_state_dict(torch.load(workspace / "classifier.pt", weights_only=True))
    return network.eval()


@torch.no_grad()
def read_pictures(network: Any, pictures: np.ndarray) -> list[dict[str, str]]:
    """What the eye sees in (n, 128, 128, 3) uint8 pictures: a value for every attribute."""
    outputs = torch.cat(
        [network(show_pictures(part)) for part in np.array_split(pictures, max(1, len(pictures) // 100))]
    )
    chosen = [
        [values[int(i)] for i in part.argmax(1)]
        for values, part in zip(FIELDS.values(), split_scores(outputs), strict=True)
    ]
    return [dict(zip(FIELDS, column, strict=True)) for column in zip(*chosen, strict=True)]
