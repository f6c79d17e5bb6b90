"""`speech`: text to WAV by hibari, offline and without torch."""

import io
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.errors import Interrupted, ModelFault
from models.catalog import read_catalog
from models.loading import LoadedModels
from models.runner import Media, Request, Runner
from models.speech import MOST_AT_ONCE, split
from tests.test_noop import Watching

REPOSITORY = Path(__file__).parent.parent
TEXT = "The sun has set behind the mountains. A sailing boat is coming home."


@pytest.fixture(scope="module")
def runner() -> Runner:
    return LoadedModels("cpu").take(read_catalog().find("speech"))[0]


def request(prompt: str = TEXT, seed: int = 7, **given: Any) -> Request:
    entry = read_catalog().find("speech")
    entry.validate_input({"prompt": prompt, **given})
    return Request(entry.resolve({"prompt": prompt, **given}), seed, 1)


def say(runner: Runner, wanted: Request, watch: Watching | None = None) -> Media:
    (result,) = runner.generate([wanted], watch or Watching())
    assert isinstance(result, list), result
    return result[0]


def samples(media: Media) -> np.ndarray:
    with wave.open(io.BytesIO(media.data)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 24_000)
        data = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
    assert media.duration_s == pytest.approx(len(data) / 24_000, abs=1e-5)
    return data


def test_text_becomes_a_wav_in_which_something_is_heard(runner: Runner) -> None:
    watch = Watching()
    media = say(runner, request(), watch)
    heard = samples(media)
    assert media.media_type == "audio/wav"
    assert 3 < (media.duration_s or 0) < 8
    assert 500 < np.sqrt((heard**2).mean()) < 20_000, "neither silence nor noise at full scale"
    spectrum = np.abs(np.fft.rfft(heard))
    voice = spectrum[: len(spectrum) // 3].sum() / spectrum.sum()
    assert voice > 0.6, "most of a voice lies below 4 kHz"
    assert watch.steps == [(1, 2), (2, 2)], "a step is a sentence"


def test_the_same_text_and_seed_give_the_same_bytes_and_another_seed_or_pace_others(runner: Runner) -> None:
    first = say(runner, request())
    assert say(runner, request()) == first
    assert len({say(runner, one).data for one in (request(), request(seed=8), request(speed=1.5))}) == 3
    assert (say(runner, request(speed=2.0)).duration_s or 0) < 0.7 * (first.duration_s or 0)


HOSTILE = {
    "blanks": "   ",
    "another language": "日本語",
    "only dashes": "-" * 5000,
    "a number that is too long": "1" * 5000,
    "too much to say": "$9.99 " * 800,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_cannot_be_said_is_a_fault_for_good(runner: Runner, text: str) -> None:
    (fault,) = runner.generate([request(text)], Watching())
    assert isinstance(fault, ModelFault), fault
    assert (fault.code, fault.retryable) == ("unusable_input", False)


@pytest.mark.parametrize(
    "text", ["https://" + "a.b/" * 100, "a-" * 200, "x1" * 200, "\x01\x02y \u202e ab", "Dr. " * 99]
)
@pytest.mark.timeout(60)
def test_a_text_that_is_strange_is_said_in_reasonable_time(runner: Runner, text: str) -> None:
    watch = Watching()
    assert len(samples(say(runner, request(text), watch))) > 10_000


def test_a_long_sentence_is_said_in_parts_and_nothing_is_lost() -> None:
    for text in ("abc " * 400, "x" * 1001, "short", ""):
        parts = list(split(text))
        assert "".join(parts) == text
        assert max(map(len, parts)) <= MOST_AT_ONCE


def test_it_stops_at_a_sentence_when_nobody_waits_any_more(runner: Runner) -> None:
    watch = Watching(stop_after=1)
    with pytest.raises(Interrupted):
        runner.generate([request()], watch)
    assert len(watch.steps) == 1


def test_a_voice_that_would_be_downloaded_is_refused_by_the_schema_and_by_the_runner(runner: Runner) -> None:
    with pytest.raises(Exception, match="does not fit"):
        request(voice="emma")
    (fault,) = runner.generate([Request({**request().input, "voice": "emma"}, 7, 1)], Watching())
    assert "downloaded" in str(fault)


def test_neither_torch_nor_the_network_is_needed() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise OSError('no network here')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "from tests.test_speech import request, say, LoadedModels, read_catalog\n"
        "runner, _ = LoadedModels('cpu').take(read_catalog().find('speech'))\n"
        "say(runner, request('Hello.'))\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr
