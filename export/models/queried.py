"""A core and the concept vectors that its queries are sums of: what is trained, kept and exported as one."""

from __future__ import annotations

import json
from dataclasses import fields

import torch
from torch import Tensor, nn

from engine.errors import BadInput
from export.models import phase
from export.models.flat import FlatConfig, FlatCore
from export.models.linear import LinearConfig, LinearCore

Config = FlatConfig | LinearConfig
Core = FlatCore | LinearCore

CONFIGS: dict[str, type[FlatConfig] | type[LinearConfig]] = {"flat": FlatConfig, "linear": LinearConfig}
"""Cores by the name that stands in a checkpoint."""


SIZES = {"bins": (480, 480), "blocks": (1, 64), "free_blocks": (0, 63), "width": (1, 4096), "inner": (1, 4096),
         "hidden": (1, 4096), "query": (1, 4096), "phase_bins": (0, phase.MOST)}  # fmt: skip
"""Smallest and largest that a size may be; the bins are those of the window."""


def config_of(core: str, sizes: object, field: str = "sizes") -> Config:
    """The configuration of a kind of core, `sizes` in place of its defaults.

    Raises:
        BadInput: no such kind, no such size, or one that cannot be; `field` is what the caller called the sizes.
    """
    if core not in CONFIGS:
        raise BadInput("core", f"one of {', '.join(CONFIGS)}", core)
    kind = CONFIGS[core]
    known = [size.name for size in fields(kind)]
    if not isinstance(sizes, dict) or not sizes.keys() <= set(known):
        raise BadInput(field, f"an object with sizes of a {core} core ({', '.join(known)})", sizes)
    for name, value in sizes.items():
        least, most = SIZES[name]
        if type(value) is not int or not least <= value <= most:
            raise BadInput(f"{field}.{name}", f"{least} to {most}" if least < most else str(least), value)
    config = kind(**sizes)
    if isinstance(config, LinearConfig) and config.free_blocks >= config.blocks:
        raise BadInput(f"{field}.free_blocks", f"fewer than the blocks, {config.blocks}", config.free_blocks)
    return config


def as_options(config: Config) -> str:
    """The options that ask for a configuration: `--core linear --sizes '{"width": 256}'`."""
    core = core_name(config)
    others = {size.name: getattr(config, size.name) for size in fields(config)
              if getattr(config, size.name) != size.default}  # fmt: skip
    return f"--core {core}" + (f" --sizes '{json.dumps(others)}'" if others else "")


def core_name(config: Config) -> str:
    """The name under which `CONFIGS` knows the kind of a configuration."""
    return next(name for name, kind in CONFIGS.items() if isinstance(config, kind))


class QueriedSeparator(nn.Module):
    """A core and its concept vectors."""

    def __init__(self, concepts: list[str], config: Config | None = None) -> None:
        super().__init__()
        self.concepts = concepts
        config = config or LinearConfig()
        self.core: Core = FlatCore(config) if isinstance(config, FlatConfig) else LinearCore(config)
        self.vectors = nn.Parameter(torch.randn(len(concepts), config.query))

    @property
    def banded(self) -> bool:
        """Whether `answer` takes and gives bands in place of bins."""
        return isinstance(self.core, LinearCore)

    @property
    def phase_bins(self) -> int:
        """Low bins whose phase is heard."""
        return self.core.config.phase_bins if isinstance(self.core, LinearCore) else 0

    def forward(self, spectrum: Tensor, asked: Tensor, hint: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As the core, with `asked [B, concepts]` (1 for each concept wanted) in place of the query."""
        out: tuple[Tensor, Tensor, Tensor] = self.core(spectrum, asked @ self.vectors, hint, state)
        return out

    def answer(
        self, power: Tensor, advance: Tensor, asked: Tensor, hint: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """K questions of each mixture, for training.

        `power [B, T, F]` (F: 160 bands or 480 bins, see `banded`), `advance [B, T, 2 · phase_bins]`,
        `asked [B · K, concepts]`, `hint [B · K, T, 2]`,
        `state [rows, B · K, width]` → logits `[B · K, T, F]`, `[B · K, T]`, state.
        """
        query = asked @ self.vectors
        if isinstance(self.core, LinearCore):
            logits, active, after = self.core.banded(
                power.transpose(0, 1), advance.transpose(0, 1), query, hint.transpose(0, 1), state
            )
            return logits.transpose(0, 1), active.transpose(0, 1), after
        out: tuple[Tensor, Tensor, Tensor] = self.core.heard(
            power.repeat_interleave(len(asked) // len(power), 0), query, hint, state
        )
        return out

    def initial_state(self, batch: int) -> Tensor:
        """Zeros `[rows, batch, width]`."""
        rows, width = self.core.config.state_shape
        return torch.zeros(rows, batch, width, device=self.vectors.device)
