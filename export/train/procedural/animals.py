"""Animals by formula: calls of cow, sheep, cat, pig, frog and horse, song of birds, insects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import (
    CLIP_S,
    CLIP_SAMPLES,
    fades,
    frame_middles,
    humps,
    impulses,
    one_pole,
    regular_moments,
    resonances,
    reverb,
    sample_count,
    sculpt,
    seconds_of,
    unit_rms,
    zigzag,
)
from export.train.procedural.sources import HIGHEST_HZ, coloured_noise, falling_weights, phase_of, table_tone
from export.train.procedural.voices import rough

N = CLIP_SAMPLES


def repeated(call: Callable[[Rng], Float64], rng: Rng, most: int, pause_s: float, seconds: float = CLIP_S) -> Float64:
    """Up to `most` calls of one animal with pauses, near or far, over a little of the outdoors."""
    n = sample_count(seconds)
    out, at = np.zeros(n), rng.uniform(0, 0.3)
    for _ in range(int(rng.integers(1, most + 1))):
        begin = int(at * SAMPLE_RATE)
        one = unit_rms(call(rng))[: max(0, n - begin)]
        out[begin : begin + len(one)] += rng.uniform(0.5, 1) * one
        at += len(one) / SAMPLE_RATE + pause_s * rng.uniform(0.3, 2.0)
        if at > seconds - 0.2:
            break
    far = rng.uniform(0, 0.4) if rng.random() < 0.6 else 0.0
    return reverb(rng, out, rng.uniform(0.2, 1.5), far) + rng.uniform(0, 0.01) * coloured_noise(rng, n, -4)


def throat(rng: Rng, f0: Float64, slope: float, opening: Float64, first: tuple[float, float], breath: float) -> Float64:
    """A tone and breath through three formants that a mouth's opening (0 to 1 per frame) raises."""
    source = unit_rms(table_tone(f0, falling_weights(rng, slope, float(f0.max()), 0.2)))
    source += breath * coloured_noise(rng, len(f0), -3, 200, 9000)
    spread = np.array([1.0, rng.uniform(1.8, 2.6), rng.uniform(3.2, 4.6)])
    centres = (first[0] + (first[1] - first[0]) * opening)[:, None] * spread
    gains = np.array([1, rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.4)])
    return sculpt(source, humps(centres, np.array([130.0, 200, 350]) * rng.uniform(0.8, 1.8), gains, 0.01))


def _arch(n: int, *points: float) -> Float64:
    """A line through points spread evenly over a call."""
    return np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(points)), points)


def moo(rng: Rng) -> Float64:
    """A cow: 80–250 Hz for 1–2.5 s, hummed through a closed mouth that opens."""
    n = sample_count(rng.uniform(1.0, 2.5))
    f0 = rng.uniform(80, 220) * _arch(n, rng.uniform(0.75, 0.95), 1.0, rng.uniform(0.95, 1.15), rng.uniform(0.7, 0.95))
    opening = _arch(n, 0, 0.1, 0.8, 1, rng.uniform(0.2, 0.9))[frame_middles(n)]
    source = rough(rng, f0, rng.uniform(0.003, 0.02))
    first = (rng.uniform(200, 320), rng.uniform(420, 750))
    return throat(rng, source, rng.uniform(0.9, 1.5), opening, first, rng.uniform(0.02, 0.3)) * fades(n, 0.2, 0.3)


def bleat(rng: Rng) -> Float64:
    """A sheep or goat: 120–400 Hz with a tremolo of 5–12 Hz in pitch and loudness."""
    n = sample_count(rng.uniform(0.5, 1.4))
    shake = np.sin(phase_of(rng.uniform(5, 12) * zigzag(rng, n, 5, 0.9, 1.1)))
    f0 = rng.uniform(120, 400) * _arch(n, 0.85, 1.05, 1.0, 0.85) * (1 + rng.uniform(0.02, 0.07) * shake)
    opening = _arch(n, 0.2, 1, 1, 0.6)[frame_middles(n)]
    out = throat(rng, rough(rng, f0, 0.015), rng.uniform(0.3, 0.9), opening, (500, rng.uniform(700, 1100)), 0.2)
    return out * (1 + rng.uniform(0.3, 0.8) * shake) * fades(n, 0.05, 0.15)


def meow(rng: Rng) -> Float64:
    """A cat: a glide up and down between 400 and 900 Hz while the mouth opens and shuts."""
    n = sample_count(rng.uniform(0.4, 1.3))
    f0 = rng.uniform(450, 850) * _arch(n, rng.uniform(0.7, 0.9), 1, rng.uniform(0.9, 1.0), rng.uniform(0.6, 0.85))
    opening = _arch(n, 0, 0.5, 1, 0.5, 0.1)[frame_middles(n)]
    source = rough(rng, f0, rng.uniform(0.002, 0.01))
    out = throat(rng, source, rng.uniform(0.3, 1.2), opening, (700, rng.uniform(1100, 1900)), 0.1)
    return out * fades(n, 0.08, 0.2)


