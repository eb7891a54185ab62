from __future__ import annotations

from engine.errors import WinnowError
from export.models.sam_audio.errors import MissingKeys, UnexpectedKeys, WrongField, WrongKind, WrongShape


def test_messages_name_what_is_wrong() -> None:
    assert "a.weight, b.bias" in str(MissingKeys("checkpoint.pt", ["a.weight", "b.bias"]))
    assert str(WrongShape("proj.weight", [4, 3], [4, 2])) == "proj.weight: expected shape [4, 3], got [4, 2]"


def test_long_lists_are_cut_with_a_count() -> None:
    keys = [f"layer{number}" for number in range(317)]
    for error in (MissingKeys("x", keys), UnexpectedKeys("x", keys), WrongKind("x", keys, "I32")):
        assert "layer7 and 309 more" in str(error)
        assert len(str(error)) < 250
        assert error.keys == tuple(keys)
    assert str(WrongShape("a", [1], [2], 3)) == "a: expected shape [1], got [2] (and 3 more of another shape)"
    assert len(str(WrongField("a", "a number", "x" * 1000))) < 150


def test_they_are_of_the_house() -> None:
    assert isinstance(MissingKeys("x", ["y"]), WinnowError)
