"""Voices that do not speak, by formula: laughter, screams, crowds, a baby's cry.

The source is a glottal tone with jitter, shimmer and breath; formants after Peterson & Barney (1952), raised for women
and children. Rates of laughter after Bachorowski, Smoski & Owren (2001).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import signal

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import (
    CLIP_S,
    CLIP_SAMPLES,
    fades,
    frame_middles,
    one_pole,
    recolour,
    resonances,
    reverb,
    sample_count,
    seconds_of,
    unit_rms,
    zigzag,
)
from export.train.procedural.singing import VOWELS, formants, vocal_tract
from export.train.procedural.sources import coloured_noise, falling_weights, phase_of, table_tone

N = CLIP_SAMPLES


def rough(rng: Rng, f0: Float64, jitter: float) -> Float64:
    """A pitch with the jitter of vocal folds: white below about 100 Hz."""
    return np.asarray(f0 * (1 + jitter * unit_rms(one_pole(rng.standard_normal(len(f0)), 0.0016))))


def voice(rng: Rng, f0: Float64, slope: float, vowels: list[str], size: float, breath: Float64) -> Float64:
    """A tone and breath through formants that glide along the vowels over the whole length."""
    source = table_tone(f0, falling_weights(rng, slope, float(f0.max()), 0.15, 14_000)) + breath
    at = frame_middles(len(f0))
    centres = formants(rng, vowels, np.linspace(0, len(vowels) - 1, len(at)), size)
    centres[:, 0] = np.maximum(centres[:, 0], f0[at])
    return vocal_tract(source, centres, rng)


def ha_starts(rng: Rng, rate: float) -> Float64:
    """Seconds at which a laugh's bursts begin: bouts of 3–10, slowing, with a breath between bouts."""
    starts, at = list[float](), rng.uniform(0.02, 0.3)
    while at < CLIP_S - 0.5:
        for number in range(int(rng.integers(3, 11))):
            if at < CLIP_S - 0.4:
                starts.append(at)
            at += (1 + 0.03 * number) * rng.uniform(0.95, 1.05) / rate
        at += rng.uniform(0.25, 1.2)
    return np.array(starts)


def laugh(rng: Rng, lowest: float, highest: float, size: float) -> Float64:
    """Trains of "ha" at 3.5–6 a second: voiced bursts whose pitch falls, over the breath of the h between them."""
    rate, t = rng.uniform(3.5, 6.0), seconds_of(N)
    starts = ha_starts(rng, rate)
    number = np.searchsorted(starts, t, side="right") - 1
    since = np.where(number < 0, 9.0, t - starts[number.clip(0)])
    falling = np.exp(-0.03 * (np.arange(len(starts)) % 8))
    high = rng.uniform(lowest, highest) * rng.uniform(0.85, 1.15, len(starts)) * falling
    length = rng.uniform(0.35, 0.65) / rate
    f0 = one_pole(high[number.clip(0)] - high[0], 0.008) + high[0]
    f0 = rough(rng, f0 * (1.1 - rng.uniform(0.2, 0.5) * np.minimum(since, 0.3) / 0.3), rng.uniform(0.005, 0.03))
    voiced = one_pole(((since > 0.03) & (since < 0.03 + length)).astype(float), rng.uniform(0.008, 0.02))
    puff = one_pole((since < 0.05 + length).astype(float), 0.02) * rng.uniform(0.05, 0.35)
    source = table_tone(f0, falling_weights(rng, rng.uniform(0.9, 1.6), float(f0.max()), 0.1)) * voiced
    source += puff * coloured_noise(rng, N, rng.uniform(-6, -3), 300, 5000)
    own = [str(v) for v in rng.choice(["a", "ae", "e", "o", "i"], 3, p=[0.4, 0.25, 0.2, 0.1, 0.05])]
    centres = formants(rng, own, np.linspace(0, 2, len(frame_middles(N))), size * rng.uniform(0.95, 1.1))
    out = vocal_tract(source, centres, rng) * zigzag(rng, N, 1, 0.5, 1.0)
    return reverb(rng, out, rng.uniform(0.2, 1.2), rng.uniform(0.05, 0.4)) if rng.random() < 0.5 else out


