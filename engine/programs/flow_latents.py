"""Latents of the mixture, window by window, each frame encoded as seldom as can be.

A frame's latent depends on some frames of sound around it (`margin`). Once so many lie behind a frame it is final and
kept; the frames at the end of a window are encoded with what there is, and again in the next window. Which frames are
encoded together depends on the windows alone, so that it makes no difference how many hops a work has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.programs.flow_windows import Window

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """Final latents `(n, latent)` of the frames from `first` on. Never changed: a failed step leaves the old one."""

    first: int
    latents: Floats

    @property
    def end(self) -> int:
        """One past the last final frame."""
        return self.first + len(self.latents)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames `[begin, end)` to encode for a window, of which those from `used` on are wanted; `final` is where the
    window's final frames end."""

    window: Window
    begin: int
    used: int
    end: int
    final: int


def stretches(heard: Heard | None, windows: Sequence[Window], margin: int) -> list[Stretch]:
    """What must be encoded for each of a stream's next windows, one after the other."""
    known = None if heard is None else (heard.first, heard.end)
    found = []
    for window in windows:
        if known is None or not known[0] <= window.first <= known[1]:
            known = (window.first, window.first)
        used = min(known[1], window.end)
        final = window.end if window.ended else max(window.end - margin, used)
        found.append(Stretch(window, max(used - margin, window.first), used, window.end, final))
        known = (known[0], final)
    return found


def samples_of(stretch: Stretch, sound: Floats, origin: int, frame: int, end: int | None) -> Floats:
    """The samples `(n · frame,)` to encode.

    Args:
        sound: `(n,)`, beginning at sample `origin` of the stream.
        frame: samples.
        end: where the stream ends, if it does: a frame that is cut short by it goes on as its mirror image, as in the
            model's training (silence where there is too little to mirror).
    """
    begin, stop = stretch.begin * frame, stretch.end * frame
    real = stop if end is None else min(stop, end)
    samples = sound[begin - origin : real - origin]
    if missing := stop - real:
        return np.pad(samples, (0, missing), mode="reflect" if missing < len(samples) else "constant")
    return samples


def assembled(heard: Heard | None, stretch: Stretch, encoded: Floats) -> tuple[Floats, Heard]:
    """Latents of a window `(frames, latent)`, and what is final after it.

    Args:
        encoded: `(stretch.end - stretch.begin, latent)`.
    """
    window = stretch.window
    fresh = encoded[stretch.used - stretch.begin :]
    if heard is None or not heard.first <= window.first <= heard.end:
        whole = fresh
    else:
        whole = np.concatenate([heard.latents[window.first - heard.first : stretch.used - heard.first], fresh])
    return whole, Heard(window.first, whole[: stretch.final - window.first])
