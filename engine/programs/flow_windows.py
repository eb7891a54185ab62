"""Which latent frames the window of a hop covers, and how the sound of neighbouring windows is joined.

A window begins `history` before its hop and ends `latency` behind the hop's first sample, but neither before the
stream's first frame nor behind its last: a clip that is shorter than a window is heard as it is, without silence
around it that the model would have to explain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.frames import Samples, Work
from engine.spec import AudioSpec

Floats = NDArray[np.float32]

SILENT = np.float32(1e-4)
"""A hop in which no sample is louder (-80 dB under full scale) is silence: the model is not asked about it."""


@dataclass(frozen=True, slots=True)
class Window:
    """One hop of a work. Frames and samples are counted from the stream's first.

    Attributes:
        pts: first sample that comes out.
        first, end: frames of the window.
        out: frames that are decoded: the hop, and the crossfade behind it.
        ended: nothing follows the window's last frame.
    """

    pts: int
    first: int
    end: int
    out: tuple[int, int]
    ended: bool

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.end - self.first


def windows_of(work: Work, audio: AudioSpec) -> list[Window | None]:
    """A window for each hop of a work; None for a hop that lies before the stream or behind its end."""
    frame = audio.frame
    assert frame is not None, "a program with latent frames"
    last = None if work.end is None else -(-work.end // frame)
    found: list[Window | None] = []
    for hop in range(work.hops):
        pts = work.pts + hop * audio.hop
        end = (pts + audio.latency) // frame
        ended = last is not None and end >= last
        if last is not None:
            end = min(end, last)
        begin = pts // frame
        out = (begin, min(begin + (audio.hop + audio.crossfade) // frame, end))
        heard = begin >= 0 and out[1] > begin
        found.append(Window(pts, max(begin - audio.history // frame, 0), end, out, ended) if heard else None)
    return found


def silent(samples: Floats) -> bool:
    """Whether there is nothing to hear in an array; see `SILENT`."""
    return not samples.size or bool(max(samples.max(), -samples.min()) <= SILENT)


def joined(tail: Samples, head: Samples) -> Samples:
    """From one window's sound `(channels, n)` to the next one's of the same samples.

    Where the two agree nothing changes; where they do not, the loudness stays even: with the correlation ρ of the two,
    weights a and b = 1 - a give a power of a² + b² + 2ρab, by which they are divided (ρ = 1 is the equal-gain fade,
    ρ = 0 the equal-power one).
    """
    count = tail.shape[1]
    if not count:
        return head
    rise = (np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(count)
    both, own = np.sum(tail * head, axis=1), np.sqrt(np.sum(tail * tail, axis=1) * np.sum(head * head, axis=1))
    alike = np.clip(both / np.maximum(own, np.float32(1e-12)), 0.0, 1.0)[:, None]
    fall = np.float32(1.0) - rise
    scale = 1.0 / np.sqrt(fall * fall + rise * rise + 2.0 * alike * fall * rise)
    return np.asarray((fall * tail + rise * head) * scale, np.float32)


def mid_side(samples: Samples) -> Floats:
    """A copy of `(channels, n)`: mono as it is, stereo as its mean and half its difference, two mono sounds."""
    if len(samples) == 1:
        return samples.copy()
    left, right = samples
    return np.stack([left + right, left - right]) * np.float32(0.5)


def left_right(parts: Floats) -> Samples:
    """The inverse of `mid_side`."""
    if len(parts) == 1:
        return parts
    mid, side = parts
    return np.stack([mid + side, mid - side])
