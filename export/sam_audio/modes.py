"""How a bundle is run unless somebody says otherwise: window lengths and solvers, by the names a caller knows.

Every length is whole latent frames (40 ms). Both live modes see windows of 125 frames, so that sessions of both share a
batch, a TensorRT plan and a captured graph. The look-ahead is never below the decoder's eight frames.
"""

from __future__ import annotations

from typing import Any

MODES: dict[str, dict[str, Any]] = {
    # context + hop + crossfade + look-ahead seconds        a window of 12 s; for files, and who can wait three seconds
    "quality": {
        "context_s": 8.84, "hop_s": 2.0, "crossfade_s": 0.16, "lookahead_s": 1.0, "solver": "midpoint", "steps": 16,
    },
    # a window of 5 s, heard a second late
    "balanced": {
        "context_s": 4.0, "hop_s": 0.48, "crossfade_s": 0.04, "lookahead_s": 0.48, "solver": "midpoint", "steps": 4,
    },
    # a window of 5 s, heard 0.6 s late
    "low_latency": {
        "context_s": 4.4, "hop_s": 0.24, "crossfade_s": 0.04, "lookahead_s": 0.32, "solver": "midpoint", "steps": 2,
    },
}  # fmt: skip
DEFAULT_MODE = "balanced"
FILE_MODE = "quality"
