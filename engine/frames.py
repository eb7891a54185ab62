"""The arrays and records that travel through the engine.

`Samples` are float32 of shape `(channels, n)`, full scale ±1; `pts` counts samples at the stream's own rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Audio `(channels, n)`, float32, full scale ±1."""

Vector = NDArray[np.float32]
"""One query `(query_size,)`, float32."""


@dataclass(slots=True)
class Piece:
    """A stretch of one output track, at the session's output rate.

    Attributes:
        track: index of the track, as `Session.tracks` gives it.
        pts: absolute index of the first sample at the output rate.
        samples: `(channels, n)` float32; never shared with the engine's own buffers.
        discontinuity: input is missing before this piece.
        last: nothing follows on this track.
        due_s: clock time at which the piece was due (see `Work.due_s`).
        stages: seconds spent in each of `meter.STAGES` that the engine owns, or None while nothing was measured.
    """

    track: int
    pts: int
    samples: Samples
    discontinuity: bool = False
    last: bool = False
    due_s: float = 0.0
    stages: tuple[float, float, float] | None = None


@dataclass(slots=True)
class Activity:
    """A target began or stopped to sound. `at` is a pts at the output rate, `level_db` relative to full scale."""

    target: str
    state: str
    at: int
    level_db: float


@dataclass(slots=True, eq=False)
class Work:
    """What one stream asks of a program: one or several hops in a row, for one or several slots on the same sound.

    Attributes:
        slots: the slots to run; all hear the same window.
        pts: sample index (model rate) of the first sample that comes out.
        window: `(channels, window + (hops - 1) * hop)` float32, a view into the stream's ring: use it before the
            stream is pushed again.
        hops: how many hops come out.
        hints: per slot the activity hint: 0 unknown, 1 the target sounds, 2 it does not.
        due_s: clock time at which the first hop of this work was due.
        live: False for a file or a job, which waits behind live work.
        end: sample index (model rate) at which the stream ends, once that is known: what the window holds behind it is
            padding.
        marks: `(slots, frames)`, for a program with latent frames: the hint of each frame of the window.
        origin: where the stream's sample 0 lies in the whole session (model rate); not 0 behind a flush or a gap.
    """

    slots: tuple[int, ...]
    pts: int
    window: Samples
    hops: int
    hints: tuple[int, ...]
    due_s: float = 0.0
    live: bool = True
    end: int | None = None
    marks: NDArray[np.int8] | None = None
    origin: int = 0

    @property
    def rows(self) -> int:
        """Rows of the batch: each slot on each channel is one."""
        return len(self.slots) * len(self.window)


@dataclass(slots=True)
class Result:
    """What a program gives back for one `Work`.

    Attributes:
        work: the work answered.
        outputs: `(slots, channels, hops * hop)` float32, the estimate of each slot's target.
        active: `(slots, hops)` float32, probability that the target sounds; `(slots, frames)` where hops consist of
            latent frames.
        model_s: seconds in the graph, for the whole batch that this work was part of.
        faulty: the model gave values that are not finite for this work; `outputs` is then silence.
        stitch_s: seconds in analysis, synthesis and overlap-add, for the whole batch.
    """

    work: Work
    outputs: NDArray[np.float32]
    active: NDArray[np.float32]
    model_s: float
    stitch_s: float
    faulty: bool = False
