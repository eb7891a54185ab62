"""Singing by formula: choirs and solo voices.

A glottal tone whose partials fall 6 to 12 dB an octave, with vibrato (5–6.5 Hz, Sundberg 1987), through formants that
move from vowel to vowel (means of Peterson & Barney 1952; above the pitch for high voices, as sopranos tune them), and
the singer's formant near 2.9 kHz (Sundberg 1974) for trained voices.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import (
    fades,
    frame_middles,
    humps,
    one_pole,
    reverb,
    sample_count,
    sculpt,
    seconds_of,
    unit_rms,
    zigzag,
)
from export.train.procedural.sources import coloured_noise, falling_weights, phase_of, table_tone

VOWELS: dict[str, tuple[float, float, float]] = {
    "i": (270, 2290, 3010), "e": (530, 1840, 2480), "a": (730, 1090, 2440), "o": (570, 840, 2410),
    "u": (300, 870, 2240), "ae": (660, 1720, 2410),
}  # fmt: skip
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 2, 3, 5, 7, 9, 10))
CONTROL = 48
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 5, 9), (0, 4, 7, 11), (0, 7), (0, 5, 7), (0, 3, 8))


def formants(rng: Rng, vowels: list[str], where: Float64, size: float) -> Float64:
    """Formants [frames, 4] that glide along a list of vowels; `where` [frames] counts vowels."""
    tracks = np.array([[*VOWELS[v], 3500.0] for v in vowels]) * size * rng.uniform(0.93, 1.07, 4)
    steps = np.arange(len(vowels))
    return np.stack([np.interp(where, steps, tracks[:, k]) for k in range(4)], 1)


def vocal_tract(source: Float64, centres_hz: Float64, rng: Rng, ring: float = 0.0) -> Float64:
    """A source through four formants [frames, 4] that move; `ring` is the singer's formant."""
    widths = np.array([80.0, 110.0, 160.0, 250.0]) * rng.uniform(0.8, 1.6, 4)
    gains = np.array([1.0, rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.45), rng.uniform(0.05, 0.3)])
    if ring:
        centres_hz = np.column_stack([centres_hz, np.full(len(centres_hz), rng.uniform(2600, 3300))])
        widths, gains = np.append(widths, 400.0), np.append(gains, ring)
    return sculpt(source, humps(centres_hz, widths, gains, floor=0.01))


