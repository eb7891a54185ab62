from __future__ import annotations

import numpy as np
import pytest
import torch

from export.sam_audio.graphs import Graph
from export.sam_audio.parity import cases_of, snr_db
from export.sam_audio.precision import Widened, narrow


@pytest.mark.parametrize(("precision", "at_least_db"), [(torch.float16, 50), (torch.bfloat16, 35)])
@pytest.mark.parametrize("name", ["condition", "velocity", "decoder"])
def test_sixteen_bits_stay_near(name: str, precision: torch.dtype, at_least_db: float, fresh: dict[str, Graph]) -> None:
    graph = fresh[name]
    case = cases_of(graph)[0]
    narrow(graph.part, precision)
    with torch.no_grad():
        out = graph.part(*(torch.from_numpy(value) for value in case.feeds.values()))
    for got, wanted in zip(out if isinstance(out, tuple) else (out,), case.wanted, strict=True):
        assert got.dtype == torch.float32
        assert snr_db(np.asarray(got), wanted) > at_least_db


def test_norms_keep_their_width(fresh: dict[str, Graph]) -> None:
    part = fresh["velocity"].part
    narrow(part, torch.float16)
    narrow(part, torch.float16)  # twice: two graphs share a part's weights
    wide = {name for name, weight in part.named_parameters() if weight.dtype == torch.float32}
    assert wide
    assert all("norm" in name for name in wide)
    assert not any(isinstance(module.module, Widened) for module in part.modules() if isinstance(module, Widened))