def laughing_crowd(rng: Rng) -> Float64:
    """Three to five people who laugh at once."""
    out = np.zeros(N)
    for _ in range(int(rng.integers(3, 6))):
        high = rng.random() < 0.5
        one = laugh(rng, 260 if high else 140, 600 if high else 300, 1.15 if high else 1.0)
        out += np.roll(unit_rms(one), int(rng.integers(N))) * rng.uniform(0.3, 1)
    return reverb(rng, out, rng.uniform(0.4, 1.5), rng.uniform(0.2, 0.8))


def scream(rng: Rng) -> Float64:
    """A voice at 500–1800 Hz with the roughness of screams: 30–150 Hz modulation (Arnal and others 2015)."""
    out, at = np.zeros(N), rng.uniform(0, 0.3)
    base, size = rng.uniform(500, 1500), rng.uniform(1.0, 1.35)
    while at < CLIP_S - 0.8:
        n = min(sample_count(rng.uniform(0.5, 2.2)), N - int(at * SAMPLE_RATE))
        t = np.linspace(0, 1, n)
        arch = np.interp(
            t, [0, rng.uniform(0.08, 0.3), rng.uniform(0.5, 0.9), 1], [0.65, 1, rng.uniform(0.8, 1.1), 0.6]
        )
        f0 = rough(rng, base * rng.uniform(0.85, 1.2) * arch * zigzag(rng, n, 7, 0.97, 1.03), rng.uniform(0.002, 0.03))
        growl = 1 + rng.uniform(0, 0.7) * np.sin(phase_of(zigzag(rng, n, 20, 30, 150)))
        breath = rng.uniform(0.02, 0.3) * coloured_noise(rng, n, -1, 800, 12_000)
        one = voice(rng, f0, rng.uniform(0.4, 1.3), [str(rng.choice(["a", "ae", "e", "i"])), "a"], size, breath)
        begin = int(at * SAMPLE_RATE)
        out[begin : begin + n] += unit_rms(one) * growl * fades(n, rng.uniform(0.02, 0.12), rng.uniform(0.08, 0.4))
        at += n / SAMPLE_RATE + rng.uniform(0.2, 2.5)
    return reverb(rng, out, rng.uniform(0.2, 2), rng.uniform(0, 0.5))


def baby(rng: Rng) -> Float64:
    """Cries of 0.5–1.4 s at 350–600 Hz that rise and fall, at times harsh, with a gasp of breath between."""
    out, at = np.zeros(N), rng.uniform(0, 0.4)
    base = rng.uniform(350, 600)
    while at < CLIP_S - 0.7:
        n = min(sample_count(rng.uniform(0.5, 1.4)), N - int(at * SAMPLE_RATE))
        arch = np.interp(np.linspace(0, 1, n), [0, 0.2, 0.7, 1], [0.75, 1.0, rng.uniform(0.9, 1.05), 0.7])
        f0 = rough(rng, base * arch * rng.uniform(0.93, 1.07) * zigzag(rng, n, 5, 0.97, 1.03), rng.uniform(0.002, 0.02))
        breath = rng.uniform(0.02, 0.4) * coloured_noise(rng, n, -1, 800, 10_000)
        one = voice(rng, f0, rng.uniform(0.5, 1.2), ["e", "ae", "a"], rng.uniform(1.45, 1.75), breath)
        begin = int(at * SAMPLE_RATE)
        out[begin : begin + n] += unit_rms(one) * fades(n, 0.08, 0.2)
        gasp = sample_count(rng.uniform(0.1, 0.25))
        begin = min(begin + n + 2400, N - gasp)
        out[begin : begin + gasp] += (
            rng.uniform(0.05, 0.3) * coloured_noise(rng, gasp, 0, 900, 8000) * fades(gasp, 0.08, 0.05)
        )
        at += n / SAMPLE_RATE + rng.uniform(0.25, 0.8)
    return reverb(rng, out, 0.5, rng.uniform(0, 0.3))


CROWD_RATE = 16_000


