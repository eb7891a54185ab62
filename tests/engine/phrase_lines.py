"""Lines of `prompt|labels it must be understood as`: `!` for everything but, `*` for all that a word for several means,
`?` where the prompt must be refused."""

from __future__ import annotations

import pytest

from engine.errors import CallerError
from engine.lexicon import lexicon_for
from engine.phrase import understand

KNOWN = lexicon_for().concepts


def check_line(line: str, refusal: type[CallerError]) -> None:
    """See whether a prompt is understood as its line says, or refused with `refusal`."""
    prompt, expected = line.split("|")
    if expected == "?":
        with pytest.raises(refusal):
            understand(prompt, KNOWN)
        return
    concepts = understand(prompt, KNOWN)
    assert concepts.inverted == expected.startswith("!")
    assert set(concepts.labels) == _meant(expected)


def _meant(text: str) -> set[str]:
    labels: set[str] = set()
    for part in text.removeprefix("!").split(","):
        labels |= set(lexicon_for().meaning("kind:" + part.removesuffix("*")).scores) if part.endswith("*") else {part}
    return labels
