from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from export.sam_audio import onnx_file, parity
from export.sam_audio.graphs import Graph, Sizes

pytest.importorskip("onnxscript", reason="onnxscript (extra sam-audio) is not installed")


def doubling() -> Graph:
    """`x [B, 4]` → `y`, a Linear."""

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {"x": torch.randn((n.batch, 4), generator=generator)}

    return Graph("doubling", nn.Linear(4, 300).eval().requires_grad_(False), {"x": {0: "B"}}, ("y",), example)


@pytest.mark.parametrize(("limit", "files"), [(10**9, 1), (0, 2)])
def test_weights_beyond_the_limit_lie_beside(
    limit: int, files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "ONE_FILE_BYTES", limit)
    graph = doubling()
    written = onnx_file.write_graph(graph, tmp_path)
    assert len(written) == files
    assert all((tmp_path / name).is_file() for name in written)
    assert parity.check(graph, tmp_path / graph.file, parity.cases_of(graph), torch.float32)
    nodes = onnx.load(tmp_path / graph.file, load_external_data=False).graph.node
    assert not any(node.metadata_props for node in nodes)