def babble(rng: Rng, lowest: int, highest: int) -> Float64:
    """Many people who talk at once in a room: each a train of syllables with its own pitch, vowels and tempo.

    At 16 kHz, for a crowd holds next to nothing above 8; syllables of one vowel share one filter.
    """
    n = int(CLIP_S * CROWD_RATE)
    names = [*VOWELS, "hiss"]
    lanes = np.zeros((2 * len(names), n))
    for _ in range(int(rng.integers(lowest, highest + 1))):
        female = rng.integers(2)
        base = rng.uniform(170, 280) if female else rng.uniform(85, 160)
        f0 = base * np.interp(np.arange(n), np.linspace(0, n, 18), rng.uniform(0.8, 1.3, 18))
        talk = table_tone(
            f0 * SAMPLE_RATE / CROWD_RATE, falling_weights(rng, rng.uniform(0.9, 1.5), base * 1.3, 0.1, 7500)
        )
        near, rate, at = rng.lognormal(0, 0.6), rng.uniform(3, 6.5), int(rng.uniform(0, 0.5) * CROWD_RATE)
        while at < n - 2000:
            length = min(int(rng.uniform(0.4, 0.95) / rate * CROWD_RATE), n - at)
            lane = int(rng.integers(len(names)))
            hiss = names[lane] == "hiss"
            piece = rng.standard_normal(length) * 0.4 if hiss else talk[at : at + length]
            lanes[2 * lane + female, at : at + length] += near * rng.uniform(0.4, 1) * np.hanning(length) * piece
            pause = rng.uniform(0.3, 1.5) if rng.random() < 0.1 else 0
            at += int((1 / rate + pause) * CROWD_RATE * rng.uniform(0.8, 1.2))
    f = np.fft.rfftfreq(n, 1 / CROWD_RATE)
    total = np.zeros(len(f), np.complex128)
    for lane in range(len(lanes)):
        name, size = names[lane // 2], 1.15 if lane % 2 else 1.0
        centres = np.array([4500.0] if name == "hiss" else VOWELS[name]) * size
        gain = sum(
            g / np.sqrt(1 + ((f - c) / (60 + 0.04 * c)) ** 2) for g, c in zip((1, 0.5, 0.25), centres, strict=False)
        )
        total += np.fft.rfft(lanes[lane]) * (0.3 * gain if name == "hiss" else gain)
    # who talks against a crowd raises the voice: less below 400 Hz (Lombard 1911)
    out = recolour(np.asarray(signal.resample_poly(np.fft.irfft(total, n=n), 3, 1)), rng.uniform(0, 2), 450, 7000)
    out = reverb(rng, out, rng.uniform(0.3, 1.8), rng.uniform(0.3, 1.5))
    return out + rng.uniform(0.01, 0.1) * coloured_noise(rng, N, -5)


def cheer(rng: Rng) -> Float64:
    """A stadium or theatre that cheers: a roar of noise about 600–3400 Hz that swells, and three to eight shouts."""
    swell = zigzag(rng, N, rng.uniform(0.5, 1.5), 0.15, 1.0)
    centre = rng.uniform(600, 1200)
    roar = resonances(
        coloured_noise(rng, N, -2, 150), [centre, centre * 1.6, centre * 2.8], [700, 900, 1500], [1, 0.6, 0.3]
    )
    out = unit_rms(roar * swell)
    for _ in range(int(rng.integers(3, 9))):
        n = sample_count(rng.uniform(0.4, 1.6))
        begin = int(rng.integers(0, N - n))
        f0 = rng.uniform(220, 800) * np.interp(np.linspace(0, 1, n), [0, 0.2, 1], [0.8, 1, rng.uniform(0.7, 1.1)])
        f0 = rough(rng, f0, 0.01)
        vowels = [str(v) for v in rng.choice(["a", "e", "u", "o"], 2)]
        one = voice(rng, f0, rng.uniform(0.7, 1.3), vowels, rng.uniform(0.95, 1.2), np.zeros(n))
        out[begin : begin + n] += rng.uniform(0.2, 1.1) * unit_rms(one) * fades(n, 0.06, 0.3)
    return reverb(rng, out, rng.uniform(0.5, 2.5), rng.uniform(0.2, 1.0))


KINDS: tuple[Kind, ...] = (
    Kind("laughter", "man", partial(laugh, lowest=130, highest=330, size=1.0), 30),
    Kind("laughter", "woman", partial(laugh, lowest=240, highest=650, size=1.17), 30),
    Kind("laughter", "many", laughing_crowd, 12),
    Kind("scream", "shriek", scream, 40),
    Kind("crowd", "small babble", partial(babble, lowest=8, highest=18)),
    Kind("crowd", "large babble", partial(babble, lowest=20, highest=45)),
    Kind("crowd", "cheer", cheer),
    Kind("baby cry", "newborn", baby, 16),
)
