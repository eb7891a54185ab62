from __future__ import annotations

import pytest

from export.train.concepts import class_weights, too_near, umbrellas, vocabulary
from export.train.corpus import MAN, SPEECH, WOMAN, origin
from tests.export.conftest import recording, tiny_recordings


def test_the_vocabulary_begins_with_the_voices() -> None:
    assert vocabulary(tiny_recordings()) == [SPEECH, MAN, WOMAN, "rain", "whistle"]


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [("rain", "rain", True), (SPEECH, SPEECH, False), ("dog bark", "animal", True), ("dog bark", "siren", False),
     ("piano", "music", True), (SPEECH, "crowd", True)],
)  # fmt: skip
def test_what_may_hold_the_other_is_too_near(one: str, other: str, near: bool) -> None:
    assert too_near(one, other) is near
    assert too_near(other, one) is near


def test_umbrellas_hold_the_known_members_of_a_word_for_many() -> None:
    found = umbrellas(["dog bark", "cat", "rain", "piano"])
    assert frozenset({"dog bark", "cat"}) in found
    assert all(len(members) > 1 for members in found)
    assert umbrellas(["rain"]) == []


def test_weights_temper_large_classes_and_hold_down_tiny_ones() -> None:
    names = "abcdefghijklmnop"
    recordings = [
        *(recording(f"rain/{x}{x}{x}.opus", "rain") for x in names),
        *(recording(f"dog/{x}{x}{x}.opus", "dog bark") for x in names[:8]),
        recording("cat/one.opus", "cat"),
        recording("speech/a.opus", SPEECH, speaker="s1"),
    ]
    weights = class_weights(recordings, [origin(r) for r in recordings])
    assert sum(weights.values()) == pytest.approx(1)
    assert SPEECH not in weights
    assert weights["rain"] / weights["dog bark"] == pytest.approx(2**0.5)
    assert weights["cat"] / weights["rain"] == pytest.approx(1 / 3 / 4)
