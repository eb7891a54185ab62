"""`engine.config`: every limit of a session, named (what a session does with them: `test_session.py`)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.config import MOST_TARGETS, SessionConfig, check_config
from engine.errors import BadInput
from engine.prompt import Target

GOOD = SessionConfig(48_000, 2, (Target("a", "speech"),))


def test_good_ones_pass() -> None:
    check_config(GOOD)
    check_config(replace(GOOD, sample_rate=8000, output_rate=192_000, channels=1, on_failure="pass"))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (replace(GOOD, sample_rate=7999), "sample_rate"),
        (replace(GOOD, output_rate=192_001), "output_rate"),
        (replace(GOOD, channels=0), "channels"),
        (replace(GOOD, on_failure="ignore"), "on_failure"),  # type: ignore[arg-type]
        (replace(GOOD, targets=()), "targets"),
        (replace(GOOD, targets=tuple(Target(str(i), "x") for i in range(MOST_TARGETS + 1))), "targets"),
        (replace(GOOD, targets=(Target("", "x"),)), "targets.id"),
        (replace(GOOD, targets=(Target("a", "x", max_suppression_db=float("inf")),)), "targets.a.max_suppression_db"),
    ],
)
def test_bad_ones_are_named(changed: SessionConfig, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_config(changed)
    assert caught.value.field == field
