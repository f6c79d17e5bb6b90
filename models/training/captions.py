"""The grammar: says a scene in words, wholly or in part, and reports exactly which attributes were named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from models.training import wording as w
from models.training.attributes import COLOURED_SUBJECTS, FIELDS, NONE, SUBJECT_COLOURS, Scene
from models.training.noise import add_noise

UNSAID, SOME, MOON = "unsaid", "some", "moon"
CLAIMS: dict[str, tuple[str, ...]] = {
    field: (UNSAID, *values, *{"mountains": (SOME,), "body": (MOON,)}.get(field, ()))
    for field, values in FIELDS.items()
}
GROUPS = ("time", "ground", "mountains", "body", "subject")
Claims = dict[str, str]
PROMISES = {"*": "sun", "~": MOON}


@dataclass(frozen=True)
class Caption:
    """What is written, and what it names: a field is absent from `claims` when it is free to vary."""

    text: str
    claims: Claims


@dataclass
class Speech:
    """One caption in the making. `full` names every attribute; otherwise details are left out by lot."""

    scene: Scene
    rng: Random
    full: bool
    claims: Claims

    def names(self, share: float = 0.72) -> bool:
        return self.full or self.rng.random() < share

    def pick_form(self, forms: tuple[str, ...]) -> str:
        """Choose a form, keeping those that promise a sun or moon to scenes that have one."""
        while True:
            form = self.rng.choice(forms)
            promised = PROMISES.get(form[-1])
            if promised is None:
                return form
            if self.scene.body.endswith(promised):
                self.claims.setdefault("body", promised)
                return form[:-1]


def join_article(rng: Random, words: str) -> str:
    article = "an" if words[0] in "aeiou" else "a"
    chosen = rng.choices((article, "the", "one", ""), (0.74, 0.1, 0.02, 0.14))[0]
    return f"{chosen} {words}".strip()


def put_place(rng: Random, thing: str, place: str) -> str:
    return rng.choices((f"{thing} {place}", f"{place} {thing}", f"{thing}, {place},"), (0.8, 0.13, 0.07))[0]


def say_time(speech: Speech) -> str:
    speech.claims["time"] = speech.scene.time
    return speech.pick_form(w.TIME_PHRASES[speech.scene.time])


def say_ground(speech: Speech) -> str:
    speech.claims["ground"] = speech.scene.ground
    return speech.rng.choice(w.GROUND_PHRASES[speech.scene.ground])


def say_mountains(speech: Speech) -> str:
    colour, rng = speech.scene.mountains, speech.rng
    if colour == NONE:
        speech.claims["mountains"] = NONE
        return rng.choice(w.NO_MOUNTAINS)
    noun = rng.choice(w.MOUNTAIN_NOUNS)
    if not speech.names(0.75):
        speech.claims["mountains"] = SOME
        return join_article(rng, noun) if noun in ("mountain", "mountain range") else noun
    speech.claims["mountains"] = colour
    said = f"{rng.choice(w.MOUNTAIN_COLOURS[colour])} {noun}"
    return (
        join_article(rng, said) if noun in ("mountain", "mountain range") else rng.choice((said, said, f"the {said}"))
    )


def say_body(speech: Speech) -> str:
    scene, rng = speech.scene, speech.rng
    if scene.body == NONE:
        speech.claims["body"] = NONE
        return rng.choice(w.NO_BODY)
    if scene.body != "sun" and not speech.names(0.62):
        noun, speech.claims["body"] = rng.choice(w.ANY_MOON), MOON
    else:
        noun, speech.claims["body"] = rng.choice(w.BODY_NOUNS[scene.body]), scene.body
    if speech.names(0.62):
        speech.claims["body_colour"] = scene.body_colour
        noun = f"{rng.choice(w.BODY_COLOURS[scene.body_colour])} {noun}"
    thing = join_article(rng, noun)
    if speech.names(0.62):
        speech.claims["body_place"] = scene.body_place
        return put_place(rng, thing, rng.choice(w.BODY_PLACES[scene.body_place]))
    return thing


def say_subject(speech: Speech) -> str:
    scene, rng = speech.scene, speech.rng
    speech.claims["subject"] = scene.subject
    if scene.subject == NONE:
        return rng.choice(w.NO_SUBJECT)
    thing = join_article(rng, colour_subject(speech, rng.choice(w.SUBJECT_NOUNS[scene.subject])))
    if speech.names(0.7):
        speech.claims["subject_place"] = scene.subject_place
        return put_place(rng, thing, rng.choice(w.SUBJECT_PLACES[scene.subject_place]))
    return thing


def colour_subject(speech: Speech, noun: str) -> str:
    """Put the colour before or after the noun; at times say one that the subject cannot have."""
    scene, rng = speech.scene, speech.rng
    if rng.random() < 0.22:
        noun = f"{rng.choice(w.SIZE_WORDS)} {noun}"
    if scene.subject not in COLOURED_SUBJECTS:
        return f"{rng.choice(SUBJECT_COLOURS)} {noun}" if rng.random() < 0.05 and not speech.full else noun
    if not speech.names():
        return noun
    speech.claims["subject_colour"] = scene.subject_colour
    colour = rng.choice(w.SUBJECT_COLOURS[scene.subject_colour])
    if scene.subject == "boat" and rng.random() < 0.3:
        return f"{noun} with {rng.choice((f'{colour} sails', f'a {colour} sail'))}"
    return f"{noun} painted {colour}" if rng.random() < 0.06 else f"{colour} {noun}"


SAYERS: dict[str, Callable[[Speech], str]] = {
    "time": say_time,
    "ground": say_ground,
    "mountains": say_mountains,
    "body": say_body,
    "subject": say_subject,
}


def write_list(speech: Speech, groups: list[str]) -> str:
    """Things in any order, joined by commas or little words."""
    rng = speech.rng
    parts = []
    for group in rng.sample(groups, len(groups)):
        if group in ("time", "ground") and rng.random() < 0.6:
            parts.append(say_bare(speech, group))
        else:
            parts.append(SAYERS[group](speech))
    joint = rng.choice((", ", ", ", ", ", " and ", " with ", "; ", " - ", " "))
    return (
        joint.join(parts)
        if joint != " with "
        else " with ".join([parts[0], ", ".join(parts[1:])])
        if parts[1:]
        else parts[0]
    )


def say_bare(speech: Speech, group: str) -> str:
    if group == "time":
        speech.claims["time"] = speech.scene.time
        return speech.pick_form(w.TIME_WORDS[speech.scene.time])
    speech.claims["ground"] = speech.scene.ground
    return speech.rng.choice(w.GROUND_WORDS[speech.scene.ground])


def write_scenic(speech: Speech, groups: list[str]) -> str:
    """One noun leads, the rest follows: a boat by the sea at dusk under a red sun, with mountains behind."""
    rng, left = speech.rng, list(groups)
    head = next((g for g in rng.sample(("subject", "body", "mountains"), 3) if g in left), None)
    said = []
    if head is None or rng.random() < 0.12:
        said.append(write_landscape(speech, left))
    else:
        left.remove(head)
        said.append(SAYERS[head](speech))
        head_is_body = head == "body" and speech.scene.body != NONE
        if head_is_body and "mountains" in left and speech.scene.mountains != NONE and rng.random() < 0.7:
            left.remove("mountains")
            said.append(f"{rng.choice(('over', 'above', 'over', 'behind', 'and'))} {say_mountains(speech)}")
        if head_is_body and "ground" in left and rng.random() < 0.4:
            left.remove("ground")
            said.append(f"{rng.choice(('over the', 'above the', 'over a'))} {say_bare(speech, 'ground')}")
    said += [tie_group(speech, group) for group in rng.sample(left, len(left))]
    return " ".join(said)


def write_landscape(speech: Speech, left: list[str]) -> str:
    """`a snowy evening landscape`: takes the groups that it names out of `left`."""
    rng, words = speech.rng, []
    for group, forms in (("time", w.TIME_ADJECTIVES), ("ground", w.GROUND_ADJECTIVES)):
        if group in left and rng.random() < 0.75:
            left.remove(group)
            value = speech.claims[group] = getattr(speech.scene, group)
            words.append(speech.pick_form(forms[value]))
    rng.shuffle(words)
    return join_article(rng, " ".join([*words, rng.choice(w.LANDSCAPE_WORDS)]))


def tie_group(speech: Speech, group: str) -> str:
    rng, comma = speech.rng, speech.rng.random() < 0.3
    said = SAYERS[group](speech)
    value = getattr(speech.scene, group)
    if group in ("time", "ground"):
        return f", {said}" if comma else said
    ties = {
        "mountains": ("with", "in front of", "and", "before", "with"),
        "body": ("under", "beneath", "with", "and", "below"),
    }
    tie = rng.choice(ties.get(group, ("with", "and", "and there is", "beside")))
    if value == NONE or comma:
        return f", {said}"
    behind = (
        rng.choice((" in the background", " behind", " in the distance"))
        if group == "mountains" and rng.random() < 0.3
        else ""
    )
    return f"{'with' if behind else tie} {said}{behind}"


def write_sentences(speech: Speech, groups: list[str]) -> str:
    """Small sentences, each with a verb: It is night. The house is red."""
    rng, said = speech.rng, []
    for group in rng.sample(groups, len(groups)):
        if group == "time":
            speech.claims["time"] = speech.scene.time
            said.append(f"it is {speech.pick_form(w.TIME_WORDS[speech.scene.time])}")
        elif group == "mountains" and speech.scene.mountains != NONE and rng.random() < 0.5:
            speech.claims["mountains"] = speech.scene.mountains
            said.append(f"the mountains are {rng.choice(w.MOUNTAIN_COLOURS[speech.scene.mountains])}")
        elif group == "body" and speech.scene.body != NONE and rng.random() < 0.4 and not speech.full:
            speech.claims |= {"body": speech.scene.body, "body_colour": speech.scene.body_colour}
            colour = rng.choice(w.BODY_COLOURS[speech.scene.body_colour])
            said.append(f"the {rng.choice(w.BODY_NOUNS[speech.scene.body])} is {colour}")
        elif group == "subject" and speech.scene.subject_colour != NONE and rng.random() < 0.25 and not speech.full:
            said.append(say_colour_alone(speech))
        else:
            said.append(f"{rng.choice(('there is', 'i see', 'we see', 'you see', 'there'))} {SAYERS[group](speech)}")
    return f"{rng.choice(('. ', '. ', ', ', ' and '))}".join(said)


def say_colour_alone(speech: Speech) -> str:
    """`the house is red`."""
    scene, rng = speech.scene, speech.rng
    speech.claims |= {"subject": scene.subject, "subject_colour": scene.subject_colour}
    colour = rng.choice(w.SUBJECT_COLOURS[scene.subject_colour])
    return f"the {rng.choice(w.SUBJECT_NOUNS[scene.subject])} is {colour}"


def write_lone(speech: Speech, groups: list[str]) -> str:
    """A word or two, as in a negative prompt."""
    rng, group = speech.rng, speech.rng.choice(groups)
    if group in ("time", "ground"):
        return say_bare(speech, group) if rng.random() < 0.6 else SAYERS[group](speech)
    if group != "mountains" and getattr(speech.scene, group) != NONE and rng.random() < 0.5:
        value = speech.claims[group] = getattr(speech.scene, group)
        if group == "body" and value != "sun" and rng.random() < 0.6:
            speech.claims[group] = MOON
            return rng.choice(w.ANY_MOON)
        return rng.choice((w.BODY_NOUNS if group == "body" else w.SUBJECT_NOUNS)[value])
    return SAYERS[group](speech)


def choose_groups(scene: Scene, rng: Random, full: bool) -> list[str]:
    """What to speak of. That something is absent is rarely said, so it is usually left free."""
    if full:
        return [g for g in GROUPS if getattr(scene, g) != NONE]
    share = rng.choice((1.0, 0.85, 0.6, 0.4))
    groups = [g for g in GROUPS if rng.random() < (share if getattr(scene, g) != NONE else 0.15 * share)]
    return groups or [rng.choice(("time", "ground"))]


def write_caption(scene: Scene, rng: Random, full: bool = False, noisy: bool = True) -> Caption:
    """Say `scene` in words. `full` names all that it has; `noisy` adds irrelevant words and typos."""
    speech = Speech(scene, rng, full, {})
    groups = choose_groups(scene, rng, full)
    if not full and rng.random() < 0.08:
        text = write_lone(speech, groups)
    else:
        text = rng.choices((write_list, write_scenic, write_sentences), (0.38, 0.5, 0.12))[0](speech, groups)
    text = text.replace(" ,", ",").replace(",,", ",").strip(" ,")
    return Caption(add_noise(text, rng) if noisy else text, speech.claims)
