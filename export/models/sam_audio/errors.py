"""What can be wrong with a SAM Audio checkpoint, and with what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.errors import WinnowError

NAMED = 8
"""How many keys a message names; a wrong folder lacks all of hundreds."""


class CheckpointError(WinnowError):
    """A checkpoint folder that cannot be used; the message names the file, field or key."""

    code = "bad_checkpoint"


class WrongField(CheckpointError):
    """A value of a `config.json` that is of another type or outside its range."""

    def __init__(self, field: str, expected: str, got: object) -> None:
        super().__init__(f"{field}: expected {expected}, got {_shortened(repr(got))}")
        self.field, self.expected, self.got = field, expected, got


class MissingKeys(CheckpointError):
    """Weights that the model needs and the checkpoint lacks: all of them are in `keys`, the first in the message."""

    def __init__(self, source: str, keys: Sequence[str]) -> None:
        super().__init__(f"{source}: {len(keys)} missing: {_first(keys)}")
        self.keys = tuple(keys)


class UnexpectedKeys(CheckpointError):
    """Weights under a part's own prefix that this part has no place for: another architecture, silently dropped."""

    def __init__(self, source: str, keys: Sequence[str]) -> None:
        super().__init__(f"{source}: {len(keys)} without a place in the model: {_first(keys)}")
        self.keys = tuple(keys)


class WrongShape(CheckpointError):
    """A weight of another shape than the configuration says; `others` more of the same model are misshapen too."""

    def __init__(self, key: str, expected: Sequence[int], got: Sequence[int], others: int = 0) -> None:
        more = f" (and {others} more of another shape)" if others else ""
        super().__init__(f"{key}: expected shape {list(expected)}, got {list(got)}{more}")
        self.key, self.expected, self.got = key, tuple(expected), tuple(got)


class WrongKind(CheckpointError):
    """Weights that are no floating-point numbers (quantized ones, most likely): all of them are in `keys`."""

    def __init__(self, source: str, keys: Sequence[str], got: str) -> None:
        super().__init__(f"{source}: expected float32, float16 or bfloat16, got {got}: {_first(keys)}")
        self.keys, self.got = tuple(keys), got


class DiskFull(WinnowError):
    """A disk that cannot hold what an export writes."""

    code = "disk"

    def __init__(self, folder: Path, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{folder}: expected {needed_bytes / 1e9:.2f} GB of room or more, got {free_bytes / 1e9:.2f} GB"
        )
        self.folder, self.needed_bytes, self.free_bytes = folder, needed_bytes, free_bytes


class PlanRefused(WinnowError):
    """TensorRT could not build a plan, or not load what it needs for it: the bundle can be made without it."""

    code = "plan_refused"


class LibraryFailed(WinnowError):
    """A library that the export stands on gave up, most often for want of memory; `__cause__` is its own error."""

    code = "library_failed"

    def __init__(self, error: Exception) -> None:
        kind = type(error)
        super().__init__(f"{kind.__module__.split('.')[0]}: {kind.__name__}: {str(error).strip() or 'no reason given'}")


def _first(keys: Sequence[str]) -> str:
    more = len(keys) - NAMED
    return ", ".join(keys[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
