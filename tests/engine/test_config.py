"""`engine.config`: every limit of a session, named (what a session does with them: `test_session.py`)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.config import MOST_SPANS, MOST_TARGETS, SessionConfig, check_config, hops_per_call, latency_of
from engine.errors import BadInput
from engine.prompt import Span, Target
from engine.spec import AudioSpec

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
        (replace(GOOD, targets=(Target(5, "x"),)), "targets.id"),  # type: ignore[arg-type]
        (replace(GOOD, targets=(Target("a", None),)), "targets.a.prompt"),  # type: ignore[arg-type]
        (replace(GOOD, targets=(Target("a", "x", gain_db="loud"),)), "targets.a.gain_db"),  # type: ignore[arg-type]
        (replace(GOOD, targets=(Target("a", "x", max_suppression_db=float("inf")),)), "targets.a.max_suppression_db"),
    ],
)
def test_bad_ones_are_named(changed: SessionConfig, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_config(changed)
    assert caught.value.field == field


def test_a_hop_is_one_two_or_four_of_the_models_own() -> None:
    audio = AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480)
    assert [hops_per_call(ms, audio) for ms in (None, 10.0, 20.0, 40.0)] == [1, 1, 2, 4]
    for wrong in (5.0, 15.0, 30.0, 80.0):
        with pytest.raises(BadInput, match="hop: expected 10ms or 20ms or 40ms"):
            hops_per_call(wrong, audio)


def test_longer_hops_come_later_by_what_they_are_longer() -> None:
    audio = AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480)
    one, two = (latency_of(audio, 16_000, 16_000, hops) for hops in (1, 2))
    assert two.algorithmic_ms == one.algorithmic_ms + 10
    assert two.samples == one.samples + 160
    assert (two.hop, two.window, two.resampling_ms) == (960, 1440, one.resampling_ms)


def test_spans_are_bounded() -> None:
    def asked(count: int) -> SessionConfig:
        return replace(GOOD, targets=(Target("a", "speech", spans=(Span(0.0, 1.0),) * count),))

    check_config(asked(MOST_SPANS))
    with pytest.raises(BadInput, match=r"targets\.a\.spans: expected at most"):
        check_config(asked(MOST_SPANS + 1))
