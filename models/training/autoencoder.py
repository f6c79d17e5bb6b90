"""Pictures to latents and back: the encoder is the closed-form PCA of patches, the decoder a trained network.

A latent holds an 8-pixel patch of the drawing at scale 1; the decoder paints it at scale 2, 16 pixels wide.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny

from models.training.album import open_album

log = logging.getLogger(__name__)
PATCH, CHANNELS, ENLARGED = 8, 24, 16
SCALING = 2.5
DECODER_STEPS, DECODER_RATE, DECODER_BATCH, CROP = 8_000, 2e-3, 8, 8
ENCODER_STEPS, ENCODER_RATE, ENCODER_BATCH = 500, 2e-3, 8
SETTLED = 0.4


@dataclass(frozen=True)
class PatchBasis:
    """`mean` (192,), `axes` (192, channels), `spread` (channels,): half-whitened latents, mean variance 1."""

    mean: torch.Tensor
    axes: torch.Tensor
    spread: torch.Tensor

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, height, width, 3) uint8 to (n, channels, height / 8, width / 8)."""
        n, height, width, _ = pictures.shape
        rows, columns = height // PATCH, width // PATCH
        patches = pictures.float().div(255).view(n, rows, PATCH, columns, PATCH, 3)
        flat = patches.permute(0, 1, 3, 2, 4, 5).reshape(n, rows, columns, -1)
        return ((flat - self.mean) @ self.axes / self.spread).permute(0, 3, 1, 2)


def fit_basis(workspace: Path) -> PatchBasis:
    """PCA of the patches of 3000 drawings; axes are scaled by the root of their deviation."""
    path = workspace / "basis.pt"
    if not path.exists():
        pictures = torch.from_numpy(np.array(open_album("square", workspace)[0][:3000:2]))
        flat = pictures.float().div(255).view(-1, 16, PATCH, 16, PATCH, 3).permute(0, 1, 3, 2, 4, 5)
        patches = flat.reshape(-1, PATCH * PATCH * 3)[::3]
        mean = patches.mean(0)
        powers, axes = torch.linalg.eigh(torch.cov((patches - mean).T))
        deviations = powers.flip(0)[:CHANNELS].sqrt()
        spread = deviations.sqrt() * deviations.mean().sqrt()
        torch.save({"mean": mean, "axes": axes.flip(1)[:, :CHANNELS].contiguous(), "spread": spread}, path)
    return PatchBasis(**torch.load(path, weights_only=True))


@torch.no_grad()
def encode_album(name: str, basis: PatchBasis, workspace: Path) -> torch.Tensor:
    """The latents of a whole scale-1 album as float16, kept beside it."""
    path = workspace / f"{name}.latents.npy"
    if not path.exists():
        pictures, _ = open_album(name, workspace)
        parts = [
            basis.encode(torch.from_numpy(np.array(pictures[i : i + 1000]))).half().numpy()
            for i in range(0, len(pictures), 1000)
        ]
        np.save(path, np.concatenate(parts))
    return torch.from_numpy(np.load(path))


def build_autoencoder() -> Any:
    return AutoencoderTiny(
        latent_channels=CHANNELS, scaling_factor=SCALING,
        encoder_block_out_channels=(20,) * 5, decoder_block_out_channels=(32,) * 5,
        num_encoder_blocks=(0, 1, 1, 2, 2), num_decoder_blocks=(4, 4, 3, 1, 0),
    )  # fmt: skip


