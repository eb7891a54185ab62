from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

pytest.importorskip("onnx")

from export import parity, to_onnx
from export.linear_graph import BLOCK, linear_graph, quantised
from export.models.bands import BANDS
from export.models.linear import LinearConfig, LinearCore


def opened(core: LinearCore, folder: Path, *, int8: bool) -> ort.InferenceSession:
    to_onnx.write(linear_graph(core, int8=int8), folder / "separator.onnx")
    return parity.open_graph(folder / "separator.onnx")


SIZES = [
    {"width": 192, "inner": 64},
    {"width": 32, "inner": 32, "phase_bins": 10},
    {"width": 224, "inner": 32},
    {"width": 32, "inner": 32, "phase_bins": 0},
]


@pytest.fixture(params=SIZES)
def core(request: pytest.FixtureRequest) -> LinearCore:
    """State rows as wide as the core, wider, and filled up; phases heard of all low bins, of some, of none."""
    torch.manual_seed(1)
    return LinearCore(LinearConfig(blocks=2, **request.param))


def test_float_weights_compute_what_torch_computes(core: LinearCore, tmp_path: Path) -> None:
    parity.check(core, opened(core, tmp_path, int8=False), hops=20)


def test_int8_weights_come_close(core: LinearCore, tmp_path: Path) -> None:
    feeds = parity.example(core, 3, 20)
    exact, near = parity.by_torch(core, feeds), parity.by_graph(opened(core, tmp_path, int8=True), feeds)
    assert np.abs(exact["mask"] - near["mask"]).max() < 0.05


def test_int8_rows_do_not_know_their_neighbours_nor_how_hops_are_dealt(core: LinearCore, tmp_path: Path) -> None:
    """Inputs are rounded to 8 bits a block of a row: a last bit that depends on the batch would be a step there."""
    session = opened(core, tmp_path, int8=True)
    feeds = parity.example(core, 16, 12)
    together = parity.by_graph(session, feeds)
    for rows in (slice(0, 1), slice(3, 8), slice(0, 15)):
        alone = parity.by_graph_in_steps(session, {name: value[rows] for name, value in feeds.items()})
        for name, value in alone.items():
            np.testing.assert_allclose(value, together[name][rows], atol=1e-5, err_msg=name)


def test_branches_share_the_weights(core: LinearCore) -> None:
    parameters = sum(parameter.numel() for parameter in core.parameters())
    repeated = (480 - BANDS) * (core.config.width + 1)  # the rows of wide bands, see `_heads`
    assert linear_graph(core).ByteSize() < 4 * (parameters + repeated) + 60_000


def test_quantising_keeps_each_weight_within_half_a_step() -> None:
    weight = np.random.default_rng(0).standard_normal((5, 70)).astype(np.float32)
    steps, scales = quantised(weight)
    assert steps.shape == (5, 2, BLOCK)
    assert scales.shape == (5, 2)
    back = ((steps.astype(np.float32) - 128) * scales[..., None]).reshape(5, -1)[:, :70]
    assert (np.abs(back - weight) <= np.repeat(scales, BLOCK, 1)[:, :70] * 0.501).all()
