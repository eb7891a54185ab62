"""The picture is a whole PNG of the right size, also for silence."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streaming.demo_picture import draw_spectrograms
from tests.streaming.media_files import tone

pytest.importorskip("matplotlib")


def test_three_rows_become_a_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    rows = [
        ("Input", "all", tone(24000)),
        ("Target", "some", tone(24000, 2)),
        ("Residual", "", np.zeros((1, 24000), "f")),
    ]
    draw_spectrograms(path, 48000, rows, "title")
    with av.open(str(path), "r") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape[1] == 1560
    assert picture.std() > 10  # there is something on it
    assert list(tmp_path.iterdir()) == [path]
