"""Tools for any sound: time, levels, curves, gates, moments and what is laid down at them, filters, rooms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Rng

CLIP_S = 5.0
CLIP_SAMPLES = int(CLIP_S * SAMPLE_RATE)
PEAK = 16_000
"""Of a clip in 16 bits: 6 dB below what they hold."""
NYQUIST_HZ = SAMPLE_RATE / 2
FRAME, HOP = 1024, 512
BINS_HZ = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)


def clip_of(samples: Float64) -> npt.NDArray[np.int16]:
    """Samples of any scale as a clip of 16 bits."""
    return np.asarray(samples / (np.abs(samples).max() + 1e-9) * PEAK, np.int16)


def sample_count(seconds: float) -> int:
    """Samples in `seconds`, at most a clip, in steps of 10 ms: transforms of such lengths are fast."""
    return max(1, round(min(seconds, CLIP_S) * 100)) * (SAMPLE_RATE // 100)


def seconds_of(n: int) -> Float64:
    """Seconds since the start of each of n samples."""
    return np.arange(n) / SAMPLE_RATE


def time_axis(seconds: float = CLIP_S) -> Float64:
    """`seconds_of` all samples in `seconds`, to the sample."""
    return seconds_of(int(seconds * SAMPLE_RATE))


def unit_rms(x: Float64) -> Float64:
    """`x` at an RMS of 1; silence stays."""
    return np.asarray(x / (np.sqrt(np.mean(np.square(x))) + 1e-12))


def unit_peak(x: Float64) -> Float64:
    """`x` with a peak of 1; silence stays."""
    return np.asarray(x / (np.abs(x).max(initial=0.0) + 1e-12))


def zigzag(rng: Rng, n: int, rate_hz: float, low: float, high: float) -> Float64:
    """`[n]` values on straight lines between random points in [low, high], about `rate_hz` points a second."""
    points = max(2, int(n / SAMPLE_RATE * rate_hz) + 2)
    return np.interp(np.linspace(0, points - 1, n), np.arange(points), rng.uniform(low, high, points))


def smooth_curve(rng: Rng, n: int, rate_hz: float, low: float = 0.0, high: float = 1.0) -> Float64:
    """`[n]` values that turn smoothly at random points in [low, high], about `rate_hz` turns a second."""
    points = max(4, int(np.ceil(n / SAMPLE_RATE * rate_hz)) + 3)
    at = np.linspace(0, points - 1.001, max(8, points * 16))
    whole, part = at.astype(int), at % 1.0
    values = rng.uniform(low, high, points)
    ease = 0.5 - 0.5 * np.cos(np.pi * part)
    coarse = values[whole] * (1 - ease) + values[np.minimum(whole + 1, points - 1)] * ease
    return np.interp(np.linspace(0, len(coarse) - 1, n), np.arange(len(coarse)), coarse)


def fades(n: int, rise_s: float, fall_s: float) -> Float64:
    """1 with a rounded rise at the start and a rounded fall at the end."""
    t = seconds_of(n)
    rise = np.clip(t / max(rise_s, 1e-3), 0, 1)
    fall = np.clip((n / SAMPLE_RATE - t) / max(fall_s, 1e-3), 0, 1)
    return np.asarray(np.sin(np.pi / 2 * rise) * np.sin(np.pi / 2 * fall))


def soft_edges(gate: Float64, edge_s: float = 0.003) -> Float64:
    """The gate averaged over `edge_s`, so that its switching does not click; as long as it was."""
    width = max(1, int(edge_s * SAMPLE_RATE))
    summed = np.cumsum(np.concatenate([np.zeros(width), gate]))
    return np.asarray((summed[width:] - summed[:-width]) / width)


def pulse_gate(t: Float64, rate_hz: float, duty: float, group: int = 0, rest: int | None = None) -> Float64:
    """A gate of 0 and 1 with 3 ms edges; `group` pulses, then as long a rest (or one of `rest` pulses)."""
    beat = t * rate_hz
    gate = ((beat % 1.0) < duty).astype(np.float64)
    if group:
        gate *= (beat % (group + (group if rest is None else rest))) < group
    return soft_edges(gate)


def regular_moments(rate_hz: Float64, rng: Rng, jitter: float = 0.0) -> npt.NDArray[np.int64]:
    """Samples at which a process of the rate given per sample fires; jitter in periods."""
    cycles = np.cumsum(rate_hz) / SAMPLE_RATE + rng.uniform()
    at = np.flatnonzero(np.diff(np.floor(cycles)) > 0)
    spread = jitter * SAMPLE_RATE / np.maximum(rate_hz[at], 0.1)
    return np.asarray(np.clip(at + spread * rng.standard_normal(len(at)), 0, len(rate_hz) - 1), np.int64)


def random_moments(rng: Rng, n: int, per_s: float) -> npt.NDArray[np.int64]:
    """Samples drawn at random in order, `per_s` a second on average and at least one."""
    return np.sort(rng.integers(0, n, max(1, rng.poisson(per_s * n / SAMPLE_RATE))))


def impulses(n: int, at: npt.NDArray[np.int64], gains: Float64) -> Float64:
    """Silence but for the samples `at`, which have the gains given."""
    return np.bincount(at, gains, minlength=n)[:n].astype(float)


def scatter(n: int, at: npt.NDArray[np.int64], pieces: Sequence[Float64], gains: Float64, rng: Rng) -> Float64:
    """Pieces laid down at the samples given, each chosen at random."""
    out = np.zeros(n + max(len(piece) for piece in pieces))
    for start, gain, which in zip(at, gains, rng.integers(len(pieces), size=len(at)), strict=True):
        piece = pieces[which]
        out[start : start + len(piece)] += gain * piece
    return out[:n]


def place(out: Float64, x: Float64, at_s: float, gain: float = 1.0) -> None:
    """Add `x` to `out` at a time, cut off where `out` ends."""
    begin = max(0, int(at_s * SAMPLE_RATE))
    part = x[: max(0, len(out) - begin)]
    out[begin : begin + len(part)] += gain * part


def one_pole(x: Float64, seconds: float) -> Float64:
    """A low-pass of one pole: what follows a control with that time constant."""
    a = 1 - np.exp(-1 / (seconds * SAMPLE_RATE))
    return np.asarray(signal.lfilter([a], [1, a - 1], x))


def colour_gain(frequency_hz: Float64, slope_db: float, low_hz: float, high_hz: float) -> Float64:
    """Gain per frequency: a slope per octave between two edges of 12 dB per octave, 1 at 1 kHz between them."""
    f = np.maximum(frequency_hz, 5.0)
    edges = np.sqrt((1 + (low_hz / f) ** 4) * (1 + (f / high_hz) ** 4))
    return np.asarray(10 ** (slope_db / 20 * np.log2(f / 1000)) / edges)


def recolour(x: Float64, slope_db: float, low_hz: float, high_hz: float) -> Float64:
    """A sound through a slope and two edges, as `colour_gain` has them."""
    f: Float64 = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE).astype(np.float64)
    return np.asarray(np.fft.irfft(np.fft.rfft(x) * colour_gain(f, slope_db, low_hz, high_hz), n=len(x)))


def peak_filter(x: Float64, frequency_hz: float, q: float) -> Float64:
    """A sound through one peak of gain 1, as narrow as `q` says; a recursive filter."""
    b, a = signal.iirpeak(min(frequency_hz, 0.9 * NYQUIST_HZ), q, fs=SAMPLE_RATE)
    return np.asarray(signal.lfilter(b, a, x))


def resonances(
    x: Float64, centres_hz: Sequence[float], widths_hz: Sequence[float], gains: Sequence[float], dry: float = 0.0
) -> Float64:
    """A sound through parallel resonances of one mass and spring each, which ring after and not before."""
    f = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
    response = np.full(len(f), dry, np.complex128)
    for centre, width, gain in zip(centres_hz, widths_hz, gains, strict=True):
        response += gain * 1j * f * width / (centre**2 - f**2 + 1j * f * width)
    return np.asarray(np.fft.irfft(np.fft.rfft(x) * response, n=len(x)))


def frames_of(n: int) -> int:
    """Frames that `sculpt` cuts n samples into."""
    return n // HOP + 2


def frame_middles(n: int) -> npt.NDArray[np.int64]:
    """The sample at the middle of each frame of `sculpt`, never beyond the last."""
    return np.minimum(np.arange(frames_of(n)) * HOP, n - 1)


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
    """For `sculpt`: gains [frames, bins] of resonances whose centres [frames, k] move; widths and gains [k] or
    [frames, k]."""
    out = np.full((len(centres_hz), len(BINS_HZ)), floor)
    widths, amounts = np.broadcast_to(widths_hz, centres_hz.shape), np.broadcast_to(gains, centres_hz.shape)
    for k in range(centres_hz.shape[1]):
        distance = (BINS_HZ[None] - centres_hz[:, k, None]) / (widths[:, k, None] / 2)
        out += amounts[:, k, None] / np.sqrt(1 + distance**2)
    return out


def room(rng: Rng, x: Float64, wet: float | None = None, decay_s: float | None = None) -> Float64:
    """`x` with a few reflections and a tail that is dull and dies to 1/e in `decay_s`, as long as it was."""
    decay_s = rng.uniform(0.03, 0.35) if decay_s is None else decay_s
    wet = rng.uniform(0.05, 0.6) if wet is None else wet
    n = int(min(1.5, 5 * decay_s) * SAMPLE_RATE)
    tail = rng.standard_normal(n) * np.exp(-seconds_of(n) / decay_s)
    b, a = signal.butter(1, rng.uniform(1500, 8000), fs=SAMPLE_RATE)
    tail = np.asarray(signal.lfilter(b, a, tail))
    for delay_s in rng.uniform(0.002, 0.03, 4):
        tail[min(n - 1, int(delay_s * SAMPLE_RATE))] += rng.uniform(1, 4) * np.std(tail[:2000])
    tail *= wet / (np.sqrt(np.sum(np.square(tail))) + 1e-9)
    tail[0] += 1.0
    return np.asarray(signal.oaconvolve(x, tail)[: len(x)])


def perhaps_room(rng: Rng, x: Float64, chance: float = 0.6) -> Float64:
    """`x` in a room at `chance`, else as it is."""
    return room(rng, x) if rng.random() < chance else x


def reverb(rng: Rng, x: Float64, seconds: float, wet: float) -> Float64:
    """`x` at RMS 1 and `wet` of a white tail that dies away by 60 dB in `seconds`, as long as it was."""
    n = len(x)
    tail = rng.standard_normal(n) * np.exp(-6.9 * seconds_of(n) / seconds)
    size = n + min(n, sample_count(seconds))
    heard = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(tail[: sample_count(seconds)], size), n=size)[:n]
    return unit_rms(x) + wet * unit_rms(heard)
