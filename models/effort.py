"""How much there is to do for a job, as far as its input tells: for forecasts and for progress. Pure."""

from collections.abc import Mapping
from typing import Any

Input = Mapping[str, Any]  # with every default filled in


def count_steps(runner: str, resolved: Input) -> int:
    """As the runner will report them: frames of a walk, else denoising steps."""
    if runner == "walk":
        return count_drawn(resolved)
    return denoising_steps(resolved)


def denoising_steps(resolved: Input) -> int:
    """Of one picture. One that begins with another takes the last of them only, by `strength`."""
    steps = int(resolved.get("steps", 1))
    return max(1, min(steps, int(steps * float(resolved.get("strength", 1)))))


def count_frames(resolved: Input) -> int:
    """Of a film of `seconds` at `fps`."""
    return max(2, round(float(resolved.get("seconds", 1)) * float(resolved.get("fps", 1))))


def count_drawn(resolved: Input) -> int:
    """Of a walk: its frames are chosen from twice as many, or 24 more, so that a short film is even as well."""
    frames = count_frames(resolved)
    return frames + max(frames, 24)


def count_work(runner: str, resolved: Input) -> float:
    """Megapixels × steps × outputs; of the diagnostic model seconds, of speech characters, of an enlargement how
    many times as many pixels."""
    if runner == "noop":
        return float(resolved.get("duration_s", 0))
    if runner == "speech":
        return float(len(str(resolved.get("prompt", ""))))
    if runner == "upscale":
        return float(resolved.get("factor", 1)) ** 2
    pixels = float(resolved.get("width", 1000)) * float(resolved.get("height", 1000))
    frames = count_drawn(resolved) if runner == "walk" else int(resolved.get("num_frames", 1))
    return pixels / 1e6 * denoising_steps(resolved) * frames * int(resolved.get("count", 1))
