"""The tiny checkpoint as folders, the parts made of it, and the frozen bundle that was exported from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.sam_audio.graphs import Graph
from export.sam_audio.sources import Source
from tests.export.tiny_sam_audio import DATA, write_checkpoint, write_t5

FROZEN = DATA / "bundle"


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `sam-audio-tiny` and, beside it, `t5-base`."""
    for package in ("safetensors", "transformers"):
        pytest.importorskip(package, reason=f"{package} (extra sam-audio) is not installed")
    place = tmp_path_factory.mktemp("checkpoints")
    write_checkpoint(place / "sam-audio-tiny")
    write_t5(place / "t5-base")
    return place


@pytest.fixture(scope="session")
def source(folders: Path) -> Source:
    """Both, opened."""
    return Source.open(folders / "sam-audio-tiny", None)


def graphs_of(source: Source) -> dict[str, Graph]:
    """Every graph by its name."""
    stages = source.stages(watermark=True, vision=True, spans=None, judge=None)
    return {graph.name: graph for stage in stages for graph in stage.open()}


@pytest.fixture(scope="session")
def made(source: Source) -> dict[str, Graph]:
    """Every graph, for tests that change none."""
    return graphs_of(source)


@pytest.fixture
def fresh(source: Source) -> dict[str, Graph]:
    """Every graph, for a test that narrows one."""
    return graphs_of(source)
