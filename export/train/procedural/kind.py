"""What a kind of procedural sound is: a class label, the way it is made, and how many clips are made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Kind:
    """One way in which a class of sounds is made; a file's origin."""

    label: str
    """The class, as the corpus writes it; `NAMELESS` for noise."""

    name: str
    """No digits: an origin is the file's name without the numbers at its end."""

    make: Callable[[Rng], Float64]
    """`[n]` samples at 48 kHz, at any scale, 5 s at most."""

    clips: int = 24
