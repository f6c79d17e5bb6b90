"""A bare diffusers loop, without any service: reads batch sizes from stdin, draws such a batch, encodes it as PNG,
and prints the seconds that took. As a process of its own, so that threads and memory are like a worker's."""

import io
import os
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as workers have it

import torch
from diffusers import DiffusionPipeline

PROMPT = "a red sun over purple mountains by the sea at dusk"
STEPS, GUIDANCE, SIDE = 8, 3.0, 256  # the model's defaults


def main(folder: str) -> None:
    pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    draw(pipeline, 1)
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        draw(pipeline, int(line))
        print(time.perf_counter() - began, flush=True)


def draw(pipeline: DiffusionPipeline, batch: int) -> None:
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in range(batch)]
    with torch.inference_mode():
        images = pipeline(
            prompt=[PROMPT] * batch,
            negative_prompt=[""] * batch,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            width=SIDE,
            height=SIDE,
            generator=generators,
        ).images
    for image in images:
        image.save(io.BytesIO(), "PNG")


if __name__ == "__main__":
    main(sys.argv[1])
