"""The peers as streams: what is there works hop by hop, what is not there is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers_streams
from benchmarks.peers_scores import at_rate, lag_of, run
from benchmarks.peers_streams import NARROW_HZ, WIDE_HZ, Absent, Peer, Vector, dtln, found_peers, gtcrn, hops
from engine.bundle import load_bundle

EVERYBODY = ["Winnow", "DTLN", "GTCRN", "RNNoise", "WebRTC NS", "SpeexDSP", "noisereduce"]


def noise(rate_hz: int, seconds: float = 0.5) -> Vector:
    return (0.1 * np.random.default_rng(4).standard_normal(int(seconds * rate_hz))).astype(np.float32)


def test_everybody_is_named_there_or_not() -> None:
    found = found_peers(load_bundle("identity"), "speech", None)
    assert [peer.name for peer in found] == EVERYBODY
    absent = {peer.name: peer.reason for peer in found if isinstance(peer, Absent)}
    assert "--peers" in absent["DTLN"]
    assert "--peers" in absent["GTCRN"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "dtln").mkdir()
    (tmp_path / "dtln" / "model_1.onnx").write_bytes(b"")
    one, other = dtln(tmp_path), gtcrn(tmp_path)
    assert isinstance(one, Absent)
    assert "dtln/model_2.onnx" in one.reason
    assert "model_1" not in one.reason
    assert isinstance(other, Absent)
    assert "gtcrn/gtcrn_simple.onnx" in other.reason


def test_a_package_that_is_not_installed_is_none() -> None:
    assert peers_streams.optional_module("no_such_package_as_this") is None


def test_hops_fill_up_and_drain() -> None:
    pieces = list(hops(np.ones(10, np.float32), 4, 3))
    assert [len(piece) for piece in pieces] == [4, 4, 4, 4]
    assert np.concatenate(pieces).sum() == 10


def test_our_own_session_is_late_by_one_hop_and_otherwise_transparent() -> None:
    bundle = load_bundle("identity")
    peer = peers_streams.winnow(bundle, "speech")
    samples = noise(WIDE_HZ)
    heard = run(peer, samples).samples
    lag = lag_of([heard], [samples], WIDE_HZ)
    assert lag == bundle.spec.audio.latency - bundle.spec.audio.hop
    assert np.abs(heard[lag : lag + len(samples)] - samples).max() < 1e-6


@pytest.mark.parametrize("name", ["RNNoise", "WebRTC NS", "SpeexDSP", "noisereduce"])
def test_a_package_that_is_there_gives_sound_of_the_same_length(name: str) -> None:
    (peer,) = (peer for peer in found_peers(load_bundle("identity"), "speech", None) if peer.name == name)
    if isinstance(peer, Absent):
        pytest.skip(f"{name}: {peer.reason}")
    heard = run(peer, noise(WIDE_HZ))
    assert np.isfinite(heard.samples).all()
    assert len(heard.samples) >= len(noise(peer.rate_hz))
    again = run(peer, noise(WIDE_HZ))
    assert np.array_equal(again.samples, heard.samples), "a fresh stream remembers the last one"


def write_graph(path: Path, data: list[int], states: list[list[int]], ones: bool = False) -> None:
    """An ONNX file that gives its data (or ones) and its states back, in the order of DTLN's and GTCRN's graphs."""
    onnx = pytest.importorskip("onnx")
    make, real = onnx.helper, onnx.TensorProto.FLOAT
    shapes = [data, *states]
    given = [make.make_tensor_value_info(f"in_{k}", real, shape) for k, shape in enumerate(shapes)]
    made = [make.make_tensor_value_info(f"out_{k}", real, shape) for k, shape in enumerate(shapes)]
    nodes = [make.make_node("Identity", [f"in_{k}"], [f"out_{k}"]) for k in range(len(shapes))]
    if ones:
        zero, one = (make.make_tensor(name, real, [1], [value]) for name, value in (("zero", 0.0), ("one", 1.0)))
        nodes[:1] = [
            make.make_node("Mul", ["in_0", "zero"], ["nothing"]),
            make.make_node("Add", ["nothing", "one"], ["out_0"]),
        ]
        graph = make.make_graph(nodes, "g", given, made, [zero, one])
    else:
        graph = make.make_graph(nodes, "g", given, made)
    path.parent.mkdir(exist_ok=True)
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)


def test_dtln_is_driven_as_its_authors_drive_it(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    write_graph(tmp_path / "dtln" / "model_1.onnx", [1, 1, 257], [[1, 2, 128, 2]], ones=True)
    write_graph(tmp_path / "dtln" / "model_2.onnx", [1, 1, 512], [[1, 2, 128, 2]])
    peer = dtln(tmp_path)
    assert isinstance(peer, Peer)
    samples = noise(WIDE_HZ)
    heard = run(peer, samples).samples
    wanted = at_rate(samples, NARROW_HZ)
    assert lag_of([heard], [wanted], NARROW_HZ) == 384
    # With masks of ones four blocks overlap at each sample; the trained network scales them itself.
    assert np.abs(heard[384 : 384 + len(wanted)] - 4 * wanted).max() < 1e-5


def test_gtcrn_is_driven_by_a_transform_that_gives_back_what_it_took(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    write_graph(tmp_path / "gtcrn" / "gtcrn_simple.onnx", [1, 257, 1, 2], [[2, 1, 16, 16, 33], [2, 3, 1, 1, 16]])
    peer = gtcrn(tmp_path)
    assert isinstance(peer, Peer)
    samples = noise(WIDE_HZ)
    heard = run(peer, samples).samples
    wanted = at_rate(samples, NARROW_HZ)
    assert lag_of([heard], [wanted], NARROW_HZ) == 256
    assert np.abs(heard[256 : 256 + len(wanted)] - wanted).max() < 1e-5
