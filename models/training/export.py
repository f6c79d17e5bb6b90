"""Assembles the trained parts into a StableDiffusionPipeline and writes fp16 safetensors, all or nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler, StableDiffusionPipeline

from models.training.autoencoder import open_autoencoder
from models.training.denoiser import open_denoiser
from models.training.text import open_text_encoder
from models.training.tokens import open_tokenizer

KEPT = ("README.md", "LICENSE")


def build_scheduler() -> Any:
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000, prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=2.0,
        algorithm_type="dpmsolver++", solver_order=2, lower_order_final=True, steps_offset=1,
    )  # fmt: skip


def assemble_pipeline(workspace: Path) -> Any:
    return StableDiffusionPipeline(
        vae=open_autoencoder(workspace), text_encoder=open_text_encoder(workspace),
        tokenizer=open_tokenizer(workspace), unet=open_denoiser(workspace), scheduler=build_scheduler(),
        safety_checker=None, feature_extractor=None, image_encoder=None, requires_safety_checker=False,
    )  # fmt: skip


def export_pipeline(workspace: Path, folder: Path) -> None:
    """Write the pipeline beside `folder`, then put it in its place; model card and licence are kept."""
    fresh = folder.with_name(folder.name + ".fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline = assemble_pipeline(workspace)
    pipeline.to(dtype=torch.float16, silence_dtype_warnings=True)
    pipeline.save_pretrained(fresh, safe_serialization=True)
    tidy_files(fresh)
    for name in KEPT:
        if (folder / name).exists():
            shutil.copy2(folder / name, fresh / name)
    stale = folder.with_name(folder.name + ".stale")
    shutil.rmtree(stale, ignore_errors=True)
    if folder.exists():
        folder.rename(stale)
    fresh.rename(folder)
    shutil.rmtree(stale, ignore_errors=True)


def tidy_files(folder: Path) -> None:
    """Readable by all; and without the key that AutoencoderTiny writes but warns of when it reads it."""
    config = json.loads((folder / "vae" / "config.json").read_text())
    config.pop("block_out_channels", None)
    (folder / "vae" / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def open_pipeline(folder: Path) -> Any:
    """The shipped pipeline as the service loads it: fp16 files, computed in float32, no progress bar."""
    pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def measure_megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