def reduce_pictures(pictures: torch.Tensor) -> torch.Tensor:
    """Halve (n, height, width, 3) uint8 by averaging, as the drawings themselves are halved."""
    n, height, width, _ = pictures.shape
    return pictures.float().view(n, height // 2, 2, width // 2, 2, 3).mean((2, 4)).round().byte()


def load_pairs(name: str, basis: PatchBasis, workspace: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """All pictures of a scale-2 album, uint8, and their latents."""
    pictures = torch.from_numpy(np.array(open_album(name, workspace)[0]))
    latents = [basis.encode(reduce_pictures(part)) for part in torch.split(pictures, 250)]
    return pictures, torch.cat(latents)


def crop_pairs(
    pictures: torch.Tensor, latents: torch.Tensor, count: int, lot: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random crops: (count, channels, 8, 8) latents and (count, 3, 128, 128) pictures from -1 to 1."""
    room = latents.shape[-1] - CROP
    chosen = torch.randint(len(latents), (count,), generator=lot).tolist()
    corners = torch.randint(room + 1, (count, 2), generator=lot).tolist()
    side = CROP * ENLARGED
    cut = [
        (
            latents[i, :, y : y + CROP, x : x + CROP],
            pictures[i, y * ENLARGED : y * ENLARGED + side, x * ENLARGED : x * ENLARGED + side],
        )
        for i, (y, x) in zip(chosen, corners, strict=True)
    ]
    seen = torch.stack([picture for _, picture in cut]).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return torch.stack([latent for latent, _ in cut]), seen


def settle_rate(step: int, steps: int) -> float:
    """Warm up over 50 steps, hold, then fall to 2 % over the last 40 % of steps, by a cosine."""
    left = min(1.0, (steps - step) / (SETTLED * steps))
    return min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 - math.cos(math.pi * left)))


def train_decoder(workspace: Path) -> None:
    """Train the decoder on slightly noised PCA latents, unless it is there; pauses every 250 steps."""
    path, pause = workspace / "decoder.pt", workspace / "decoder.pause.pt"
    if path.exists():
        return
    torch.manual_seed(31)
    basis, vae = fit_basis(workspace), build_autoencoder().to(memory_format=torch.channels_last)
    large, small = load_pairs("large", basis, workspace), load_pairs("large-small", basis, workspace)
    optimizer = torch.optim.AdamW(vae.decoder.parameters(), lr=DECODER_RATE, weight_decay=0.0)
    first = resume(pause, vae.decoder, optimizer)
    for step in range(first, DECODER_STEPS):
        lot = torch.Generator().manual_seed(32_000_000 + step)
        latents, pictures = crop_pairs(*(small if step % 8 == 7 else large), DECODER_BATCH, lot)
        latents = latents + 0.04 * torch.randn(latents.shape, generator=lot)
        with torch.autocast("cpu", torch.bfloat16):
            painted = vae.decoder((latents / SCALING).to(memory_format=torch.channels_last))
        error = painted.float() - pictures
        loss = error.square().mean() + 0.03 * error.abs().mean()
        take_step(loss, vae.decoder, optimizer, DECODER_RATE * settle_rate(step, DECODER_STEPS))
        if step % 250 == 249:
            log.info(
                "decoder step %d: %.2f dB",
                step + 1,
                10 * math.log10(4 / float(error.detach().square().mean())),
            )
            save_pause(pause, vae.decoder, optimizer, step + 1)
    torch.save(vae.decoder.state_dict(), path)


def train_encoder(workspace: Path) -> None:
    """Distil the PCA into the network's own encoder, so that `vae.encode` works for image-to-image."""
    path = workspace / "encoder.pt"
    if path.exists():
        return
    torch.manual_seed(41)
    basis, vae = fit_basis(workspace), build_autoencoder().to(memory_format=torch.channels_last)
    large = load_pairs("large", basis, workspace)
    optimizer = torch.optim.AdamW(vae.encoder.parameters(), lr=ENCODER_RATE, weight_decay=0.0)
    for step in range(ENCODER_STEPS):
        lot = torch.Generator().manual_seed(42_000_000 + step)
        latents, pictures = crop_pairs(*large, ENCODER_BATCH, lot)
        with torch.autocast("cpu", torch.bfloat16):
            guess = vae.encoder(pictures.to(memory_format=torch.channels_last))
        loss = (guess.float() * SCALING - latents).square().mean()
        take_step(loss, vae.encoder, optimizer, ENCODER_RATE * settle_rate(step, ENCODER_STEPS))
        if step % 100 == 99:
            log.info("encoder step %d: error %.4f of variance 1", step + 1, float(loss.detach()))
    torch.save(vae.encoder.state_dict(), path)


def take_step(loss: torch.Tensor, network: Any, optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def save_pause(path: Path, network: Any, optimizer: torch.optim.Optimizer, step: int) -> None:
    torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, path)


def resume(path: Path, network: Any, optimizer: torch.optim.Optimizer) -> int:
    """Take up training where it paused; return the next step."""
    if not path.exists():
        return 0
    paused = torch.load(path, weights_only=True)
    network.load_state_dict(paused["network"])
    optimizer.load_state_dict(paused["optimizer"])
    return int(paused["step"])


def open_autoencoder(workspace: Path) -> Any:
    """The trained autoencoder; a part that is not trained yet keeps its random weights."""
    vae = build_autoencoder()
    for part, module in (("encoder", vae.encoder), ("decoder", vae.decoder)):
        if (workspace / f"{part}.pt").exists():
            module.load_state_dict(torch.load(workspace / f"{part}.pt", weights_only=True))
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def measure_decoder(workspace: Path, vae: Any) -> tuple[float, float]:
    """Mean PSNR in dB over the proof album, drawings of held-out combinations: whole, and halved to 128."""
    pictures, latents = load_pairs("proof", fit_basis(workspace), workspace)
    whole, halved = [], []
    for seen, latent in zip(torch.split(pictures, 16), torch.split(latents, 16), strict=True):
        painted = vae.decoder(latent / SCALING).clamp(-1, 1).add(1).mul(127.5).round()
        error = (painted - seen.permute(0, 3, 1, 2)).div(255)
        whole.append(-10 * error.square().mean((1, 2, 3)).log10())
        halved.append(-10 * torch.nn.functional.avg_pool2d(error, 2).square().mean((1, 2, 3)).log10())
    return float(torch.cat(whole).mean()), float(torch.cat(halved).mean())
