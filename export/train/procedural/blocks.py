"""What motors, weather and voices are built of: coloured noise, wandering curves, resonances, tones, scattering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal

from export.train.corpus import SAMPLE_RATE

Float64 = npt.NDArray[np.float64]
Rng = np.random.Generator
CLIP_S = 5.0
TABLE = 8192
FRAME, HOP = 1024, 512


def samples(seconds: float) -> int:
    """Samples in `seconds`, at most a clip, in steps of 10 ms: transforms of such lengths are fast."""
    return max(1, round(min(seconds, CLIP_S) * 100)) * (SAMPLE_RATE // 100)


def clock(n: int) -> Float64:
    """Seconds of each of n samples."""
    return np.arange(n) / SAMPLE_RATE


def curve(rng: Rng, n: int, per_s: float, low: float, high: float) -> Float64:
    """A line that wanders between two bounds, with about `per_s` turns a second."""
    points = max(2, int(n / SAMPLE_RATE * per_s) + 2)
    return np.interp(np.linspace(0, points - 1, n), np.arange(points), rng.uniform(low, high, points))


def even(x: Float64) -> Float64:
    """The same sound at RMS 1; silence stays."""
    return x / (np.sqrt(np.mean(np.square(x))) + 1e-12)


def soften(x: Float64, seconds: float) -> Float64:
    """A low-pass of one pole: what follows a control with that time constant."""
    a = 1 - np.exp(-1 / (seconds * SAMPLE_RATE))
    return np.asarray(signal.lfilter([a], [1, a - 1], x))


def _colour(frequency_hz: Float64, slope_db: float, low_hz: float, high_hz: float) -> Float64:
    f = np.maximum(frequency_hz, 5.0)
    edges = np.sqrt((1 + (low_hz / f) ** 4) * (1 + (f / high_hz) ** 4))
    return np.asarray(10 ** (slope_db / 20 * np.log2(f / 1000)) / edges)


def coloured(rng: Rng, n: int, slope_db: float = 0.0, low_hz: float = 20.0, high_hz: float = 18_000.0) -> Float64:
    """Noise of RMS 1 with a slope per octave between two edges of 12 dB per octave."""
    f: Float64 = np.fft.rfftfreq(n, 1 / SAMPLE_RATE).astype(np.float64)
    spectrum = rng.standard_normal(2 * len(f)).view(np.complex128) * _colour(f, slope_db, low_hz, high_hz)
    return even(np.fft.irfft(spectrum, n=n))


def recolour(x: Float64, slope_db: float, low_hz: float, high_hz: float) -> Float64:
    """A sound through a slope and two edges."""
    f: Float64 = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE).astype(np.float64)
    return np.asarray(np.fft.irfft(np.fft.rfft(x) * _colour(f, slope_db, low_hz, high_hz), n=len(x)))


def resonate(
    x: Float64, centres_hz: Sequence[float], widths_hz: Sequence[float], gains: Sequence[float], dry: float = 0.0
) -> Float64:
    """A sound through parallel resonances of one mass and spring each, which ring after and not before."""
    f = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
    response = np.full(len(f), dry, np.complex128)
    for centre, width, gain in zip(centres_hz, widths_hz, gains, strict=True):
        response += gain * 1j * f * width / (centre**2 - f**2 + 1j * f * width)
    return np.asarray(np.fft.irfft(np.fft.rfft(x) * response, n=len(x)))


def harmonics(rng: Rng, slope: float, highest_hz: float, unevenness: float = 0.0, top_hz: float = 16_000.0) -> Float64:
    """Weights k^-slope of a tone's partials, none above `top_hz` where the tone is at its highest."""
    count = int(np.clip(top_hz / highest_hz, 1, 160))
    weights = np.arange(1, count + 1, dtype=float) ** -slope
    return np.asarray(weights * np.exp(unevenness * rng.standard_normal(count)))


