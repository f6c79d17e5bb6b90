"""Real pipelines that are small enough to load and run in a moment: `scenes` with a denoiser of random weights."""

import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from models.catalog import SHIPPED, read_entry
from models.entry import Entry


def tiny(folder: Path, name: str = "tiny", **changes: Any) -> Entry:
    """An entry of its own, its weights in `folder`. Of `changes`, dicts change parts: `load={"compile": True}`."""
    shipped = read_entry(SHIPPED / "scenes.toml")
    assert isinstance(shipped, Entry)
    assert shipped.weights_folder is not None
    weights = folder / "weights" / "scenes"
    if not weights.exists():
        shutil.copytree(shipped.weights_folder, weights)
        _save_denoiser(weights / "unet")
    parts = {key: getattr(shipped, key).model_copy(update=v) for key, v in changes.items() if isinstance(v, dict)}
    entry = shipped.model_copy(update={"name": name, **changes, **parts})
    return entry.placed(folder / "shelf")


def _save_denoiser(folder: Path) -> None:
    config = {key: v for key, v in UNet2DConditionModel.load_config(str(folder)).items() if not key.startswith("_")}
    small = {
        "block_out_channels": [32, 32],
        "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "attention_head_dim": 8,
        "transformer_layers_per_block": 1,
        "norm_num_groups": 8,
    }
    torch.manual_seed(0)
    shutil.rmtree(folder)
    UNet2DConditionModel(**{**config, **small}).save_pretrained(folder)
