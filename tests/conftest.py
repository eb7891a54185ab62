"""What holds for all tests: nothing is skipped without a word, and nothing of the machine leaks in."""

from __future__ import annotations

import importlib.util
import os

import pytest
from hypothesis import settings

# The same examples every time, however long a busy machine takes for one.
settings.register_profile("the same", deadline=None, derandomize=True)
settings.load_profile("the same")

HAS_TORCH = importlib.util.find_spec("torch") is not None

# Definitions of models and their training import torch at the top; without it their tests cannot even be read.
collect_ignore = [] if HAS_TORCH else ["export"]


def pytest_report_header() -> str | None:
    """Say at the top what is left out, since ignored files leave no trace in the summary."""
    return None if HAS_TORCH else "torch is not installed: tests/export is left out (make test TORCH=1 runs it)"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own `WINNOW_*` variables do not reach the tests."""
    for name in [name for name in os.environ if name.startswith("WINNOW_")]:
        monkeypatch.delenv(name)
