"""What any command of export may meet; what is wrong with a SAM Audio checkpoint is in `models/sam_audio/errors`."""

from __future__ import annotations

from engine.errors import CallerError


class MissingDependency(CallerError):
    """An optional package that this feature needs and that is not installed."""

    code = "missing_dependency"

    def __init__(self, package: str, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the package {package!r}: pip install 'winnow-live[{extra}]'")
        self.package = package
