"""The vocabulary: byte-pair encoding learnt from our captions, in the tokenizer class of Stable Diffusion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from models.training.attributes import draw_any_scene
from models.training.captions import write_caption

LENGTH = 77
TOKENS = 1_500
CAPTIONS = 60_000


def write_captions(count: int, seed: int) -> Iterator[str]:
    lots, rng = np.random.default_rng(seed), Random(seed)
    for _ in range(count):
        yield write_caption(draw_any_scene(lots), rng).text


def train_tokenizer(workspace: Path) -> Path:
    """Learn the vocabulary unless it is there; return its folder."""
    folder = workspace / "tokenizer"
    if not (folder / "tokenizer_config.json").exists():
        blank: Any = CLIPTokenizer()
        learnt = blank.train_new_from_iterator(write_captions(CAPTIONS, seed=11), vocab_size=TOKENS)
        complete_bytes(learnt).save_pretrained(folder)
    return folder


def complete_bytes(learnt: Any) -> Any:
    """Add every byte, alone and at a word's end, so that no letter is unknown: that would read as the end."""
    model = json.loads(learnt.backend_tokenizer.to_str())["model"]
    letters = sorted(ByteLevel.alphabet())
    known = sorted(model["vocab"], key=model["vocab"].get)
    words = list(dict.fromkeys([*known, *letters, *(f"{letter}</w>" for letter in letters)]))
    vocab, merges = {word: i for i, word in enumerate(words)}, [tuple(merge) for merge in model["merges"]]
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)


def open_tokenizer(workspace: Path) -> Any:
    return CLIPTokenizer.from_pretrained(workspace / "tokenizer")


def encode_texts(tokenizer: Any, texts: list[str], length: int = LENGTH) -> Any:
    """Token ids, shape (n, length), cut and padded as the pipeline does."""
    return tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