def grunt(rng: Rng) -> Float64:
    """A pig: one to four low, noisy pulses at 40–120 Hz of 0.1–0.3 s."""
    n = sample_count(rng.uniform(0.1, 0.35))
    at = regular_moments(rng.uniform(40, 120) * _arch(n, 1.1, 1.0, 0.8), rng, 0.12)
    puffs = one_pole(impulses(n, at, rng.uniform(0.4, 1, len(at))), 0.004) * coloured_noise(rng, n, -3, 60, 5000)
    body = rng.uniform(150, 500) * np.array([1, 2.4, 4.5])
    return resonances(puffs, list(body), list(body * 0.3), [1, 0.7, 0.4], 0.1) * fades(n, 0.02, 0.08)


def squeal(rng: Rng) -> Float64:
    """A pig that squeals: 600–1600 Hz, harsh, for up to 1.5 s."""
    n = sample_count(rng.uniform(0.3, 1.5))
    f0 = rough(rng, rng.uniform(600, 1500) * _arch(n, 0.7, 1.1, 1, 0.8) * zigzag(rng, n, 12, 0.9, 1.1), 0.04)
    opening = np.ones(len(frame_middles(n)))
    return throat(rng, f0, rng.uniform(0.2, 0.8), opening, (1000, rng.uniform(1200, 2200)), 0.3) * fades(n, 0.04, 0.15)


def croak(rng: Rng) -> Float64:
    """A frog: a train of 8–30 pulses, 20–120 a second, each a short ring at 500–3000 Hz."""
    rate = rng.uniform(20, 120)
    n = sample_count(rng.integers(8, 30) / rate + 0.05)
    at = regular_moments(np.full(n, rate) * _arch(n, 0.8, 1.0, 1.15), rng, 0.02)
    own = rng.uniform(500, 2200)
    body = own * np.array([1, rng.uniform(1.4, 2.4)])
    out = resonances(impulses(n, at, np.ones(len(at))), list(body), [own * 0.12, own * 0.2], [1, rng.uniform(0.1, 0.9)])
    return out * _arch(n, 0.3, 1, 0.9, 0.2)


def neigh(rng: Rng) -> Float64:
    """A horse: a shaken fall from 1500 to 500 Hz, with breath, ending low and rough."""
    n = sample_count(rng.uniform(1.0, 2.2))
    shake = np.sin(2 * np.pi * rng.uniform(8, 14) * seconds_of(n)) * _arch(n, 0.2, 1, 1.3)
    fall = np.exp(
        _arch(n, np.log(rng.uniform(600, 1100)), np.log(rng.uniform(1000, 1600)), np.log(rng.uniform(350, 600)))
    )
    f0 = rough(rng, fall * (1 + rng.uniform(0.03, 0.09) * shake), 0.02)
    opening = _arch(n, 0.3, 1, 0.5)[frame_middles(n)]
    out = throat(rng, f0, rng.uniform(0.4, 1.1), opening, (700, rng.uniform(1100, 1600)), rng.uniform(0.1, 0.5))
    return out * (1 + 0.5 * shake.clip(-1.5, 1.5)) * fades(n, 0.06, 0.4)


def snort(rng: Rng) -> Float64:
    """A horse that blows: breath that the lips chop 15–35 times a second."""
    n = sample_count(rng.uniform(0.4, 1.2))
    flap = 1 + 0.8 * np.sin(phase_of(rng.uniform(15, 35) * _arch(n, 1.2, 0.8)))
    return coloured_noise(rng, n, rng.uniform(-5, -2), rng.uniform(60, 200), 6000) * flap * fades(n, 0.03, 0.3)


def chirps(rng: Rng) -> Float64:
    """A bird's phrase: notes of 30–200 ms that sweep within 2–8 kHz, motifs repeated; at times harmonics to 20 kHz."""
    out = list[Float64]()
    centre = rng.uniform(2200, 6000)
    motif = [(rng.uniform(0.03, 0.2), *np.clip(centre * rng.uniform(0.75, 1.35, 3), 1500, 8500))
             for _ in range(int(rng.integers(1, 5)))]  # fmt: skip
    weights = np.array([1.0, rng.uniform(0, 0.3), rng.uniform(0, 0.1)])
    gap = rng.uniform(0.02, 0.15)
    for length, *points in motif * int(rng.integers(1, 6)):
        n = sample_count(length)
        heard = weights[: int(HIGHEST_HZ / max(points))]
        out += [table_tone(_arch(n, *points), heard) * fades(n, 0.012, 0.02), np.zeros(sample_count(gap))]
    return np.concatenate(out)[: sample_count(3.0)]


def trill(rng: Rng) -> Float64:
    """A bird's trill: 12–45 sweeps a second at 2–8 kHz, or a warble of frequency alone."""
    n = sample_count(rng.uniform(0.4, 2.0))
    beat = np.sin(phase_of(rng.uniform(12, 45) * zigzag(rng, n, 2, 0.95, 1.05)))
    f0 = rng.uniform(2200, 6500) * (1 + rng.uniform(0.02, 0.2) * beat) * _arch(n, *rng.uniform(0.9, 1.1, 3))
    gate = 1 - rng.uniform(0, 1) * (0.5 + 0.5 * np.sin(np.arcsin(beat) + rng.uniform(0, 6)))
    return table_tone(f0, np.array([1.0, rng.uniform(0, 0.2)])) * gate * fades(n, 0.05, 0.1)


