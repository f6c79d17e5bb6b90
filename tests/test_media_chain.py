"""One sentence becomes a picture, a larger one, a film that begins with it, and speech, through the whole house."""

import io
import wave

import av
from PIL import Image

from models.manifest import read_manifest
from tests.stacks import RunningStack

SENTENCE = "the sea at dawn, a sailing boat in the middle"
SMALL = {"steps": 4, "width": 64, "height": 64}


def enlarge(stack: RunningStack, job_id: str, **given: int) -> str:
    """The job that enlarges another one's picture. It takes no prompt."""
    answer = stack.http.post("/v1/jobs", json={"model": "enlarge", "input": {"image": f"job:{job_id}#0", **given}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_outputs_are_inputs_and_each_is_what_it_says(stack: RunningStack) -> None:
    picture = stack.submit("scenes", prompt=SENTENCE, seed=7, **SMALL)["id"]
    larger = enlarge(stack, picture, factor=3)
    walk = {"to": "the sea at night", "image": f"job:{larger}#0", "seconds": 1, "fps": 6, "seed": 7, **SMALL}
    film = stack.submit("scenes-walk", prompt=SENTENCE, **walk)["id"]
    speech = stack.submit("speech", prompt=SENTENCE)["id"]
    made = {job_id: stack.finished(job_id) for job_id in (picture, larger, film, speech)}
    assert {job["status"] for job in made.values()} == {"succeeded"}, made
    data = {job_id: stack.http.get(job["outputs"][0]["url"]).content for job_id, job in made.items()}
    assert Image.open(io.BytesIO(data[larger])).size == (192, 192)
    with av.open(io.BytesIO(data[film])) as shown:
        assert len(list(shown.decode(video=0))) == 6
    with wave.open(io.BytesIO(data[speech])) as heard:
        assert heard.getnframes() / heard.getframerate() > 1
    for job_id, job in made.items():
        manifest = read_manifest(data[job_id], job["outputs"][0]["media_type"])
        assert manifest is not None
        assert (manifest["model"], manifest["version"]) == (job["model"], job["model_version"])
        assert not [other for other in made if other.encode() in data[job_id]], "no artifact knows a job"
    assert made[film]["outputs"][0]["duration_s"] == 1.0
    part = stack.http.get(made[film]["outputs"][0]["url"], headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.headers["content-type"], len(part.content)) == (206, "video/mp4", 100)


def test_what_is_no_picture_fails_for_good_and_says_so(stack: RunningStack) -> None:
    speech = stack.submit("speech", prompt="No picture.")["id"]
    job = stack.finished(enlarge(stack, speech))
    assert (job["status"], job["error"]["code"], job["attempt"]) == ("failed", "invalid_media", 1)
