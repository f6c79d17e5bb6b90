"""The bodies of a batch's lines: which job each one means, by the endpoint it is written for."""

from collections.abc import Callable, Mapping
from typing import Any

from forms.answers import Rendering
from forms.dialect import Wish, image_wish, video_wish
from forms.offer import Offer
from forms.requests import check_fields
from jobs.errors import FieldFault, InvalidInput, ModelNotFound

JOBS, IMAGES, VIDEOS = "/v1/jobs", "/v1/images/generations", "/v1/videos"
ENDPOINTS = (JOBS, IMAGES, VIDEOS)

_WISHES: Mapping[str, Callable[[Offer, Mapping[str, Any]], Wish]] = {IMAGES: image_wish, VIDEOS: video_wish}


def job_body(endpoint: str, body: dict[str, Any], offer: Offer) -> dict[str, Any]:
    """The body of POST /v1/jobs that a line's body means. Whatever it says of its priority, it is a batch's.

    Raises:
        InvalidInput: naming what is wrong with it.
    """
    wish = _WISHES.get(endpoint)
    if wish is None:
        return body | {"priority": "batch"}
    try:
        jobs = wish(offer, body).jobs
    except ModelNotFound as missing:
        raise InvalidInput(str(missing), [FieldFault("model", str(missing))]) from missing
    if endpoint == IMAGES and rendering_of(body).stream:
        raise InvalidInput("A parameter is not valid.", [FieldFault("stream", "A batch has nobody who watches.")])
    if len(jobs) > 1:
        raise InvalidInput("A parameter is not valid.", [FieldFault("n", "In a batch a line makes one job.")])
    return jobs[0] | {"priority": "batch"}


def rendering_of(body: Mapping[str, Any]) -> Rendering:
    """How a line wants its pictures. Raises: InvalidInput."""
    given = {name: value for name, value in body.items() if value is not None}
    return check_fields(Rendering, given, "A parameter is not valid.")
