"""Noises that belong to no class."""

from __future__ import annotations

import numpy as np

from export.train.corpus import NAMELESS, SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import CLIP_S, time_axis
from export.train.procedural.sources import oscillate


def noise(rng: Rng) -> Float64:
    """Noise of a random slope and a few broad humps, swelling and fading at random, half of the time with a hum and its
    harmonics, as fans, motors and rooms make it."""
    t = time_axis()
    frequency_hz = np.fft.rfftfreq(len(t), 1 / SAMPLE_RATE)
    octave = np.log2(np.maximum(frequency_hz, 20.0) / 1000)
    gain_db = -rng.uniform(-1, 9) * octave
    for _ in range(rng.integers(1, 5)):
        centre, spread = rng.uniform(-4, 4), rng.uniform(0.15, 1.2)
        gain_db += rng.uniform(-15, 20) * np.exp(-0.5 * ((octave - centre) / spread) ** 2)
    spectrum = np.fft.rfft(rng.standard_normal(len(t))) * 10 ** (gain_db / 20)
    out: Float64 = np.fft.irfft(spectrum, n=len(t))
    out /= np.sqrt(np.mean(np.square(out))) + 1e-9
    if rng.random() < 0.5:
        base = rng.uniform(40, 240) * (1 + 0.02 * np.interp(t, np.linspace(0, CLIP_S, 6), rng.standard_normal(6)))
        loud = rng.uniform(0.1, 1.2)
        out += loud * oscillate(base, [1.0, *(rng.uniform(0.2, 1.0) / k for k in range(2, rng.choice([1, 3, 8]) + 1))])
    depth = rng.choice([0.0, 0.5, 0.95])
    points = int(rng.choice([6, 20, 80]))
    return out * (1 - depth * np.interp(t, np.linspace(0, CLIP_S, points), rng.uniform(0, 1, points)))


KINDS: tuple[Kind, ...] = (Kind(NAMELESS, "noise", noise, 240),)
