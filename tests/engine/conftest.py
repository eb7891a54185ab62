"""Bundles that every engine test may use."""

from __future__ import annotations

import pytest

from engine.bundle import Bundle, load_bundle
from engine.runtimes.graphs import Graphs
from tests.engine.flow import open_graphs


@pytest.fixture(scope="session")
def identity() -> Bundle:
    """The identity model: target = input."""
    return load_bundle("identity")


@pytest.fixture(scope="session")
def embedded() -> Bundle:
    """The embedded separator."""
    pytest.importorskip("onnxruntime", reason="the embedded model runs on ONNX Runtime, which is not installed")
    return load_bundle("default", provider="cpu")


@pytest.fixture(scope="session")
def flow_graphs() -> Graphs:
    """The graphs of the tiny SAM Audio bundle, without its watermark: that takes most of the time."""
    return open_graphs("watermark")
