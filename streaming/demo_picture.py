"""The demo's picture: spectrograms of input, target and residual under one another, on one scale."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from engine.errors import BadInput
from engine.frames import Samples

_WINDOW, _HOP = 2048, 512
_RANGE_DB = 70.0
_INK, _PAPER, _FAINT = "#e8e6e3", "#14151a", "#8b8d98"
_TICKS_HZ = (100, 300, 1000, 3000, 10_000)


def draw_spectrograms(path: Path, rate: int, rows: Sequence[tuple[str, str, Samples]], title: str) -> None:
    """Write a PNG.

    Args:
        path: where to; replaced whole.
        rate: Hz.
        rows: heading, remark, sound `(channels, n)`; from top to bottom.
        title: over all of it.

    Raises:
        BadInput: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
    except ImportError as error:
        raise BadInput("matplotlib", "the package, to draw the picture", str(error)) from error
    with mpl.rc_context({"text.color": _INK, "axes.labelcolor": _FAINT, "xtick.color": _FAINT, "ytick.color": _FAINT}):
        figure = Figure(figsize=(13, 3.1 * len(rows) + 1.0), dpi=120, facecolor=_PAPER, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=16, fontweight="bold", x=0.012, ha="left")
        axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        pictures = [_decibels(samples, rate) for _, _, samples in rows]
        loudest = max(levels.max() for _, _, levels in pictures)
        for axis, (heading, remark, _), (times, frequencies, levels) in zip(axes, rows, pictures, strict=True):
            image = axis.pcolormesh(
                times, frequencies, levels - loudest, cmap="magma", vmin=-_RANGE_DB, vmax=0.0, shading="nearest",
                rasterized=True,
            )  # fmt: skip
            axis.set_yscale("log")
            axis.set_ylim(80, 16_000)
            axis.yaxis.set_major_locator(FixedLocator(_TICKS_HZ))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter(FuncFormatter(_hertz))
            axis.set_facecolor(_PAPER)
            axis.set_title(heading, loc="left", fontsize=13, fontweight="bold", color=_INK)
            axis.set_title(remark, loc="right", fontsize=11, color=_FAINT)
            for side in axis.spines.values():
                side.set_visible(False)
        axes[-1].set_xlabel("seconds")
        bar = figure.colorbar(image, ax=list(axes), pad=0.01, aspect=50)
        bar.set_label("level, dB (0: the loudest)", color=_FAINT)
        bar.outline.set_visible(False)
        part = path.with_name(f".{path.name}.part")
        try:
            figure.savefig(part, format="png")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def _decibels(samples: Samples, rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    transform = ShortTimeFFT(hann(_WINDOW, sym=False), _HOP, rate, scale_to="magnitude")
    mono = samples.mean(axis=0)
    power = transform.spectrogram(mono)
    inside = slice(1, None)  # 0 Hz has no place on a logarithmic axis
    levels = 10.0 * np.log10(power[inside] + 1e-14)
    return transform.t(mono.size), transform.f[inside], levels


def _hertz(value: float, _position: object) -> str:
    return f"{value / 1000:g} kHz" if value >= 1000 else f"{value:g} Hz"
