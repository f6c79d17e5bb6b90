"""The denoiser: a small UNet trained by flow matching on latents, under the frozen text encoder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

from models.training.album import open_album
from models.training.attributes import Scene
from models.training.autoencoder import CHANNELS, encode_album, fit_basis
from models.training.captions import Caption, write_caption
from models.training.emphasis import weigh_regions
from models.training.text import WIDTH, open_text_encoder
from models.training.tokens import encode_texts, open_tokenizer

log = logging.getLogger(__name__)
STEPS, RATE, DECAY_SHARE = 8_500, 1e-3, 0.35
EMA, DROPPED, WHOLE = 0.998, 0.1, 0.55
CHECKPOINT_EVERY = 100


@dataclass(frozen=True)
class Format:
    """Latents of one shape, how often a batch is taken from them, and its size."""

    name: str
    share: float
    batch: int


FORMATS = (
    Format("square", 0.9, 32),
    Format("small", 0.04, 48),
    Format("wide", 0.03, 20),
    Format("tall", 0.03, 20),
)


@dataclass(frozen=True)
class Shelf:
    """The latents of a format as float16, with the scene of each."""

    latents: torch.Tensor
    scenes: list[Scene]


def build_denoiser() -> Any:
    """About 6.2 million parameters; attends to the words at the coarse level only."""
    return UNet2DConditionModel(
        sample_size=16, in_channels=CHANNELS, out_channels=CHANNELS, block_out_channels=(64, 160),
        layers_per_block=1, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=WIDTH, attention_head_dim=4, norm_num_groups=32, use_linear_projection=True,
        addition_embed_type="text", addition_embed_type_num_heads=8, resnet_time_scale_shift="scale_shift",
    )  # fmt: skip


def open_shelves(workspace: Path) -> dict[str, Shelf]:
    basis = fit_basis(workspace)
    return {
        form.name: Shelf(encode_album(form.name, basis, workspace), open_album(form.name, workspace)[1])
        for form in FORMATS
    }


def caption_batch(scenes: list[Scene], rng: Random) -> list[Caption]:
    """A fresh caption for every drawing, half of them whole; one in ten is empty, for guidance."""
    return [
        Caption("", {}) if rng.random() < DROPPED else write_caption(scene, rng, full=rng.random() < WHOLE)
        for scene in scenes
    ]


def draw_levels(count: int, lot: torch.Generator) -> torch.Tensor:
    """Noise levels, 0 to 1; some lie near pure noise, where the words alone decide what goes where."""
    plain, high = torch.randn((2, count), generator=lot)
    chosen = torch.rand(count, generator=lot) < 0.15
    return torch.where(chosen, torch.sigmoid(2.6 + 1.0 * high), torch.sigmoid(0.3 + 1.2 * plain))


@dataclass
class Trainer:
    """What a training step needs; `averaged` holds the exponential moving average of the weights."""

    unet: Any
    averaged: Any
    optimizer: torch.optim.Optimizer
    encoder: Any
    tokenizer: Any
    shelves: dict[str, Shelf]
    step: int = 0

    def set_rate(self) -> None:
        left = (STEPS - self.step) / (DECAY_SHARE * STEPS)
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (self.step + 1) / 100) * max(0.01, min(1.0, left))

    def take_step(self) -> float:
        """One batch of one format. Randomness depends on the step alone, so a resumed run is the same run."""
        lot, rng = torch.Generator().manual_seed(51_000_000 + self.step), Random(52_000_000 + self.step)
        form = rng.choices(FORMATS, [form.share for form in FORMATS])[0]
        shelf = self.shelves[form.name]
        chosen = torch.randint(len(shelf.scenes), (form.batch,), generator=lot)
        captions = caption_batch([shelf.scenes[i] for i in chosen.tolist()], rng)
        loss = self.measure_loss(shelf.latents[chosen].float(), captions, lot)
        self.set_rate()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.average_weights()
        self.step += 1
        return float(loss.detach())

    def measure_loss(self, clean: torch.Tensor, captions: list[Caption], lot: torch.Generator) -> torch.Tensor:
        """Flow matching: from clean to noise at level s, the network predicts noise - clean."""
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            words = self.encoder(encode_texts(self.tokenizer, [c.text for c in captions])).last_hidden_state.float()
        noise = torch.randn(clean.shape, generator=lot)
        level = draw_levels(len(clean), lot)
        share = level[:, None, None, None]
        with torch.autocast("cpu", torch.bfloat16):
            guess = self.unet((1 - share) * clean + share * noise, level * 1000, words).sample
        error = (guess.float() - (noise - clean)).square().mean(1)
        weights = weigh_regions(captions, clean.shape[2], clean.shape[3])
        return torch.mean(error * weights)

    @torch.no_grad()
    def average_weights(self) -> None:
        keep = min(EMA, (self.step + 1) / (self.step + 10))
        theirs, ours = list(self.averaged.parameters()), list(self.unet.parameters())
        torch._foreach_lerp_(theirs, ours, 1 - keep)

    def save(self, path: Path) -> None:
        state = {
            "unet": self.unet.state_dict(), "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(), "step": self.step,
        }  # fmt: skip
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.unet.load_state_dict(state["unet"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])


def start_trainer(workspace: Path) -> Trainer:
    torch.manual_seed(50)
    unet, averaged = build_denoiser(), build_denoiser()
    averaged.load_state_dict(unet.state_dict())
    optimizer = torch.optim.AdamW(unet.parameters(), lr=RATE, weight_decay=0.01)
    unet.set_attn_processor(AttnProcessor())
    encoder, tokenizer = open_text_encoder(workspace), open_tokenizer(workspace)
    trainer = Trainer(unet, averaged.requires_grad_(False), optimizer, encoder, tokenizer, open_shelves(workspace))
    if (workspace / "denoiser.pt").exists():
        trainer.load(workspace / "denoiser.pt")
    return trainer


def train_denoiser(workspace: Path) -> None:
    """Train to the last step; a checkpoint is written every 100 steps and taken up again after a break."""
    trainer = start_trainer(workspace)
    losses: list[float] = []
    while trainer.step < STEPS:
        losses.append(trainer.take_step())
        if trainer.step % 100 == 0:
            log.info("denoiser step %d: loss %.4f", trainer.step, sum(losses) / len(losses))
            losses.clear()
        if trainer.step % CHECKPOINT_EVERY == 0:
            trainer.save(workspace / "denoiser.pt")


def open_denoiser(workspace: Path) -> Any:
    """The averaged weights of the latest checkpoint; random ones when there is none yet."""
    unet = build_denoiser()
    if (workspace / "denoiser.pt").exists():
        unet.load_state_dict(torch.load(workspace / "denoiser.pt", weights_only=True)["averaged"])
    return unet.eval().requires_grad_(False)
