"""Judges a pipeline by the eye of the classifier: are the attributes that a caption names in the picture?"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from models.training.album import open_album
from models.training.attributes import FIELDS, NONE, draw_scene
from models.training.autoencoder import measure_decoder
from models.training.captions import MOON, SOME, Claims, write_caption
from models.training.classifier import SIDE, open_classifier, read_pictures
from models.training.export import measure_megabytes, open_pipeline
from models.training.workspace import WEIGHTS, find_workspace

REPORT = Path(__file__).with_name("judge_report.json")
FREE_WORDING = Path(__file__).with_name("free_wording.jsonl")
TEMPLATES, STEPS, GUIDANCE, BATCH, PIXELS = 400, 6, 3.0, 8, 256


@dataclass(frozen=True)
class Question:
    """A prompt and what it names."""

    prompt: str
    claims: Claims


def holds(claimed: str, seen: str) -> bool:
    """Whether what is seen satisfies a claim; `some` mountains and `moon` leave the kind open."""
    if claimed == SOME:
        return seen != NONE
    return seen.endswith("moon") if claimed == MOON else seen == claimed


def ask_templates(count: int, seed: int) -> list[Question]:
    """Whole captions, without typos, of combinations that no training drawing shows."""
    lots, rng, questions = np.random.default_rng(seed), Random(seed), []
    for _ in range(count):
        caption = write_caption(draw_scene(lots, held_out=True), rng, full=True, noisy=False)
        questions.append(Question(caption.text, caption.claims))
    return questions


def ask_freely() -> list[Question]:
    """The prompts written by hand, with the attributes that a person would say they name."""
    lines = [json.loads(line) for line in FREE_WORDING.read_text().splitlines()]
    return [Question(line["prompt"], line["names"]) for line in lines]


def paint_prompts(
    pipeline: Any, prompts: Sequence[str], seed: int, steps: int = STEPS, pixels: int = PIXELS
) -> list[Any]:
    """One PIL picture a prompt; the seed of the i-th is `seed` + i."""
    pictures: list[Any] = []
    for first in range(0, len(prompts), BATCH):
        part = list(prompts[first : first + BATCH])
        generators = [torch.Generator().manual_seed(seed + first + i) for i in range(len(part))]
        pictures += pipeline(
            part,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            generator=generators,
            width=pixels,
            height=pixels,
        ).images
    return pictures


def see_pictures(eye: Any, pictures: Sequence[Any]) -> list[dict[str, str]]:
    """Read every attribute; a larger picture is reduced to what the eye was trained on."""
    arrays = [np.asarray(p if p.width == SIDE else p.reduce(p.width // SIDE)) for p in pictures]
    return read_pictures(eye, np.stack(arrays))


def mark_answers(questions: Sequence[Question], seen: Sequence[dict[str, str]]) -> dict[str, float]:
    """The share of named attributes that hold, by attribute, and of pictures where all do."""
    marks: dict[str, list[bool]] = {field: [] for field in FIELDS}
    whole = []
    for question, sight in zip(questions, seen, strict=True):
        for field, claimed in question.claims.items():
            marks[field].append(holds(claimed, sight[field]))
        whole.append(all(holds(claimed, sight[field]) for field, claimed in question.claims.items()))
    shares = {field: float(np.mean(right)) for field, right in marks.items() if right}
    every = [right for rights in marks.values() for right in rights]
    return {**shares, "every attribute named": float(np.mean(every)), "all right": float(np.mean(whole))}


def list_faults(questions: Sequence[Question], seen: Sequence[dict[str, str]]) -> list[str]:
    return [
        f"{question.prompt} | {field}: {claimed}, seen {sight[field]}"
        for question, sight in zip(questions, seen, strict=True)
        for field, claimed in question.claims.items()
        if not holds(claimed, sight[field])
    ]


def examine_eye(eye: Any, workspace: Path) -> dict[str, float]:
    """How well the eye reads drawings of held-out combinations: the ceiling of every other number."""
    pictures, scenes = open_album("exam", workspace)
    questions = [Question("", scene.describe()) for scene in scenes]
    return mark_answers(questions, read_pictures(eye, np.array(pictures)))


def time_pictures(pipeline: Any, paint: Callable[..., list[Any]] = paint_prompts) -> float:
    """Median seconds a picture at six steps on one core."""
    threads, seconds = torch.get_num_threads(), []
    torch.set_num_threads(1)
    for seed in range(6):
        start = time.perf_counter()
        paint(pipeline, ["a red sun over purple mountains by the sea at dusk"], seed)
        seconds.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return float(np.median(seconds[1:]))


def fingerprint_denoiser(folder: Path) -> str:
    """Which weights a report is about."""
    return sha256((folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()


def judge(workspace: Path, folder: Path, count: int = TEMPLATES) -> dict[str, Any]:
    """Everything that the model card states, measured on the files in `folder`."""
    pipeline, eye = open_pipeline(folder), open_classifier(workspace)
    asked = {
        "template captions": ask_templates(count, seed=71),
        "template captions, another seed": ask_templates(count, seed=171),
        "free wording": ask_freely(),
    }
    whole, halved = measure_decoder(workspace, pipeline.vae)
    report: dict[str, Any] = {
        "denoiser sha256": fingerprint_denoiser(folder),
        "steps": STEPS, "guidance": GUIDANCE, "pixels": PIXELS,
        "decoder dB": round(whole, 2), "decoder dB at 128 px": round(halved, 2),
        "megabytes": round(measure_megabytes(folder), 2),
        "seconds a picture, one core": round(time_pictures(pipeline), 3),
        "drawings, the eye's own limit": examine_eye(eye, workspace),
    }  # fmt: skip
    for name, questions in asked.items():
        seen = see_pictures(eye, paint_prompts(pipeline, [q.prompt for q in questions], seed=72_000))
        report[name] = {"captions": len(questions), **mark_answers(questions, seen)}
        report[f"{name}, faults"] = list_faults(questions, seen)
    return report


def main() -> None:
    report = judge(find_workspace(), WEIGHTS)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({name: value for name, value in report.items() if "faults" not in name}, indent=1))


if __name__ == "__main__":
    main()
