"""What can be wrong with a SAM Audio checkpoint, and what may be missing beside it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import CallerError, WinnowError


class CheckpointError(WinnowError):
    """A checkpoint folder that cannot be used; the message names the file, field or key."""

    code = "bad_checkpoint"


class MissingKeys(CheckpointError):
    """Weights that the model needs and the checkpoint lacks: all of them are in `keys`."""

    def __init__(self, source: str, keys: Sequence[str]) -> None:
        super().__init__(f"{source}: {len(keys)} missing: {', '.join(keys)}")
        self.keys = tuple(keys)


class UnexpectedKeys(CheckpointError):
    """Weights under a part's own prefix that this part has no place for: another architecture, silently dropped."""

    def __init__(self, source: str, keys: Sequence[str]) -> None:
        super().__init__(f"{source}: {len(keys)} without a place in the model: {', '.join(keys)}")
        self.keys = tuple(keys)


class WrongShape(CheckpointError):
    """A weight of another shape than the configuration says."""

    def __init__(self, key: str, expected: Sequence[int], got: Sequence[int]) -> None:
        super().__init__(f"{key}: expected shape {list(expected)}, got {list(got)}")
        self.key, self.expected, self.got = key, tuple(expected), tuple(got)


class PlanRefused(WinnowError):
    """TensorRT could not build a plan, or not load what it needs for it: the bundle can be made without it."""

    code = "plan_refused"


class LibraryFailed(WinnowError):
    """A library that the export stands on gave up, most often for want of memory; `__cause__` is its own error."""

    code = "library_failed"

    def __init__(self, error: Exception) -> None:
        kind = type(error)
        super().__init__(f"{kind.__module__.split('.')[0]}: {kind.__name__}: {str(error).strip() or 'no reason given'}")


class MissingDependency(CallerError):
    """An optional package that this feature needs and that is not installed."""

    code = "missing_dependency"

    def __init__(self, package: str, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the package {package!r}: pip install 'winnow-live[{extra}]'")
        self.package = package
