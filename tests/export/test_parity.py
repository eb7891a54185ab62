from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

pytest.importorskip("onnx")

from export import parity, to_onnx
from export.models.queried import QueriedSeparator


@pytest.fixture
def session(model: QueriedSeparator, tmp_path: Path) -> ort.InferenceSession:
    to_onnx.write(to_onnx.separator_graph(model.core), tmp_path / "separator.onnx")
    return parity.open_graph(tmp_path / "separator.onnx")


def test_graph_and_model_agree_and_steps_equal_one_call(model: QueriedSeparator, session: ort.InferenceSession) -> None:
    found = parity.check(model.core, session, hops=40)
    assert set(found) == {"torch_vs_graph", "steps_vs_call"}
    assert max(found.values()) < parity.TOLERANCE


def test_every_row_of_a_batch_is_its_own(model: QueriedSeparator, session: ort.InferenceSession) -> None:
    feeds = parity.example(model.core, 4, 3)
    alone = {name: value[2:3] for name, value in feeds.items()}
    np.testing.assert_allclose(
        parity.by_graph(session, feeds)["mask"][2:3], parity.by_graph(session, alone)["mask"], atol=1e-6
    )


def test_the_hint_reaches_the_mask(model: QueriedSeparator, session: ort.InferenceSession) -> None:
    feeds = parity.example(model.core, 1, 3)
    other = {**feeds, "hint": np.array([[0, 1]], np.float32)}
    assert np.abs(parity.by_graph(session, feeds)["mask"] - parity.by_graph(session, other)["mask"]).max() > 1e-4


def test_a_flat_core_has_its_state_block_by_block(flat_model: QueriedSeparator, tmp_path: Path) -> None:
    to_onnx.write(to_onnx.separator_graph(flat_model.core), tmp_path / "separator.onnx")
    session = parity.open_graph(tmp_path / "separator.onnx")
    assert parity.example(flat_model.core, 3, 2)["state"].shape == (2, 3, 32)
    assert max(parity.check(flat_model.core, session, hops=20).values()) < parity.TOLERANCE


def test_a_rounded_graph_is_checked_for_what_must_hold(model: QueriedSeparator, tmp_path: Path) -> None:
    to_onnx.write(to_onnx.separator_graph(model.core, int8=True), tmp_path / "separator.onnx")
    rounded = parity.open_graph(tmp_path / "separator.onnx")
    found = parity.check_rounded(model.core, rounded, hops=10)
    assert found["torch_vs_graph"] > parity.TOLERANCE > found["steps_vs_call"]
    with torch.no_grad():
        model.core.mask_out.bias.add_(3.0)
    with pytest.raises(parity.ParityError, match="torch_vs_graph"):
        parity.check_rounded(model.core, rounded, hops=3)


def test_a_graph_of_other_weights_is_refused(model: QueriedSeparator, session: ort.InferenceSession) -> None:
    with torch.no_grad():
        model.core.mask_out.bias.add_(0.1)
    with pytest.raises(parity.ParityError, match="torch_vs_graph"):
        parity.check(model.core, session, hops=3)


def test_a_call_takes_time(model: QueriedSeparator, session: ort.InferenceSession) -> None:
    assert 0 < parity.milliseconds(model.core, session, 1, 1, seconds=0.0) < 1000


def test_large_states_are_compared_by_their_own_size() -> None:
    def outputs(gain: float, held: float) -> parity.Arrays:
        one = {name: np.full((1, 4), gain, np.float32) for name in ("mask", "active")}
        return {**one, "state_out": np.full((1, 4), held, np.float32)}

    assert parity._largest_difference(outputs(0.5, 89.0), outputs(0.5, 89.0 + 4e-5)) < parity.TOLERANCE
    assert parity._largest_difference(outputs(0.5, 89.0), outputs(0.5, 89.0 + 4e-3)) > parity.TOLERANCE
    assert parity._largest_difference(outputs(0.5, 89.0), outputs(0.5 + 4e-5, 89.0)) > parity.TOLERANCE
