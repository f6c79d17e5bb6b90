"""The attributes of a scene, how they are drawn by lot, and which combinations are kept out of training."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

import numpy as np

NONE = "none"
TIMES = ("dawn", "day", "dusk", "night", "storm")
GROUNDS = ("meadow", "desert", "snow", "sea")
MOUNTAINS = (NONE, "purple", "blue", "green", "red", "white", "grey")
BODIES = (NONE, "sun", "full moon", "crescent moon")
BODY_COLOURS = ("white", "yellow", "orange", "red", "blue")
SUBJECTS = (
    NONE, "boat", "house", "tree", "forest", "cactus", "lighthouse", "pyramid", "tent", "windmill", "castle",
)  # fmt: skip
SUBJECT_COLOURS = ("red", "blue", "yellow", "white", "green")
COLOURED_SUBJECTS = frozenset({"boat", "house", "tent"})
PLACES = ("left", "middle", "right")

FIELDS: dict[str, tuple[str, ...]] = {
    "time": TIMES,
    "ground": GROUNDS,
    "mountains": MOUNTAINS,
    "body": BODIES,
    "body_colour": (NONE, *BODY_COLOURS),
    "body_place": (NONE, *PLACES),
    "subject": SUBJECTS,
    "subject_colour": (NONE, *SUBJECT_COLOURS),
    "subject_place": (NONE, *PLACES),
}

BODY_ODDS = {
    "dawn": (0.2, 0.54, 0.1, 0.16),
    "day": (0.24, 0.56, 0.1, 0.1),
    "dusk": (0.18, 0.54, 0.12, 0.16),
    "night": (0.16, 0.12, 0.36, 0.36),
    "storm": (0.43, 0.21, 0.18, 0.18),
}
SUN_COLOUR_ODDS = (0.12, 0.3, 0.24, 0.24, 0.1)
MOON_COLOUR_ODDS = (0.34, 0.22, 0.14, 0.15, 0.15)
FAVOURED = {
    "sea": {"boat": 4.0, "lighthouse": 2.5},
    "desert": {"cactus": 3.0, "pyramid": 3.0, "tent": 1.5},
    "snow": {"forest": 2.0, "house": 1.5},
    "meadow": {"house": 2.0, "tree": 2.0, "windmill": 2.0, "castle": 1.5},
}
HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class Scene:
    """One scene, every attribute decided; colours and places are `none` where nothing has them."""

    time: str
    ground: str
    mountains: str
    body: str
    body_colour: str
    body_place: str
    subject: str
    subject_colour: str
    subject_place: str

    def describe(self) -> dict[str, str]:
        return asdict(self)


def is_held_out(scene: Scene) -> bool:
    """Whether the combination of the five main attributes is one that no training drawing shows."""
    key = "|".join((scene.time, scene.ground, scene.mountains, scene.body, scene.subject))
    return hashlib.sha256(key.encode()).digest()[0] < 256 * HELD_OUT_SHARE


def draw_subject_kind(rng: np.random.Generator, ground: str) -> str:
    favoured = FAVOURED[ground]
    weights = np.array([1.2 if kind == NONE else favoured.get(kind, 1.0) for kind in SUBJECTS])
    return str(rng.choice(SUBJECTS, p=weights / weights.sum()))


def draw_any_scene(rng: np.random.Generator) -> Scene:
    time, ground = str(rng.choice(TIMES)), str(rng.choice(GROUNDS))
    mountains = NONE if rng.random() < 0.28 else str(rng.choice(MOUNTAINS[1:]))
    body = str(rng.choice(BODIES, p=BODY_ODDS[time]))
    body_odds = SUN_COLOUR_ODDS if body == "sun" else MOON_COLOUR_ODDS
    body_colour, body_place = str(rng.choice(BODY_COLOURS, p=body_odds)), str(rng.choice(PLACES))
    subject = draw_subject_kind(rng, ground)
    subject_colour, subject_place = str(rng.choice(SUBJECT_COLOURS)), str(rng.choice(PLACES))
    return Scene(
        time, ground, mountains, body,
        body_colour if body != NONE else NONE, body_place if body != NONE else NONE,
        subject, subject_colour if subject in COLOURED_SUBJECTS else NONE,
        subject_place if subject != NONE else NONE,
    )  # fmt: skip


def draw_scene(rng: np.random.Generator, held_out: bool) -> Scene:
    """Draw scenes until one is on the wanted side of the split."""
    while True:
        scene = draw_any_scene(rng)
        if is_held_out(scene) == held_out:
            return scene
