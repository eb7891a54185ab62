"""The mean of the weights of several runs, of which each went on from the one before.

    python -m export.train.average ONE TWO --out FILE

A run that goes on from a finished one, at a high rate again, mostly ends in the same basin: between the two ends the
loss is no higher than at them, and the mean is often better than either ("model soups", Wortsman et al. 2022). It costs
nothing at run time. Optimiser, plan and counts of the result are those of the last one named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.command_line import HelpFormat, answer, require_place, require_torch

if __name__ == "__main__":
    require_torch("python -m export.train.average")

import torch

from engine.errors import BadInput
from export.train import checkpoint

COMMAND = "python -m export.train.average"
ALIKE = ("concepts", "core", "config")
"""What checkpoints must share for the mean of their weights to mean anything."""


def mean(contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A checkpoint whose weights (the last ones and their running mean alike) are the mean of the running means of
    `contents`.

    Raises:
        BadInput: less than two, of different words or sizes, or with weights that are no numbers.
    """
    if len(contents) < 2:
        raise BadInput("checkpoints", "two or more", len(contents))
    last = contents[-1]
    for name in ALIKE:
        for content in contents:
            if content.get(name) != last.get(name):
                raise BadInput(f"checkpoints.{name}", f"the same in all: {last.get(name)}", content.get(name))
    weights = {
        name: torch.stack([content["ema"][name].float() for content in contents]).mean(0) for name in last["ema"]
    }
    checkpoint.require_finite(weights)
    return {**last, "ema": weights, "model": dict(weights), "averaged": len(contents)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Average as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__, formatter_class=HelpFormat)
    parser.add_argument("checkpoints", type=Path, nargs="+", help="what export.train.separator saved")
    parser.add_argument("--out", type=Path, required=True, help="file of the new checkpoint")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)

    def work() -> None:
        require_place("--out", options.out)
        checkpoint.save(options.out, mean([checkpoint.load(path) for path in options.checkpoints]))

    return answer(COMMAND, work)


if __name__ == "__main__":
    raise SystemExit(main())
