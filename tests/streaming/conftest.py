"""Bundles are opened once for all tests of the server."""

from __future__ import annotations

import pytest

from engine.bundle import Bundle, load_bundle


@pytest.fixture(scope="session")
def identity() -> Bundle:
    """The identity bundle: real program, real lengths, no model."""
    return load_bundle("identity")
