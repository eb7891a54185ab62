"""Fakes, not mocks: small real implementations whose time and failures a test decides."""

from __future__ import annotations


class ManualClock:
    """A clock that moves only when told to; call it for the time in seconds.

    Args:
        start_s: the first reading.
    """

    def __init__(self, start_s: float = 100.0) -> None:
        self.now_s = start_s

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now_s

    def advance(self, seconds: float) -> float:
        """Let `seconds` pass and return the new time.

        Raises:
            ValueError: time would run backwards.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not run backwards: {seconds} s")
        self.now_s += seconds
        return self.now_s
