"""The words that the separator answers to, and which of them are too near one another to be told apart fairly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from engine.lexicon import lexicon_for
from export.train.corpus import MAN, SPEECH, WOMAN, Recording

_NEAR: tuple[tuple[str, ...], ...] = (
    (SPEECH, "crowd", "singing", "laughter", "scream", "baby cry"),
    ("animal", "dog bark", "cat", "cow", "horse", "pig", "sheep", "frog", "birds", "rooster", "insects"),
    ("machine", "engine", "traffic", "vacuum cleaner", "chainsaw", "helicopter", "airplane", "train", "bicycle"),
    ("rain", "water", "sea waves", "wind", "thunder"),
    ("explosion", "fireworks", "thunder", "door"),
    ("bell", "doorbell", "telephone", "alarm", "siren", "glass"),
    ("music", "piano", "electric piano", "guitar", "bass", "strings", "sitar", "synthesizer", "woodwind", "flute",
     "saxophone", "brass", "drums", "cymbal", "singing"),
    ("drums", "body percussion", "clapping", "finger snap", "footsteps", "door", "horse", "cymbal"),
    ("car horn", "brass"), ("cymbal", "bell", "glass"), ("whistle", "flute"), ("fire crackling", "rain"),
    ("typing", "clock tick"), ("siren", "whistle"),
)  # fmt: skip
"""Groups whose members may hold one another ("music" a piano) or were filed under one another. A mixture takes at most
one of a group, and none of a group is asked for as "absent" while another member sounds."""

NOISES = (
    "rain", "sea waves", "wind", "fire crackling", "engine", "machine", "traffic", "train", "helicopter", "chainsaw",
    "vacuum cleaner", "water", "typing", "footsteps", "crowd",
)  # fmt: skip
"""Labels that count as noise against speech."""

UMBRELLAS = (
    "animal", "vehicle", "instrument", "music", "instrumental music", "percussion", "string instrument",
    "wind instrument", "keyboard instrument", "voice", "human", "body", "weather", "nature", "any water", "mechanical",
    "household", "city", "emergency", "ringing", "bang", "farm", "aircraft",
)  # fmt: skip
"""Words of the lexicon for many concepts. Their query is the sum of their members' vectors, so it is trained as one."""


def umbrellas(concepts: Iterable[str]) -> list[frozenset[str]]:
    """The members of each umbrella among `concepts`, where there are two or more."""
    known, lexicon = set(concepts), lexicon_for()
    found = (known.intersection(lexicon.meaning(f"kind:{name}").scores) for name in UMBRELLAS)
    return [frozenset(members) for members in found if len(members) > 1]


def vocabulary(recordings: Iterable[Recording]) -> list[str]:
    """Every concept of the recordings, speech first, then by name."""
    words = {concept for recording in recordings for concept in recording.concepts}
    first = [word for word in (SPEECH, MAN, WOMAN) if word in words]
    return first + sorted(words - set(first))


def too_near(one: str, other: str) -> bool:
    """Whether two labels may not stand side by side in a mixture (equal ones too); speech may stand beside speech."""
    if one == other:
        return one != SPEECH
    return any(one in group and other in group for group in _NEAR)


def class_weights(recordings: Sequence[Recording], origins: Sequence[str]) -> dict[str, float]:
    """Chance of each label but speech to be drawn: the square root of its origins; a third of it below 6 recordings.

    The root keeps large classes from being the only thing heard, the cut keeps three clips from being learnt by heart.
    """
    counts = Counter(recording.label for recording in recordings)
    distinct = {
        label: len({o for r, o in zip(recordings, origins, strict=True) if r.label == label}) for label in counts
    }
    raw = {
        label: min(distinct[label], 40) ** 0.5 * (1.0 if counts[label] >= 6 else 1 / 3)
        for label in counts
        if label != SPEECH
    }
    total = sum(raw.values())
    return {label: weight / total for label, weight in raw.items()}
