from __future__ import annotations

from engine.errors import WinnowError
from export.models.sam_audio.errors import MissingDependency, MissingKeys, WrongShape


def test_messages_name_what_is_wrong() -> None:
    assert "a.weight, b.bias" in str(MissingKeys("checkpoint.pt", ["a.weight", "b.bias"]))
    assert str(WrongShape("proj.weight", [4, 3], [4, 2])) == "proj.weight: expected shape [4, 3], got [4, 2]"
    assert "winnow-live[sam-audio]" in str(MissingDependency("transformers", "text prompts", "sam-audio"))


def test_they_are_of_the_house() -> None:
    assert isinstance(MissingKeys("x", ["y"]), WinnowError)
    assert MissingDependency("p", "f", "e").code == "missing_dependency"
