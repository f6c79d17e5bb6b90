"""What OpenAI's words mean to a model of ours: a body of theirs becomes jobs of an entry. Sizes and durations that
the model cannot make become the nearest it can; words without an effect here are kept, not lost."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forms.offer import Offer
from jobs.errors import FieldFault, InvalidInput, ModelNotFound
from models.entry import Entry

OUTPUTS_MOST = 10

_THEIR_MODELS = re.compile(r"(?:gpt|chatgpt|dall-e|sora)[\w.-]*")
_WHOLE = {"type": "integer"}
_DIGITS_MOST = 18
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")

# Words of POST /v1/jobs, which extra_body may carry.
_ENVELOPE = ("priority", "deadline", "webhook", "metadata", "depends_on", "on_dependency_failure")
_OF_THE_ANSWER = {"stream", "partial_images", "response_format", "output_format", "output_compression"}
_WITHOUT_EFFECT = {
    "background",
    "complexity",
    "frame_count",
    "frame_duration_ms",
    "input_fidelity",
    "moderation",
    "prompt",  # of models that take none
    "quality",
    "safety_identifier",
    "style",
    "svg",
    "user",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a body asks for: one or more jobs of a model, as bodies of POST /v1/jobs."""

    entry: Entry
    jobs: tuple[dict[str, Any], ...]


def image_wish(offer: Offer, body: Mapping[str, Any]) -> Wish:
    """What the body of images/generations asks for. More pictures than one job can make are several jobs.

    Raises:
        ModelNotFound: there is none of that name.
        InvalidInput: naming the parameter that is wrong. The model's own schema is checked with the job.
    """
    model, entry = find_model(offer, body.get("model"), "image")
    number = _number_of_outputs(body.get("n"))
    given = {name: value for name, value in body.items() if value is not None and name not in _OF_THE_ANSWER}
    inputs = _inputs(entry, given, handled={"model", "n", "size"})
    inputs |= _sizes(entry, given.get("size"))
    return Wish(entry, tuple(_job(model, body, share) for share in _shares(entry, inputs, number)))


def edit_wish(offer: Offer, body: Mapping[str, Any], pictures: Sequence[str]) -> Wish:
    """The same of the body of images/edits, which comes as a form, and of references to the pictures in it."""
    model, entry = find_model(offer, body.get("model"), "image", max(1, len(pictures)))
    number = _number_of_outputs(spelled_out(body.get("n"), _WHOLE))
    given = {name: value for name, value in body.items() if value is not None and name not in _OF_THE_ANSWER}
    inputs = _form_inputs(entry, given, handled={"model", "n", "size"}) | _pictures(entry, "image", pictures)
    inputs |= _sizes(entry, given.get("size"))
    return Wish(entry, tuple(_job(model, body, share) for share in _shares(entry, inputs, number)))


def video_wish(offer: Offer, body: Mapping[str, Any], pictures: Sequence[str] = ()) -> Wish:
    """The same of the body of /videos, which comes as a form too."""
    model, entry = find_model(offer, body.get("model"), "video", len(pictures))
    given = {name: value for name, value in body.items() if value is not None}
    inputs = _form_inputs(entry, given, handled={"model", "seconds", "size"})
    inputs |= _pictures(entry, "input_reference", pictures)
    inputs |= _sizes(entry, given.get("size")) | _seconds(entry, given.get("seconds"))
    return Wish(entry, (_job(model, body, inputs),))


def find_model(offer: Offer, asked: Any, kind: str, pictures: int = 0) -> tuple[str, Entry]:
    """The model that is meant, and by what name; none, or one of OpenAI's own, means the one we would offer first, to
    somebody who brings so many pictures.

    Raises:
        ModelNotFound: there is none of that name, or of that kind.
        InvalidInput: it makes something else.
    """
    if asked is not None and not isinstance(asked, str):
        raise _wrong("model", "Must be text.")
    try:
        name, entry = asked or "", offer.find(asked or "")
    except ModelNotFound:
        if asked and not _THEIR_MODELS.fullmatch(asked):
            raise
        entry = _first_choice(offer, kind, pictures)
        name = entry.name
    if entry.media_kind not in (kind, "none"):
        raise _wrong("model", f"{entry.name} is of the kind {entry.media_kind}, not {kind}.")
    return name, entry


def _first_choice(offer: Offer, kind: str, pictures: int) -> Entry:
    """The default model if it is of that kind and can do with what there is, else the first that can."""
    for entry in offer:
        places = _places(entry)
        enough = {"prompt", *places[:pictures]} >= set(entry.input.get("required", ()))
        if entry.media_kind == kind and enough and len(places) >= pictures and "prompt" in _properties(entry):
            return entry
    raise ModelNotFound(f"There is no model of the kind {kind} here that can do with this.")


def _places(entry: Entry) -> list[str]:
    """The inputs that are pictures."""
    return [name for name, kinds in entry.media_inputs.items() if any(kind.startswith("image/") for kind in kinds)]


def _pictures(entry: Entry, field: str, references: Sequence[str]) -> dict[str, str]:
    """Raises: InvalidInput, when there are more than the model takes."""
    places = _places(entry)
    if len(references) > len(places):
        number = f"{len(places)} picture{'s' * (len(places) != 1)}"
        raise _wrong(field, f"The model {entry.name} takes {number}.")
    return dict(zip(places, references, strict=False))


