"""The text encoder, trained first and alone to recover the named attributes from a caption, then frozen."""

from __future__ import annotations

import logging
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from models.training.attributes import draw_any_scene
from models.training.captions import CLAIMS, UNSAID, Claims, write_caption
from models.training.tokens import LENGTH, encode_texts, open_tokenizer

log = logging.getLogger(__name__)
WIDTH = 128
STEPS, BATCH, RATE = 850, 96, 2e-3
SHORT = 40
CLASSES = sum(len(values) for values in CLAIMS.values())


class ClaimReader(nn.Module):
    """Reads every claim from the end token, one padding token and the mean of all, by linear maps."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(WIDTH, CLASSES) for _ in range(3))

    def forward(self, hidden: torch.Tensor, ends: torch.Tensor) -> list[torch.Tensor]:
        rows = torch.arange(len(ends))
        spans = (hidden.shape[1] - 1 - ends).clamp(min=0)
        paddings = ends + (torch.rand(len(ends)) * (spans + 1)).long()
        views = hidden[rows, ends], hidden[rows, paddings.clamp(max=hidden.shape[1] - 1)], hidden.mean(1)
        return [read(view) for read, view in zip(self.maps, views, strict=True)]


def build_encoder(tokenizer: Any) -> Any:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH,
        num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=LENGTH, hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return CLIPTextModel(config)


def index_claims(claims: Claims) -> list[int]:
    return [values.index(claims.get(field, UNSAID)) for field, values in CLAIMS.items()]


def score_claims(outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy over the fields, and which fields are right, shape (n, fields)."""
    parts = torch.split(outputs, [len(values) for values in CLAIMS.values()], dim=1)
    losses = [nn.functional.cross_entropy(part, targets[:, i]) for i, part in enumerate(parts)]
    right = torch.stack([part.argmax(1) == targets[:, i] for i, part in enumerate(parts)], dim=1)
    return torch.stack(losses).sum(), right


def write_batch(tokenizer: Any, lots: np.random.Generator, rng: Random, size: int, length: int) -> tuple[Any, Any]:
    captions = [write_caption(draw_any_scene(lots), rng) for _ in range(size)]
    ids = encode_texts(tokenizer, [caption.text for caption in captions], length)
    return ids, torch.tensor([index_claims(caption.claims) for caption in captions])


def find_ends(ids: torch.Tensor, end: int) -> torch.Tensor:
    return (ids == end).int().argmax(1)


def train_text_encoder(workspace: Path) -> None:
    """Train unless the checkpoint is there (about three minutes on two cores)."""
    folder = workspace / "text_encoder"
    if (folder / "config.json").exists():
        return
    torch.manual_seed(21)
    tokenizer = open_tokenizer(workspace)
    encoder, reader = build_encoder(tokenizer), ClaimReader()
    weights = [*encoder.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.08)
    lots, rng = np.random.default_rng(22), Random(23)
    for step in range(STEPS):
        ids, targets = write_batch(tokenizer, lots, rng, BATCH, LENGTH if step % 6 == 0 else SHORT)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = encoder(ids).last_hidden_state.float()
        views = reader(hidden, find_ends(ids, tokenizer.eos_token_id))
        scored = [score_claims(view, targets) for view in views]
        optimizer.zero_grad()
        torch.stack([loss for loss, _ in scored]).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            rights = [f"{right.float().mean():.3f}" for _, right in scored]
            log.info("text step %d: claims right %s", step + 1, rights)
    torch.save(reader.state_dict(), workspace / "claim_reader.pt")
    encoder.save_pretrained(folder, safe_serialization=True)


def open_text_encoder(workspace: Path) -> Any:
    return CLIPTextModel.from_pretrained(workspace / "text_encoder").eval().requires_grad_(False)


@torch.no_grad()
def read_claims(workspace: Path, texts: list[str]) -> list[Claims]:
    """What the frozen encoder understands of each text, by its end token: for looking at wording alone."""
    tokenizer, encoder, reader = open_tokenizer(workspace), open_text_encoder(workspace), ClaimReader()
    reader.load_state_dict(torch.load(workspace / "claim_reader.pt", weights_only=True))
    ids = encode_texts(tokenizer, texts)
    outputs = reader(encoder(ids).last_hidden_state, find_ends(ids, tokenizer.eos_token_id))[0]
    parts = torch.split(outputs, [len(values) for values in CLAIMS.values()], dim=1)
    chosen = [[values[int(i)] for i in part.argmax(1)] for values, part in zip(CLAIMS.values(), parts, strict=True)]
    named = [dict(zip(CLAIMS, column, strict=True)) for column in zip(*chosen, strict=True)]
    return [{field: value for field, value in claims.items() if value != UNSAID} for claims in named]
