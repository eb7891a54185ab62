"""`engine.errors`: messages that name the field, what was expected and what came; nothing imported."""

from __future__ import annotations

import ast
from pathlib import Path

import engine.errors as subject


def test_messages() -> None:
    error = subject.BadInput("audio.channels", "1 or 2", 3)
    assert str(error) == "audio.channels: expected 1 or 2, got 3"
    assert len(str(subject.BadInput("x", "y", "z" * 1000))) < 120
    inner = subject.BadInput("prompt", "words that name a sound", "")
    assert str(inner.within("targets.a")) == "targets.a.prompt: expected words that name a sound, got ''"
    assert str(inner.called("prompt words")) == "prompt words: expected words that name a sound, got ''"
    unknown = subject.UnknownPrompt("p" * 2000, ("speech", "rain", "dog bark"), "t")
    assert len(str(unknown)) < 200
    assert "'rain'" in str(unknown)
    named = subject.UnknownPrompt("dog and accordion", ("piano",), word="accordion")
    assert str(named) == "'accordion' is not known in the prompt 'dog and accordion'; nearest: 'piano'"
    assert subject.NoCapacity("full", 2.0).retry_after_s == 2.0
    assert "bundle" in str(subject.BundleError("/m", "bins", "is wrong"))


def test_codes_are_distinct_and_the_tree_is_drawn() -> None:
    kinds = [kind for kind in vars(subject).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len({kind.code for kind in kinds}) == len(kinds)  # type: ignore[attr-defined]
    assert subject.__doc__ is not None
    for kind in kinds:
        assert kind.__name__ in subject.__doc__


def test_the_lowest_floor_imports_nothing() -> None:
    tree = ast.parse(Path(subject.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["from __future__ import annotations"]
