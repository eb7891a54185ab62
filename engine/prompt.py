"""What a listener asks for: targets, each a prompt in words with hints of when and where. `phrase` reads the words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of session time in seconds in which the target is known to sound, or (`include=False`) not to."""

    start_s: float
    end_s: float
    include: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """A click in pixels of the declared picture; `label` 1 belongs to the object, 0 does not; `pts` in 1/90000 s."""

    x: float
    y: float
    label: int = 1
    object_id: int = 0
    pts: int | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the declared picture; `pts` in 1/90000 s."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float
    object_id: int = 0
    pts: int | None = None


class Pictures(Protocol):
    """A visual prompt: pictures of what is meant, all else black, one for each latent frame of a model, in order.

    The first belongs to the session's first sample, whenever it is asked for; neither a flush nor a gap in the sound
    winds the film back. It is read through once: targets of one session may share it, also from one update to the next,
    but who drops it and wants it again gives another that begins anew.
    """

    def next(self, count: int, side: int) -> NDArray[np.uint8]:
        """The pictures of the next `count` frames, `(count, side, side, 3)`; the last one is held where they end."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to isolate.

    Attributes:
        id: the caller's name for it.
        prompt: what to keep, in words.
        spans, points, boxes: further hints.
        gain_db: applied to the target's output.
        max_suppression_db: how far the rest may be pushed down; None for no limit.
        bypass: give the input instead.
        pictures: a visual prompt, for a model that sees; the words may then be empty. For files, since it is read along
            with the sound.
        predict_spans: have the model find out where it sounds before it is taken out, where `spans` say nothing; for a
            model of windows that can (others tell it anyway).
        seed: which noise a generative model begins with, 0 … 2⁶⁴ - 1; the same seed gives the same sound.
    """

    id: str
    prompt: str
    spans: tuple[Span, ...] = ()
    points: tuple[Point, ...] = ()
    boxes: tuple[Box, ...] = ()
    gain_db: float = 0.0
    max_suppression_db: float | None = None
    bypass: bool = False
    pictures: Pictures | None = None
    predict_spans: bool = False
    seed: int = 0
