"""The scene's builder: what is computed is the same each time, and stems keep their length."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from streaming.demo_scene import build
from tests.streaming.media_files import read_all


def test_computed_sounds_are_the_same_each_time() -> None:
    once, again = (build.rain(np.random.default_rng(build.SEED)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.shape == build.siren().shape == (build.COUNT,)
    assert np.all(np.isfinite(once))


def test_a_stem_keeps_its_length_in_opus(tmp_path: Path) -> None:
    build.write_opus(tmp_path / "a.opus", 0.1 * build.siren())
    assert read_all(tmp_path / "a.opus").shape == (1, build.COUNT)


def test_without_a_voice_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(SystemExit, match="flite"):
        build.voice()
