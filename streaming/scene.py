"""The demo scene: its stems from the repository, and their sum. Which stem a prompt asks for is decided by what the
server says it understood."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import BadInput
from engine.frames import Samples
from streaming.media_reading import open_audio

SCENE_FOLDER = Path(__file__).parent / "demo_scene"


@dataclass(frozen=True, slots=True)
class Stem:
    """One sound of the scene, `(1, n)`, and the concepts that it is an answer to."""

    name: str
    answers: frozenset[str]
    samples: Samples


@dataclass(frozen=True, slots=True)
class Scene:
    """Stems of one length and rate.

    Attributes:
        title: for people.
        default: the prompt to ask for when nobody says.
        rate: Hz.
        stems: what is in it.
    """

    title: str
    default: str
    rate: int
    stems: tuple[Stem, ...]

    @property
    def mixture(self) -> Samples:
        """The sum of the stems, `(1, n)`: exactly what the scores are measured against."""
        return _sum(self.stems)

    def reference(self, labels: Collection[str], inverted: bool = False) -> Samples | None:
        """What a perfect answer to the concepts would be, or None where it is nothing or everything."""
        wanted = [stem for stem in self.stems if bool(stem.answers & set(labels)) != inverted]
        if not wanted or len(wanted) == len(self.stems):
            return None
        return _sum(wanted)


def _sum(stems: Sequence[Stem]) -> Samples:
    total: Samples = np.sum([stem.samples for stem in stems], axis=0, dtype=np.float32)
    return total


def load_scene(folder: Path = SCENE_FOLDER) -> Scene:
    """Decode a scene.

    Raises:
        BadInput: a file is missing or broken, or the stems differ in length or rate.
    """
    try:
        told = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput("scene", "a folder with scene.json and its stems", str(error)) from error
    stems, rates = [], set()
    for entry in told["stems"]:
        with open_audio(folder / entry["file"]) as file:
            samples = np.concatenate(list(file.blocks()), axis=1)
            rates.add(file.rate)
        stems.append(Stem(Path(entry["file"]).stem, frozenset(entry["answers"]), samples))
    if len(rates) != 1 or len({stem.samples.shape for stem in stems}) != 1:
        raise BadInput("scene", "stems of one rate and length", [stem.samples.shape for stem in stems])
    return Scene(told["title"], told["default"], rates.pop(), tuple(stems))
