"""`engine.suggestions`: likeness by edits and shared words, the best over the phrases of a label."""

from __future__ import annotations

import pytest

from engine.suggestions import Suggestable

SOUNDS = Suggestable({
    "dog": ("dog bark",), "barking dog": ("dog bark",), "cat": ("cat",), "pets": ("dog bark", "cat"), "rain": ("rain",)
})  # fmt: skip


def test_a_phrase_of_ours_is_like_its_labels() -> None:
    assert SOUNDS.likeness("pets") == {"dog bark": 100.0, "cat": 100.0, "rain": pytest.approx(0.0, abs=30.0)}


def test_best_phrase_counts() -> None:
    likeness = SOUNDS.likeness("barking fog")
    assert max(likeness, key=lambda label: likeness[label]) == "dog bark"


def test_shared_words_count_beside_letters() -> None:
    # every word of "cat" is shared, and of its letters 3 of 3 + 13 belong to both: 0.7 · 200·3/16 + 0.3 · 100
    assert SOUNDS.likeness("quiet zoom cat")["cat"] == pytest.approx(0.7 * 600 / 17 + 30.0, abs=0.01)


def test_nothing_shared_is_no_likeness() -> None:
    assert SOUNDS.likeness("")["rain"] == 0.0
    assert SOUNDS.likeness("xx")["rain"] == 0.0
