"""Text to speech by hibari, whose English voice "heart" lies inside its package. Never online: its other voices
would be downloaded, so they are refused. Needs no torch."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jobs.errors import ModelUnavailable, UnusableInput
from models.entry import Entry
from models.fingerprint import weights_of
from models.finishing import finish_sound
from models.manifest import describe
from models.runner import Media, Request, Result, Watch

VOICE = "heart"
MOST_AT_ONCE = 400  # phonemes; hibari's own bound, which it exceeds where a sentence has no comma
MOST = 20_000  # phonemes of one text: some twenty minutes

_LONG_WORD = re.compile(r"(\S{60})(?=\S)")  # hibari's rules take time with the cube of a word's length


class Speech:
    """hibari in memory. One thread, so that the same text gives the same bytes on every machine of a kind."""

    def __init__(self, entry: Entry) -> None:
        """Raises: ModelUnavailable: the package is not installed, or without its voice."""
        self._entry = entry
        try:
            from hibari import SAMPLE_RATE, Hibari

            self._weights = weights_of(entry)
            self._hibari: Any = Hibari(voice=VOICE, threads=1)
            self._rate = int(SAMPLE_RATE)
        except Exception as fault:  # ImportError, or whatever onnxruntime raises on a damaged file
            raise ModelUnavailable(f"{entry.full_name} cannot be loaded: {fault}") from fault

    def generate(self, requests: Sequence[Request], watch: Watch, rows: int = 0) -> list[Result]:
        """See `Runner.generate`. One text after the other; a step is a sentence, or a part of a long one."""
        results: list[Result] = []
        for request in requests:
            try:
                results.append([self._say(request, watch)])
            except UnusableInput as fault:
                results.append(fault)
        return results

    def _say(self, request: Request, watch: Watch) -> Media:
        parts = self._phonemes(request)
        noise = np.random.default_rng(request.seed)
        sounds = []
        for number, part in enumerate(parts, 1):
            sounds.append(self._hibari.from_ids(self._hibari.ids(part), float(request.input["speed"]), noise))
            watch.step(number, len(parts))
        samples = np.concatenate([np.zeros(0, np.float32), *sounds])
        if not len(samples):
            raise UnusableInput("input.prompt: there is nothing in it that can be said.")
        manifest = describe(self._entry, self._weights, request, request.seed)
        return finish_sound(samples, self._rate, manifest, request.seed)

    def _phonemes(self, request: Request) -> list[str]:
        voice = request.input.get("voice", VOICE)
        if voice != VOICE:
            raise UnusableInput(f"input.voice: {voice!r} would have to be downloaded; {VOICE!r} is here.")
        try:
            sentences = self._hibari.phonemize(_LONG_WORD.sub(r"\1 ", str(request.input["prompt"])))
        except Exception as fault:  # its rules are many, and a text of digits alone breaks some
            raise UnusableInput("input.prompt: hibari has no rule that reads it.") from fault
        if sum(map(len, sentences)) > MOST:
            raise UnusableInput("input.prompt: read aloud it would take too long.")
        return [part for sentence in sentences for part in split(sentence)]


def split(phonemes: str) -> Iterator[str]:
    """Parts short enough to be said at once, cut between words where there are words."""
    while len(phonemes) > MOST_AT_ONCE:
        cut = phonemes.rfind(" ", 1, MOST_AT_ONCE) + 1 or MOST_AT_ONCE
        yield phonemes[:cut]
        phonemes = phonemes[cut:]
    yield phonemes