def tone(frequency_hz: Float64, weights: Float64, start: float = 0.0) -> Float64:
    """A tone of the frequency given per sample, read from a table of its partials."""
    spectrum = np.zeros(TABLE // 2 + 1, np.complex128)
    # a quadratic phase spreads a period's energy as the vocal folds do less sharply than a click
    spectrum[1 : len(weights) + 1] = weights * np.exp(1j * 0.02 * np.arange(1, len(weights) + 1) ** 2)
    table = np.fft.irfft(spectrum) * TABLE / 2
    cycles = start + np.cumsum(frequency_hz) / SAMPLE_RATE
    return np.asarray(table[(cycles * TABLE).astype(np.int64) % TABLE])


def ticks(rate_hz: Float64, rng: Rng, jitter: float = 0.0) -> npt.NDArray[np.int64]:
    """Samples at which a process of the rate given per sample fires; jitter in periods."""
    cycles = np.cumsum(rate_hz) / SAMPLE_RATE + rng.uniform()
    at = np.flatnonzero(np.diff(np.floor(cycles)) > 0)
    spread = jitter * SAMPLE_RATE / np.maximum(rate_hz[at], 0.1)
    return np.asarray(np.clip(at + spread * rng.standard_normal(len(at)), 0, len(rate_hz) - 1), np.int64)


def impulses(n: int, at: npt.NDArray[np.int64], gains: Float64) -> Float64:
    """Single samples of the gains given."""
    return np.bincount(at, gains, minlength=n)[:n].astype(float)


def scatter(n: int, at: npt.NDArray[np.int64], pieces: Sequence[Float64], gains: Float64, rng: Rng) -> Float64:
    """Pieces laid down at the samples given, each chosen at random."""
    out = np.zeros(n + max(len(piece) for piece in pieces))
    for start, gain, which in zip(at, gains, rng.integers(len(pieces), size=len(at)), strict=True):
        piece = pieces[which]
        out[start : start + len(piece)] += gain * piece
    return out[:n]


def poisson(rng: Rng, n: int, per_s: float) -> npt.NDArray[np.int64]:
    """Random samples, `per_s` a second on average and at least one."""
    return np.sort(rng.integers(0, n, max(1, rng.poisson(per_s * n / SAMPLE_RATE))))


def frames_of(n: int) -> int:
    """Frames that `sculpt` cuts n samples into."""
    return n // HOP + 2


def frame_clock(n: int) -> npt.NDArray[np.int64]:
    """The sample at the middle of each frame of `sculpt`, never beyond the last."""
    return np.minimum(np.arange(frames_of(n)) * HOP, n - 1)


BINS_HZ = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)


def sculpt(x: Float64, gain: Float64) -> Float64:
    """A sound through a filter that moves: `gain` [frames, bins] per frame of 21 ms, half overlapped."""
    window = np.sin(np.pi * (np.arange(FRAME) + 0.5) / FRAME)
    padded = np.concatenate([np.zeros(HOP), x, np.zeros(2 * FRAME)])
    count = frames_of(len(x))
    cut = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[: count * HOP : HOP]
    done = np.fft.irfft(np.fft.rfft(cut * window) * gain, n=FRAME) * window
    out = np.zeros((count + 1, HOP))
    out[:-1] += done[:, :HOP]
    out[1:] += done[:, HOP:]
    return out.reshape(-1)[HOP : HOP + len(x)]


def humps(centres_hz: Float64, widths_hz: Float64, gains: Float64, floor: float = 0.0) -> Float64:
    """Gains [frames, bins] of resonances whose centres [frames, k] move; widths and gains [k] or [frames, k]."""
    out = np.full((len(centres_hz), len(BINS_HZ)), floor)
    widths, amounts = np.broadcast_to(widths_hz, centres_hz.shape), np.broadcast_to(gains, centres_hz.shape)
    for k in range(centres_hz.shape[1]):
        distance = (BINS_HZ[None] - centres_hz[:, k, None]) / (widths[:, k, None] / 2)
        out += amounts[:, k, None] / np.sqrt(1 + distance**2)
    return out


def edges(n: int, rise_s: float, fall_s: float) -> Float64:
    """1 with a rounded rise and fall."""
    t = clock(n)
    rise = np.clip(t / max(rise_s, 1e-3), 0, 1)
    fall = np.clip((n / SAMPLE_RATE - t) / max(fall_s, 1e-3), 0, 1)
    return np.asarray(np.sin(np.pi / 2 * rise) * np.sin(np.pi / 2 * fall))


def echo(x: Float64, rng: Rng, seconds: float, wet: float) -> Float64:
    """A room: the sound and its convolution with noise that dies away by 60 dB in `seconds`."""
    n = len(x)
    tail = rng.standard_normal(n) * np.exp(-6.9 * clock(n) / seconds)
    size = n + min(n, samples(seconds))
    heard = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(tail[: samples(seconds)], size), n=size)[:n]
    return even(x) + wet * even(heard)