def _form_inputs(entry: Entry, given: Mapping[str, Any], handled: Collection[str]) -> dict[str, Any]:
    """The same of a form, whose values are text."""
    found = _inputs(entry, given, handled)
    return {name: spelled_out(value, _rule(entry, name)) for name, value in found.items()}


def _inputs(entry: Entry, given: Mapping[str, Any], handled: Collection[str]) -> dict[str, Any]:
    """What goes to the model as it is. Raises: InvalidInput, for a word that nobody knows."""
    known = entry.input.get("properties", {})
    strange = [name for name in given if name not in {*known, *handled, *_ENVELOPE, *_WITHOUT_EFFECT}]
    if strange:
        faults = [FieldFault(name, f"The model {entry.name} has no such parameter.") for name in strange]
        raise InvalidInput("There is a parameter too many.", faults)
    return {name: value for name, value in given.items() if name in known and name not in handled}


def _job(model: str, body: Mapping[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """What was said and went into no input is kept in the job's metadata."""
    own = {name: body[name] for name in _ENVELOPE if body.get(name) is not None}
    aside = {"n", "seconds", "size", *_WITHOUT_EFFECT} - inputs.keys()
    said = {name: body[name] for name in sorted(aside & body.keys()) if body[name] is not None}
    metadata = own.pop("metadata", {})
    if said and isinstance(metadata, dict):
        metadata = {"openai": said, **metadata}
    return {"model": model, "input": inputs, "metadata": metadata, **own}


def _number_of_outputs(n: Any) -> int:
    if n is None:
        return 1
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= OUTPUTS_MOST:
        raise _wrong("n", f"Must be a whole number from 1 to {OUTPUTS_MOST}.")
    return n


def _shares(entry: Entry, inputs: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """The inputs of each job: as few jobs as the model's `count` allows, seeds going on from one to the next."""
    most = int(_rule(entry, "count").get("maximum", OUTPUTS_MOST)) if "count" in _properties(entry) else 1
    if "count" in inputs:
        if number > 1:
            raise _wrong("count", "Say either n or count.")
        return [inputs]
    shares = []
    for start in range(0, number, most):
        count = min(most, number - start)
        share = inputs | ({"count": count} if count > 1 else {})
        if isinstance(inputs.get("seed"), int):
            share["seed"] = inputs["seed"] + start
        shares.append(share)
    return shares


def _sizes(entry: Entry, size: Any) -> dict[str, int]:
    """Width and height for the model: as asked where it can, else its own resolution in the shape that was asked."""
    if size is None or size == "auto":
        return {}
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if found is None or not int(found[1]) or not int(found[2]):
        raise _wrong("size", "Must be auto, or WIDTHxHEIGHT in pixels, such as 1024x1024.")
    if not {"width", "height"} <= _properties(entry).keys():
        return {}
    width, height = int(found[1]), int(found[2])
    rules = {"width": _rule(entry, "width"), "height": _rule(entry, "height")}
    asked = {"width": width, "height": height}
    if all(_nearest(value, rules[side]) == value for side, value in asked.items()):
        return asked
    area = rules["width"].get("default", width) * rules["height"].get("default", height)
    scale = math.sqrt(area / (width * height))
    return {side: int(_nearest(value * scale, rules[side])) for side, value in asked.items()}


def _seconds(entry: Entry, seconds: Any) -> dict[str, Any]:
    """How long the film is to be, or as near to it as the model comes."""
    if seconds is None or "seconds" not in _properties(entry):
        return {}
    try:
        wanted = float(seconds)
    except (TypeError, ValueError):
        wanted = math.nan
    if not math.isfinite(wanted) or wanted <= 0:
        raise _wrong("seconds", 'Must be a number of seconds, such as "4".')
    nearest = _nearest(wanted, _rule(entry, "seconds"))
    return {"seconds": int(nearest) if nearest.is_integer() else nearest}


def _nearest(value: float, rule: Mapping[str, Any]) -> float:
    """The allowed number nearest to this one."""
    step = rule.get("multipleOf") or (1 if "integer" in str(rule.get("type")) else None)
    low, high = rule.get("minimum", value), rule.get("maximum", value)
    if step:
        value = round(value / step) * step
    return float(min(max(value, low), high))


def spelled_out(value: Any, rule: Mapping[str, Any]) -> Any:
    """The value that a text of a form means to the model; what it cannot mean is left for the schema to refuse."""
    kinds = str(rule.get("type", ""))
    if not isinstance(value, str) or "string" in kinds or len(value) > _DIGITS_MOST:
        return value
    if "boolean" in kinds and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        number = int(value) if "integer" in kinds else float(value) if "number" in kinds else value
    except ValueError:
        return value
    return number if isinstance(number, str) or math.isfinite(number) else value


def _rule(entry: Entry, name: str) -> Mapping[str, Any]:
    rule = _properties(entry).get(name)
    return rule if isinstance(rule, dict) else {}


def _properties(entry: Entry) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = entry.input.get("properties", {})
    return properties


def _wrong(field: str, detail: str) -> InvalidInput:
    return InvalidInput("A parameter is not valid.", [FieldFault(field, detail)])
