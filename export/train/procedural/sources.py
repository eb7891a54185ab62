"""What sounds by itself: tones, noise, and bodies that are struck."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Rng
from export.train.procedural.signals import CLIP_S, NYQUIST_HZ, colour_gain, place, seconds_of, unit_peak, unit_rms

TABLE = 8192
HIGHEST_HZ = 20_000.0
"""What lies above is not made: nobody hears it."""


def phase_of(frequency_hz: Float64) -> Float64:
    """The phase in radians of a tone whose frequency is given per sample."""
    return np.asarray(2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE)


def oscillate(frequency_hz: Float64, weights: npt.ArrayLike = (1.0,)) -> Float64:
    """Sines of the frequency given per sample and its multiples, of these `weights`; those above 20 kHz left out."""
    phase = phase_of(frequency_hz)
    out = np.zeros_like(phase)
    top = float(frequency_hz.max(initial=1.0))
    # sin kx = 2 cos x · sin (k−1)x − sin (k−2)x: one sine and one cosine for all harmonics
    twice, before, now = 2 * np.cos(phase), np.zeros_like(phase), np.sin(phase)
    for number, weight in enumerate(np.asarray(weights, np.float64), 1):
        if number * top >= HIGHEST_HZ:
            break
        out += weight * now
        before, now = now, twice * now - before
    return out


def table_tone(frequency_hz: Float64, weights: Float64, start: float = 0.0) -> Float64:
    """A tone of the frequency given per sample, read from a table of its partials; quick where they are many.

    `start` in cycles. No partial is left out: `weights` must end before half the sample rate is reached.
    """
    spectrum = np.zeros(TABLE // 2 + 1, np.complex128)
    # a quadratic phase spreads a period's energy as the vocal folds do less sharply than a click
    spectrum[1 : len(weights) + 1] = weights * np.exp(1j * 0.02 * np.arange(1, len(weights) + 1) ** 2)
    table = np.fft.irfft(spectrum) * TABLE / 2
    cycles = start + np.cumsum(frequency_hz) / SAMPLE_RATE
    return np.asarray(table[(cycles * TABLE).astype(np.int64) % TABLE])


def random_weights(rng: Rng, most: int = 12) -> Float64:
    """Weights of harmonics: near-sine to bright, odd harmonics alone at times, none exactly regular."""
    count = int(rng.integers(1, most + 1))
    numbers = np.arange(1, count + 1)
    weights = rng.uniform(0.4, 1.2, count) / numbers ** rng.uniform(0.3, 2.0)
    if rng.random() < 0.3:
        weights[1::2] *= rng.uniform(0, 0.2)
    return np.asarray(weights)


def falling_weights(
    rng: Rng, slope: float, highest_hz: float, unevenness: float = 0.0, top_hz: float = 16_000.0
) -> Float64:
    """Weights k^-slope of harmonics, none above `top_hz` where the tone is at its highest."""
    count = int(np.clip(top_hz / highest_hz, 1, 160))
    weights = np.arange(1, count + 1, dtype=float) ** -slope
    return np.asarray(weights * np.exp(unevenness * rng.standard_normal(count)))


def coloured_noise(rng: Rng, n: int, slope_db: float = 0.0, low_hz: float = 20.0, high_hz: float = 18_000.0) -> Float64:
    """Noise of RMS 1 with a slope per octave between two edges, as `colour_gain` has them."""
    f: Float64 = np.fft.rfftfreq(n, 1 / SAMPLE_RATE).astype(np.float64)
    spectrum = rng.standard_normal(2 * len(f)).view(np.complex128) * colour_gain(f, slope_db, low_hz, high_hz)
    return unit_rms(np.fft.irfft(spectrum, n=n))


def band_noise(rng: Rng, n: int, low_hz: float, high_hz: float, order: int = 2) -> Float64:
    """`[n]` samples of Gaussian noise between two frequencies, of RMS 1."""
    high_hz = min(high_hz, 0.95 * NYQUIST_HZ)
    sos = signal.butter(order, [min(low_hz, 0.9 * high_hz), high_hz], "bandpass", fs=SAMPLE_RATE, output="sos")
    return unit_rms(np.asarray(signal.sosfilt(sos, rng.standard_normal(n))))


def burst(rng: Rng, low_hz: float, high_hz: float, decay_s: float) -> Float64:
    """A short noise that dies away: the knock at the head of a strike, or a click."""
    n = max(64, int(7 * decay_s * SAMPLE_RATE))
    return band_noise(rng, n, low_hz, high_hz, order=1) * np.exp(-seconds_of(n) / decay_s)


def falling_noise(rng: Rng, seconds: float, bands: Iterable[tuple[float, float, float, float]]) -> Float64:
    """Noise in bands of (low Hz, high Hz, time to 1/e in s, level), each dying away on its own."""
    out = np.zeros(int(seconds * SAMPLE_RATE))
    for low_hz, high_hz, decay_s, level in bands:
        n = min(len(out), int(8 * decay_s * SAMPLE_RATE) + 256)
        out[:n] += level * band_noise(rng, n, low_hz, high_hz, 1) * np.exp(-seconds_of(n) / decay_s)
    return out


def strike(rng: Rng, frequency_hz: Float64, decay_s: Float64, weights: Float64, seconds: float) -> Float64:
    """Decaying partials of random phase: what a body that was struck sounds; `decay_s` is the time to 1/e."""
    frequency_hz, decay_s, weights = np.broadcast_arrays(frequency_hz, decay_s, weights)
    heard = (frequency_hz > 20) & (frequency_hz < HIGHEST_HZ)
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
