"""What people add to a caption without meaning a change: politeness, praise, stray words and typos."""

from __future__ import annotations

from random import Random

from models.training import wording as w

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def add_noise(text: str, rng: Random) -> str:
    """Return `text` with irrelevant additions and slips; its meaning is left alone."""
    if rng.random() < 0.22:
        text = f"{rng.choice(w.PREFIXES)} {text}"
    if rng.random() < 0.2:
        text = ", ".join([text, *rng.sample(w.SUFFIXES, rng.randint(1, 3))])
    if rng.random() < 0.12:
        text = insert_stray(text, rng)
    if rng.random() < 0.1:
        text = make_typo(text, rng)
    if rng.random() < 0.06:
        text = " ".join(word for word in text.split() if word not in ("a", "an", "the"))
    if rng.random() < 0.06:
        text = text.replace(",", "")
    return text + rng.choice(("", "", "", "", ".", "!")) if text else text


def insert_stray(text: str, rng: Random) -> str:
    words = text.split()
    for _ in range(rng.randint(1, 2)):
        words.insert(rng.choice((0, len(words))), rng.choice(w.STRAY_WORDS))
    return " ".join(words)


def make_typo(text: str, rng: Random) -> str:
    """One slip in a word of five letters or more: a letter lost, doubled, swapped or wrong."""
    words = text.split()
    long = [i for i, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if not long:
        return text
    i = rng.choice(long)
    word, at = words[i], rng.randint(1, len(words[i]) - 2)
    words[i] = rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + rng.choice(LETTERS) + word[at + 1 :],
        )
    )
    return " ".join(words)
