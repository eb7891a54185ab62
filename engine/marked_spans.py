"""Where a target sounds in a file by a model that marks the frames in which it hears a phrase: just what was marked.

Such a model takes a phrase out by these marks, so that a rule of our own over its probabilities (`engine.activity`, for
models that tell hop by hop while they separate) would tell of other spans than those that were used.
"""

from __future__ import annotations

import numpy as np

from engine.activity import ActivityRecord, Floats, Sounding
from engine.bundle import Bundle
from engine.programs.flow_audio import FlowProgram
from engine.programs.flow_hearing import HEARD_ABOVE


class MarkedRecord(ActivityRecord):
    """As `ActivityRecord`, frame by frame, for a model that marks."""

    def soundings(self, name: str) -> list[Sounding]:
        """The runs of marked frames of a target."""
        return marked_soundings(*self.heard(name), self.hop_s)


def marked_soundings(probability: Floats, power: Floats, frame_s: float) -> list[Sounding]:
    """Runs of frames that were marked, from `(frames,)` probabilities, and powers of the estimate for their levels."""
    marked = np.concatenate([[False], probability > HEARD_ABOVE, [False]])
    borders = np.flatnonzero(marked[1:] != marked[:-1])
    return [
        Sounding(
            round(begin * frame_s, 3),
            round(end * frame_s, 3),
            round(float(10.0 * np.log10(np.mean(power[begin:end]) + 1e-12)), 1),
            round(float(np.mean(probability[begin:end])), 3),
        )
        for begin, end in zip(borders[0::2].tolist(), borders[1::2].tolist(), strict=True)
    ]


def record_for(bundle: Bundle) -> ActivityRecord:
    """What keeps the activity of a file that goes through a model."""
    return MarkedRecord() if isinstance(bundle.program, FlowProgram) else ActivityRecord()
