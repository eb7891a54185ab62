"""Small tools of the procedural sounds: time, tones, gates, slow random curves, shaped noise, strikes, rooms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Rng

CLIP_S = 5.0
NYQUIST_HZ = SAMPLE_RATE / 2
EDGE_S = 0.003


def time_axis(seconds: float = CLIP_S) -> Float64:
    """`[n]` seconds since the start."""
    return np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def phase_of(frequency_hz: Float64) -> Float64:
    """The phase in radians of a tone whose frequency is given per sample."""
    return np.asarray(2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE)


def oscillate(frequency_hz: Float64, weights: npt.ArrayLike = (1.0,)) -> Float64:
    """A tone of the frequency given per sample; `weights` of its harmonics 1, 2, …, those above 20 kHz left out."""
    phase = phase_of(frequency_hz)
    out = np.zeros_like(phase)
    top = float(frequency_hz.max(initial=1.0))
    # sin kx = 2 cos x · sin (k−1)x − sin (k−2)x: one sine and one cosine for all harmonics
    twice, before, now = 2 * np.cos(phase), np.zeros_like(phase), np.sin(phase)
    for number, weight in enumerate(np.asarray(weights, np.float64), 1):
        if number * top >= 20_000:
            break
        out += weight * now
        before, now = now, twice * now - before
    return out


def random_weights(rng: Rng, most: int = 12) -> Float64:
    """Weights of harmonics for `oscillate`: near-sine to bright, odd harmonics alone at times, none exactly regular."""
    count = int(rng.integers(1, most + 1))
    numbers = np.arange(1, count + 1)
    weights = rng.uniform(0.4, 1.2, count) / numbers ** rng.uniform(0.3, 2.0)
    if rng.random() < 0.3:
        weights[1::2] *= rng.uniform(0, 0.2)
    return np.asarray(weights)


def pulses(t: Float64, rate_hz: float, duty: float, group: int = 0, rest: int | None = None) -> Float64:
    """A gate of 0 and 1 with 3 ms edges; `group` pulses, then as long a rest (or one of `rest` pulses)."""
    beat = t * rate_hz
    gate = ((beat % 1.0) < duty).astype(np.float64)
    if group:
        gate *= (beat % (group + (group if rest is None else rest))) < group
    return soft_edges(gate)


def soft_edges(gate: Float64, edge_s: float = EDGE_S) -> Float64:
    """The gate averaged over `edge_s`, so that its switching does not click; as long as it was."""
    width = max(1, int(edge_s * SAMPLE_RATE))
    summed = np.cumsum(np.concatenate([np.zeros(width), gate]))
    return np.asarray((summed[width:] - summed[:-width]) / width)


def smooth_curve(rng: Rng, n: int, rate_hz: float, low: float = 0.0, high: float = 1.0) -> Float64:
    """`[n]` random values in [low, high] that wander smoothly, about `rate_hz` turns a second."""
    points = max(4, int(np.ceil(n / SAMPLE_RATE * rate_hz)) + 3)
    at = np.linspace(0, points - 1.001, max(8, points * 16))
    whole, part = at.astype(int), at % 1.0
    values = rng.uniform(low, high, points)
    ease = 0.5 - 0.5 * np.cos(np.pi * part)
    coarse = values[whole] * (1 - ease) + values[np.minimum(whole + 1, points - 1)] * ease
    return np.interp(np.linspace(0, len(coarse) - 1, n), np.arange(len(coarse)), coarse)


def band_noise(rng: Rng, n: int, low_hz: float, high_hz: float, order: int = 2) -> Float64:
    """`[n]` samples of Gaussian noise between two frequencies, of RMS 1."""
    high_hz = min(high_hz, 0.95 * NYQUIST_HZ)
    sos = signal.butter(order, [min(low_hz, 0.9 * high_hz), high_hz], "bandpass", fs=SAMPLE_RATE, output="sos")
    return unit_rms(np.asarray(signal.sosfilt(sos, rng.standard_normal(n))))


def resonate(x: Float64, frequency_hz: float, q: float) -> Float64:
    """`x` through one resonance: gain 1 at its frequency."""
    b, a = signal.iirpeak(min(frequency_hz, 0.9 * NYQUIST_HZ), q, fs=SAMPLE_RATE)
    return np.asarray(signal.lfilter(b, a, x))


def strike(rng: Rng, frequency_hz: Float64, decay_s: Float64, weights: Float64, seconds: float) -> Float64:
    """Decaying partials of random phase: what a body that was struck sounds; `decay_s` is the time to 1/e."""
    frequency_hz, decay_s, weights = np.broadcast_arrays(frequency_hz, decay_s, weights)
    heard = (frequency_hz > 20) & (frequency_hz < 20_000)
    pole = (2j * np.pi * frequency_hz[heard] - 1 / decay_s[heard]) / SAMPLE_RATE
    start = weights[heard] * np.exp(2j * np.pi * rng.random(len(pole)))
    # exp(pole · (block · k + i)) is a product: partials × blocks by partials × samples, summed by one matrix product
    n, block = int(seconds * SAMPLE_RATE), 512
    coarse = start[:, None] * np.exp(pole[:, None] * block * np.arange(-(-n // block)))
    fine = np.exp(pole[:, None] * np.arange(block))
    out = (coarse.real.T @ fine.real - coarse.imag.T @ fine.imag).reshape(-1)[:n]
    rise = min(n, int(0.0004 * SAMPLE_RATE))
    out[:rise] *= np.linspace(0, 1, rise)  # a random phase would start with a step
    return out


def burst(rng: Rng, low_hz: float, high_hz: float, decay_s: float) -> Float64:
    """A short noise that dies away: the knock at the head of a strike, or a click."""
    n = max(64, int(7 * decay_s * SAMPLE_RATE))
    return band_noise(rng, n, low_hz, high_hz, order=1) * np.exp(-np.arange(n) / SAMPLE_RATE / decay_s)


@dataclass(frozen=True, slots=True)
class Body:
    """Something that is struck again and again: its modes, and the noise that heads each stroke."""

    frequency_hz: Float64
    decay_s: Float64
    weights: Float64
    click_hz: tuple[float, float]
    click_s: float
    click: float

    def hit(self, rng: Rng) -> Float64:
        """One stroke, of peak about 1; never twice the same, since it never falls on the same spot."""
        weights = self.weights * rng.uniform(0.4, 1.2, len(self.weights))
        frequency_hz = self.frequency_hz * (1 + rng.normal(0, 0.002))
        seconds = max(float(self.decay_s.max()) * 7, self.click_s * 7)
        out = unit_peak(strike(rng, frequency_hz, self.decay_s, weights, min(CLIP_S, seconds)))
        low_hz, high_hz = self.click_hz
        place(out, unit_peak(burst(rng, low_hz, high_hz * rng.uniform(0.7, 1.2), self.click_s)), 0.0, self.click)
        return out


def drawn_body(
    rng: Rng,
    modes: int,
    hz: tuple[float, float],
    decay_s: tuple[float, float],
    click_hz: tuple[float, float] = (500, 8000),
    click_s: float = 0.003,
    click: tuple[float, float] = (0.1, 1.0),
) -> Body:
    """A body whose modes lie anywhere in `hz`, the high ones weaker and sooner gone."""
    frequency_hz = np.sort(np.exp(rng.uniform(np.log(hz[0]), np.log(hz[1]), modes)))
    above = frequency_hz / frequency_hz[0]
    decays = rng.uniform(*decay_s) * rng.uniform(0.6, 1.2, modes) / above ** rng.uniform(0.2, 0.8)
    weights = rng.uniform(0.2, 1.0, modes) / above ** rng.uniform(0.0, 0.7)
    return Body(frequency_hz, decays, weights, click_hz, click_s * rng.uniform(0.5, 2), rng.uniform(*click))


def falling_noise(rng: Rng, seconds: float, bands: Iterable[tuple[float, float, float, float]]) -> Float64:
    """Noise in bands of (low Hz, high Hz, time to 1/e in s, level), each dying away on its own."""
    out = np.zeros(int(seconds * SAMPLE_RATE))
    for low_hz, high_hz, decay_s, level in bands:
        n = min(len(out), int(8 * decay_s * SAMPLE_RATE) + 256)
        out[:n] += level * band_noise(rng, n, low_hz, high_hz, 1) * np.exp(-np.arange(n) / SAMPLE_RATE / decay_s)
    return out


def place(out: Float64, x: Float64, at_s: float, gain: float = 1.0) -> None:
    """Add `x` to `out` at a time, cut off where `out` ends."""
    begin = max(0, int(at_s * SAMPLE_RATE))
    part = x[: max(0, len(out) - begin)]
    out[begin : begin + len(part)] += gain * part


def room(rng: Rng, x: Float64, wet: float | None = None, decay_s: float | None = None) -> Float64:
    """`x` with a few reflections and a darkening tail, as long as it was."""
    decay_s = rng.uniform(0.03, 0.35) if decay_s is None else decay_s
    wet = rng.uniform(0.05, 0.6) if wet is None else wet
    n = int(min(1.5, 5 * decay_s) * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    tail = rng.standard_normal(n) * np.exp(-t / decay_s)
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


def unit_rms(x: Float64) -> Float64:
    """`x` at an RMS of 1."""
    return np.asarray(x / (np.sqrt(np.mean(np.square(x))) + 1e-12))


def unit_peak(x: Float64) -> Float64:
    """`x` with a peak of 1."""
    return np.asarray(x / (np.abs(x).max(initial=0.0) + 1e-12))
