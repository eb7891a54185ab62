"""Bundles that every engine test may use."""

from __future__ import annotations

import pytest

from engine.bundle import Bundle, load_bundle


@pytest.fixture(scope="session")
def identity() -> Bundle:
    """The identity model: target = input."""
    return load_bundle("identity")


@pytest.fixture(scope="session")
def embedded() -> Bundle:
    """The embedded separator."""
    pytest.importorskip("onnxruntime", reason="the embedded model runs on ONNX Runtime, which is not installed")
    return load_bundle("default", provider="cpu")
