"""From what a pipeline returns to finished media: pictures to PNG, frames to MP4, sound to WAV."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobs.errors import ModelFault
from models.encoding import to_mp4, to_png, to_wav
from models.manifest import Manifest
from models.runner import Media

OUTPUT_TYPES = {"audio": "np"}  # by media kind; "pil" for all others
DEFAULT_FPS = 24.0
_AT_ONCE = min(8, os.cpu_count() or 1)
_FILMS_AT_ONCE = min(2, _AT_ONCE)  # each encoder holds many frames

Describe = Callable[[int], Manifest]  # of the n-th output


def finish(output: Any, pipeline: Any, seeds: Sequence[int], describe: Describe, fps: float) -> list[Media]:
    """One for each seed, in order; rows beyond those are nobody's. `fps` is that of a film. All at once: encoding one
    takes one core, and leaves Python's lock alone.

    Raises:
        ModelFault: it returned something else.
    """

    def finish_one(place: int, seed: int) -> Media:
        if (images := getattr(output, "images", None)) is not None:
            return finish_picture(images[place], describe(place), seed)
        if (films := getattr(output, "frames", None)) is not None:
            return finish_film(films[place], fps, describe(place), seed)
        if (sounds := getattr(output, "audios", None)) is not None:
            return finish_sound(sounds[place], _sampling_rate(pipeline), describe(place), seed)
        raise ModelFault(f"{type(pipeline).__name__} returned neither images nor frames nor audios.")

    if len(seeds) == 1:
        return [finish_one(0, seeds[0])]
    with ThreadPoolExecutor(_FILMS_AT_ONCE if hasattr(output, "frames") else _AT_ONCE, "encoding") as encoders:
        return list(encoders.map(finish_one, range(len(seeds)), seeds))


def finish_picture(image: Any, manifest: Manifest, seed: int | None) -> Media:
    return Media(to_png(image, manifest), "image/png", image.width, image.height, seed=seed)


def finish_film(frames: Sequence[Any], fps: float, manifest: Manifest, seed: int | None) -> Media:
    width, height = (side // 2 * 2 for side in frames[0].size)
    film = to_mp4(frames, fps, manifest)
    return Media(film, "video/mp4", width, height, duration_s=round(len(frames) / fps, 6), seed=seed)


def finish_sound(samples: Any, rate: int, manifest: Manifest, seed: int | None) -> Media:
    sound = to_wav(samples, rate, manifest)
    return Media(sound, "audio/wav", duration_s=round(samples.shape[-1] / rate, 6), seed=seed)


def _sampling_rate(pipeline: Any) -> int:
    """In samples a second: the last part that makes the sound knows."""
    for part in ("vocoder", "vae"):
        config = getattr(getattr(pipeline, part, None), "config", None)
        for name in ("sampling_rate", "sample_rate"):
            if rate := getattr(config, name, None):
                return int(rate)
    raise ModelFault(f"{type(pipeline).__name__} does not say at what rate its sound was made.")