def melody(rng: Rng, n: int, lowest: float, highest: float, shortest_s: float, longest_s: float) -> tuple[Float64, ...]:
    """Pitch in MIDI keys and the note's number, per sample, and seconds since the note began: steps of a scale."""
    scale = np.array(SCALES[rng.integers(len(SCALES))])
    keys = (scale[None] + 12 * np.arange(11)[:, None]).reshape(-1) + rng.uniform(0, 12)
    keys = keys[(keys >= lowest) & (keys <= highest)]
    lengths = rng.uniform(shortest_s, longest_s, int(n / SAMPLE_RATE / shortest_s) + 2)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    walk = np.cumsum(rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3], len(starts))) + rng.integers(len(keys))
    span = 2 * (len(keys) - 1)  # fold the walk back at the ends of the range
    degree = np.abs((walk + span // 2) % max(span, 1) - span // 2)
    t = seconds_of(n)
    note = np.searchsorted(starts, t, side="right") - 1
    line = keys[np.minimum(degree, len(keys) - 1)][note]
    return np.asarray(line, np.float64), np.asarray(note, np.float64), np.asarray(t - starts[note], np.float64)


def vibrato(rng: Rng, since_s: Float64, depth: float) -> Float64:
    """Semitones of vibrato, which begins a quarter of a second into a note."""
    t = seconds_of(len(since_s))
    rate = zigzag(rng, len(t), 2, 0.95, 1.05) * rng.uniform(4.8, 6.6)
    grown = np.clip((since_s - 0.2) / rng.uniform(0.15, 0.5), 0, 1)
    return np.asarray(depth * grown * np.sin(phase_of(rate)))


def pitch(keys: Float64) -> Float64:
    """Hertz of MIDI keys."""
    return np.asarray(440 * 2 ** ((keys - 69) / 12))


def solo(rng: Rng, lowest: float, highest: float, size: float, depth: float, ring: float, hum: bool = False) -> Float64:
    """One voice that sings a melody on vowels, with glides, vibrato, breath and jitter, in a room or none."""
    n = sample_count(rng.uniform(3.0, 5.0))
    shortest = rng.uniform(0.18, 0.7)
    keys, note, since = melody(rng, n, lowest, highest, shortest, shortest * rng.uniform(1.2, 3.5))
    keys = one_pole(np.asarray(keys) - keys[0], rng.uniform(0.01, 0.07)) + keys[0]
    keys = keys + vibrato(rng, since, depth * rng.uniform(0.3, 1.2)) + zigzag(rng, n, 12, -0.12, 0.12)
    f0 = pitch(keys) * (1 + 0.004 * one_pole(rng.standard_normal(n), 0.002))
    source = table_tone(f0, falling_weights(rng, rng.uniform(0.9, 1.8), f0.max(), 0.15))
    source += rng.uniform(0.01, 0.12) * coloured_noise(rng, n, rng.uniform(-4, 1), 300, 12_000)
    at = frame_middles(n)
    # a vowel lasts a note or the whole clip
    names = ["u", "o"] if hum else list(VOWELS)
    vowels = [str(v) for v in rng.choice(names, int(note[-1]) + 2)]
    if rng.random() < 0.3:
        vowels = vowels[:1] * len(vowels)
    centres = formants(
        rng, vowels, (note - 1 + np.clip(since / 0.08, 0, 1))[at].clip(0), size * rng.uniform(0.93, 1.08)
    )
    centres[:, 0] = np.maximum(centres[:, 0], f0[at] * 1.02)
    voiced = vocal_tract(source, centres, rng, ring * rng.uniform(0.2, 1.2))
    gap = np.clip(since / rng.uniform(0.02, 0.15), rng.uniform(0.0, 0.9), 1)  # legato to detached
    loud = (
        one_pole(gap, 0.01) * zigzag(rng, n, 1.2, 0.35, 1.0) * fades(n, rng.uniform(0.02, 0.3), rng.uniform(0.1, 0.6))
    )
    return _perhaps_reverb(rng, voiced * loud)


def _perhaps_reverb(rng: Rng, x: Float64) -> Float64:
    return reverb(rng, x, rng.uniform(0.3, 2.5), rng.uniform(0.1, 0.7)) if rng.random() < 0.6 else x


def choir(rng: Rng, vowels: tuple[str, ...], lowest: float, highest: float, size: float) -> Float64:
    """Four to ten voices, each with its own tuning, vibrato and start, on one to three chords, in a room."""
    n = sample_count(rng.uniform(3.5, 5.0))
    changes = np.sort(rng.uniform(0.6, n / SAMPLE_RATE, rng.integers(0, 3)))
    chord_of = np.searchsorted(changes, seconds_of(n))
    root = rng.uniform(lowest, highest - 12)
    chords = [
        np.array(CHORDS[rng.integers(len(CHORDS))]) + rng.choice([0, 2, 5, 7, -2]) for _ in range(len(changes) + 1)
    ]
    slope = rng.uniform(1.0, 1.9)
    out = np.zeros(n)
    spread = rng.uniform(0.04, 0.25)
    slow = np.arange(0, n + CONTROL, CONTROL)  # pitch moves slowly: it is drawn at 1 kHz
    for number in range(int(rng.integers(4, 11))):
        own = np.array([c[number % len(c)] + 12 * (number // len(c) % 2) for c in chords], float)
        keys = root + own[np.searchsorted(changes + rng.uniform(0, 0.1), slow / SAMPLE_RATE)] + rng.normal(0, spread)
        keys = keys[0] + one_pole(keys - keys[0], rng.uniform(0.02, 0.08) / CONTROL)
        swing = np.sin(2 * np.pi * rng.uniform(4.8, 6.6) * slow / SAMPLE_RATE + rng.uniform(0, 6))
        keys = keys + rng.uniform(0.05, 0.4) * swing + zigzag(rng, len(slow), 8 * CONTROL, -0.1, 0.1)
        f0 = np.interp(np.arange(n), slow, pitch(keys))
        late = fades(n, rng.uniform(0.03, 0.4), rng.uniform(0.1, 0.7)) * rng.uniform(0.5, 1.0)
        out += table_tone(f0, falling_weights(rng, slope, float(f0.max()), 0.2, 12_000), rng.uniform()) * late
    out = unit_rms(out) + rng.uniform(0.01, 0.08) * coloured_noise(rng, n, -2, 400, 12_000)
    named = [str(v) for v in rng.choice(list(vowels), len(chords))]
    where = one_pole(chord_of.astype(float), 0.05)[frame_middles(n)]
    sung = vocal_tract(out, formants(rng, named, where, size * rng.uniform(0.95, 1.08)), rng, rng.uniform(0, 0.3))
    return reverb(rng, sung * zigzag(rng, n, 0.8, 0.5, 1.0), rng.uniform(0.4, 3.0), rng.uniform(0.1, 0.9))


def _solo(name: str, lowest: float, highest: float, size: float, depth: float, ring: float, hum: bool = False) -> Kind:
    make = partial(solo, lowest=lowest, highest=highest, size=size, depth=depth, ring=ring, hum=hum)
    return Kind("singing", name, make)


def _choir(name: str, vowels: str, lowest: float, highest: float, size: float) -> Kind:
    return Kind("singing", name, partial(choir, vowels=tuple(vowels), lowest=lowest, highest=highest, size=size))


KINDS: tuple[Kind, ...] = (
    _choir("choir women aah", "aeo", 55, 79, 1.17),
    _choir("choir women ooh", "uo", 53, 79, 1.17),
    _choir("choir men", "aou", 40, 66, 1.0),
    _choir("choir mixed", "aeiou", 43, 74, 1.08),
    _solo("soprano", 60, 84, 1.17, 0.7, 0.4),
    _solo("alto", 53, 74, 1.14, 0.6, 0.4),
    _solo("tenor", 48, 69, 1.0, 0.6, 0.8),
    _solo("bass voice", 38, 60, 0.95, 0.6, 0.8),
    _solo("plain woman", 55, 74, 1.15, 0.15, 0.0),
    _solo("plain man", 45, 64, 1.0, 0.15, 0.0),
    _solo("child", 60, 79, 1.35, 0.1, 0.0),
    _solo("humming", 45, 70, 0.9, 0.2, 0.0, hum=True),
)
