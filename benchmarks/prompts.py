"""How many phrases of people who never saw the lexicon are understood exactly, and how many unknown ones are refused?

Regime: `benchmarks/data/prompts.jsonl`, 300 phrases written for this measurement by an author who was given the list of
concepts and not the lexicon; one JSON object a line: `prompt`, `expect` (labels, or null where the prompt must be
refused) and `inverted` (true: everything but these). Each goes through `engine.phrase.understand`, as every prompt of a
session does, against the words of a bundle. Exact means the same set of labels and the same polarity; a label that is
also a word for several ("music", "animal", "noise") stands for what that word alone means. Refused means
`UnknownPrompt` with three suggestions. Every miss is printed. A prompt's time is that of one call in a warm process.

Floor: a reader that looks for the labels themselves in the words of the prompt, and knows nothing else.

    python -m benchmarks.prompts [--phrases FILE] [--model identity]     identity: every concept of the lexicon
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from engine.bundle import find_bundle
from engine.concepts import union_of
from engine.errors import BadInput, UnknownPrompt
from engine.lexicon import fold, lexicon_for
from engine.phrase import understand
from engine.spec import load_spec
from engine.vocabulary import Vocabulary

NAME = "prompts"
PHRASES = Path(__file__).parent / "data" / "prompts.jsonl"

Asked = tuple[frozenset[str], bool]
"""Labels, and whether everything but these is meant."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A line of the file; `expected` is None where the prompt must be refused."""

    prompt: str
    expected: Asked | None


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--phrases", type=Path, default=PHRASES)
    parser.add_argument("--model", default="identity", help="bundle whose words are known")
    return parser


def read(path: Path, known: Collection[str]) -> list[Phrase]:
    """The phrases of a file; a label is read as the prompt that it is."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [Phrase(row["prompt"], row["expect"] and _expected(row["expect"], row["inverted"], known)) for row in rows]


def _expected(labels: Sequence[str], inverted: bool, known: Collection[str]) -> Asked:
    union = union_of([understand(label, known) for label in labels])
    return frozenset(union.labels), union.inverted != inverted  # "noise" alone is all but voices already


def heard(prompt: str, known: Collection[str]) -> Asked | None:
    """What the engine takes a prompt for; None where it refuses."""
    try:
        concepts = understand(prompt, known)
    except (UnknownPrompt, BadInput):
        return None
    return frozenset(concepts.labels), concepts.inverted


def floor(prompt: str, known: Collection[str]) -> Asked | None:
    """What a reader of bare labels takes it for."""
    words = " ".join(fold(prompt))
    labels = frozenset(label for label in known if label in words)
    return (labels, False) if labels else None


def shares(phrases: Sequence[Phrase], answers: Sequence[Asked | None]) -> dict[str, float]:
    """Percent of the known understood exactly and of the unknown refused, and how the rest of the known failed."""
    known = [(one, answer) for one, answer in zip(phrases, answers, strict=True) if one.expected is not None]
    unknown = [answer for one, answer in zip(phrases, answers, strict=True) if one.expected is None]

    def percent(count: int, of: int) -> float:
        return round(100.0 * count / of, 1) if of else 0.0

    return {
        "known_understood_exactly": percent(sum(answer == one.expected for one, answer in known), len(known)),
        "known_refused": percent(sum(answer is None for _, answer in known), len(known)),
        "unknown_refused": percent(sum(answer is None for answer in unknown), len(unknown)),
        "known": len(known),
        "unknown": len(unknown),
    }


def main() -> None:
    """See the module."""
    asked = options().parse_args()
    folder = find_bundle(asked.model)
    known = Vocabulary.load(folder, load_spec(folder)).labels
    phrases = read(asked.phrases, known)
    lexicon_for(known).prepare()
    answers, took = [], []
    for one in phrases:
        begun = time.perf_counter()
        answers.append(heard(one.prompt, known))
        took.append(time.perf_counter() - begun)
        if answers[-1] != one.expected:
            print(f"  {one.prompt!r}: expected {_told(one.expected)}, heard {_told(answers[-1])}")
    result: dict[str, Any] = {
        "percent": shares(phrases, answers),
        "floor_percent": shares(phrases, [floor(one.prompt, known) for one in phrases]),
        "prompt_ms": report.percentiles(took),
    }
    for name in ("percent", "floor_percent"):
        print(name, ", ".join(f"{key} {value:g}" for key, value in result[name].items()))
    print("a prompt:", report.shown(result["prompt_ms"], "ms"))
    report.finish(NAME, result, asked)


def _told(asked: Asked | None) -> str:
    if asked is None:
        return "refusal"
    labels, inverted = asked
    return ("everything but " if inverted else "") + (", ".join(sorted(labels)) or "nothing")


if __name__ == "__main__":
    report.run(main)