def coo(rng: Rng) -> Float64:
    """A dove or cuckoo: pure soft notes at 350–900 Hz."""
    base, out = rng.uniform(350, 900), list[Float64]()
    for ratio in rng.uniform(0.8, 1.15, int(rng.integers(2, 5))):
        n = sample_count(rng.uniform(0.12, 0.6))
        f0 = base * ratio * _arch(n, 0.93, 1, 0.97)
        out += [table_tone(f0, np.array([1, 0.15, 0.05])) * fades(n, 0.05, 0.08), np.zeros(sample_count(0.08))]
    return np.concatenate(out)


def crickets(rng: Rng) -> Float64:
    """Crickets: chirps of 2–5 pulses or an unbroken trill, a carrier of 3.5–6 kHz each, one to five of them."""
    out, t = np.zeros(N), seconds_of(N)
    for _ in range(int(rng.integers(1, 6))):
        pulse, chirp = rng.uniform(20, 60), rng.uniform(1, 5)
        gate = (0.5 - 0.5 * np.cos(2 * np.pi * pulse * t)) ** rng.uniform(0.7, 2)
        if rng.random() < 0.7:
            duty = rng.integers(2, 6) / pulse * chirp
            gate = gate * one_pole((((t * chirp + rng.uniform()) % 1) < duty).astype(float), 0.002)
        carrier = rng.uniform(3500, 6200) * zigzag(rng, N, 3, 0.998, 1.002)
        gate = rng.uniform(0.2, 1) * gate
        out += gate * table_tone(carrier, np.array([1.0, rng.uniform(0, 0.15), rng.uniform(0, 0.05)]))
    return unit_rms(out) + rng.uniform(0.005, 0.1) * coloured_noise(rng, N, -2, 200)


def cicada(rng: Rng) -> Float64:
    """Cicadas: noise of a narrow band at 3–10 kHz, buzzed at 80–300 Hz, that swells and fades or runs on."""
    centre = rng.uniform(2800, 9500)
    band = resonances(
        coloured_noise(rng, N), [centre, centre * rng.uniform(1.1, 1.6)], [centre * 0.12, centre * 0.3], [1, 0.5]
    )
    buzz = 1 + rng.uniform(0.2, 1.0) * np.sin(phase_of(rng.uniform(80, 300) * zigzag(rng, N, 4, 0.97, 1.03)))
    beat = 1 + rng.choice([0.0, 0.8]) * np.sin(2 * np.pi * rng.uniform(2, 12) * seconds_of(N))
    return band * buzz * beat * zigzag(rng, N, rng.uniform(0.3, 1), 0.2, 1)


def bees(rng: Rng) -> Float64:
    """A fly, bee or swarm: wing beats of 100–350 Hz (mosquitoes to 600), which bend as it flies by."""
    out = np.zeros(N)
    base = rng.choice([rng.uniform(100, 300), rng.uniform(350, 650)])
    for _ in range(int(rng.choice([1, 1, 2, 6]))):
        f0 = base * rng.uniform(0.9, 1.15) * zigzag(rng, N, rng.uniform(1, 6), 0.92, 1.08)
        wings = table_tone(
            rough(rng, f0, 0.006), falling_weights(rng, rng.uniform(0.5, 1.4), float(f0.max()), 0.6, 8000)
        )
        out += unit_rms(wings) * zigzag(rng, N, rng.uniform(0.7, 3), 0.05, 1)
    return unit_rms(out) + rng.uniform(0.01, 0.2) * coloured_noise(rng, N, -4, 100)


def _calls(label: str, name: str, call: Callable[[Rng], Float64], most: int, pause_s: float, clips: int = 24) -> Kind:
    return Kind(label, name, partial(_repeated, call=call, most=most, pause_s=pause_s), clips)


def _repeated(rng: Rng, call: Callable[[Rng], Float64], most: int, pause_s: float) -> Float64:
    return repeated(call, rng, most, pause_s, rng.uniform(2.5, CLIP_S))


KINDS: tuple[Kind, ...] = (
    _calls("cow", "moo", moo, 2, 0.6),
    _calls("sheep", "bleat", bleat, 4, 0.5),
    _calls("cat", "meow", meow, 4, 0.6),
    _calls("pig", "grunt", grunt, 9, 0.2),
    _calls("pig", "squeal", squeal, 3, 0.3, 12),
    _calls("frog", "croak", croak, 8, 0.4),
    _calls("horse", "neigh", neigh, 2, 0.5),
    _calls("horse", "snort", snort, 3, 0.5, 10),
    _calls("birds", "chirps", chirps, 5, 0.4),
    _calls("birds", "trill", trill, 4, 0.4),
    _calls("birds", "coo", coo, 3, 0.6, 12),
    Kind("insects", "crickets", crickets),
    Kind("insects", "cicada", cicada, 16),
    Kind("insects", "bees", bees, 16),
)
