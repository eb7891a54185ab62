"""What bursts: explosions, gunfire, fireworks."""

from __future__ import annotations

import numpy as np

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import perhaps_room, place, room, smooth_curve, time_axis, unit_peak
from export.train.procedural.sources import band_noise, burst, falling_noise, oscillate


def _bang(rng: Rng, seconds: float, size: float, near: float, pitch: float = 1.0) -> Float64:
    """A pressure wave: the bigger (`size`) the longer, the farther (`near` 0) the duller; `pitch` scales the bands."""
    dull = 0.3 + 0.7 * near
    bands = [
        (20 * pitch, 90 * pitch, 0.45 * size, 1.0),
        (60 * pitch, 300 * pitch, 0.3 * size, rng.uniform(0.4, 1)),
        (200 * pitch, 1200 * pitch, 0.18 * size, rng.uniform(0.2, 0.7) * dull),
        (1000, 5000, 0.07 * size, rng.uniform(0.2, 0.6) * near),
        (4000, 14000, 0.03 * size, rng.uniform(0.1, 0.5) * near),
    ]
    blast = unit_peak(falling_noise(rng, seconds, bands))
    rise = max(2, int((0.0005 + 0.02 * (1 - near) ** 2) * SAMPLE_RATE))
    blast[:rise] *= np.linspace(0, 1, rise)
    return np.tanh(rng.uniform(1, 4) * blast)


def _echoes(rng: Rng, x: Float64, count: int) -> Float64:
    """The blast come back from walls and hills: later, weaker, smeared."""
    out = x.copy()
    for _ in range(count):
        far_s = rng.uniform(0.08, 1.2)
        place(out, room(rng, x, 1.0, 0.1), far_s, rng.uniform(0.1, 0.4) * np.exp(-far_s))
    return out


def explosion_blast(rng: Rng) -> Float64:
    """One burst whose highs die first, a rumble that rolls on, and debris."""
    out = np.zeros_like(time_axis(rng.uniform(2, 5)))
    size = rng.uniform(0.6, 3)
    at = rng.uniform(0, 0.3)
    place(out, _bang(rng, 4.0, size, rng.uniform(0.4, 1)), at)
    roll = band_noise(rng, len(out), 20, rng.uniform(80, 250), 1) * smooth_curve(rng, len(out), 8, 0.1, 1)
    tail = np.exp(-time_axis(len(out) / SAMPLE_RATE) / (0.8 * size))
    place(out, roll[: len(tail)] * tail, at, rng.uniform(0.05, 0.3))
    if rng.random() < 0.5:
        for later in rng.exponential(0.7, int(rng.integers(10, 60))):
            place(out, burst(rng, 300, rng.uniform(2000, 9000), rng.uniform(0.002, 0.02)), at + later, 0.04)
    return perhaps_room(rng, out)


def explosion_distant(rng: Rng) -> Float64:
    """One to three far booms below 300 Hz, soft of onset, with echoes."""
    out = np.zeros_like(time_axis(rng.uniform(2.5, 5)))
    for _ in range(int(rng.integers(1, 4))):
        boom = _bang(rng, 3.0, rng.uniform(0.8, 2.5), rng.uniform(0, 0.3))
        place(out, boom, rng.uniform(0, 2), rng.uniform(0.4, 1))
    return _echoes(rng, out, int(rng.integers(1, 4)))


def explosion_gunfire(rng: Rng) -> Float64:
    """Single shots or a volley of 5–14 a second: a crack of a few ms to 10 kHz, a short boom, echoes."""
    out = np.zeros_like(time_axis(rng.uniform(0.8, 4)))
    size, near, pitch = rng.uniform(0.08, 0.4), rng.uniform(0.5, 1), rng.uniform(1, 5)
    shots = [_bang(rng, 1.0, size, near, pitch) for _ in range(3)]
    crack = [unit_peak(burst(rng, 600, 12000, rng.uniform(0.001, 0.004))) for _ in range(3)]
    gap_s, at = rng.choice([1 / rng.uniform(5, 14), rng.uniform(0.3, 1.2), 9.0]), 0.03
    while at < len(out) / SAMPLE_RATE - 0.4:
        shot = int(rng.integers(3))
        place(out, shots[shot], at, rng.uniform(0.6, 1))
        place(out, crack[shot], at, rng.uniform(0.2, 0.9))
        at += gap_s * rng.uniform(0.9, 1.15)
    return _echoes(rng, perhaps_room(rng, out), int(rng.integers(0, 3)))


def _crackle(rng: Rng, seconds: float, rate_hz: float) -> Float64:
    """Hundreds of little bangs that thin out; burning stars."""
    out = np.zeros_like(time_axis(seconds))
    pops = [unit_peak(burst(rng, rng.uniform(400, 2500), 13000, rng.uniform(0.0006, 0.006))) for _ in range(12)]
    for at in rng.beta(1.3, 2.2, int(rate_hz * seconds)) * seconds:
        place(out, pops[int(rng.integers(12))], float(at), rng.uniform(0.05, 1) ** 2)
    return out


def fireworks_rocket(rng: Rng) -> Float64:
    """The rise (a hiss or a screech of 0.8–4 kHz), a moment's quiet, the bang, the crackle of stars."""
    out = np.zeros_like(time_axis())
    rise_s = rng.uniform(0.5, 1.8)
    t = time_axis(rise_s)
    part = t / rise_s
    octaves = rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 1.4) * part
    wobble = rng.uniform(0, 0.04) * np.sin(2 * np.pi * rng.uniform(5, 25) * t)
    screech = oscillate(rng.uniform(900, 2500) * 2 ** (octaves + wobble), [1, rng.uniform(0, 0.5), rng.uniform(0, 0.3)])
    hiss = band_noise(rng, len(t), rng.uniform(500, 2000), rng.uniform(5000, 14000), 1)
    flight = rng.choice([0.0, rng.uniform(0.2, 1)]) * screech + rng.uniform(0.1, 0.6) * hiss
    place(out, flight * np.sin(np.pi * part) ** 0.5, 0.05, rng.uniform(0.1, 0.4))
    bang_s = 0.05 + rise_s + rng.uniform(0, 0.4)
    place(out, _bang(rng, 2.5, rng.uniform(0.3, 1.5), rng.uniform(0.3, 1), rng.uniform(1, 6)), bang_s)
    if rng.random() < 0.7:
        place(out, _crackle(rng, 2.5, rng.uniform(20, 250)), bang_s + rng.uniform(0.05, 0.5), rng.uniform(0.1, 0.7))
    return _echoes(rng, out, int(rng.integers(0, 3)))


def fireworks_salvo(rng: Rng) -> Float64:
    """A display: three to sixteen bangs near and far, over crackle and echoes."""
    out = np.zeros_like(time_axis())
    bangs = [_bang(rng, 1.5, rng.uniform(0.2, 1.2), rng.uniform(0.1, 1), rng.uniform(1, 6)) for _ in range(3)]
    for at in rng.uniform(0, 4.6, int(rng.integers(3, 17))):
        place(out, bangs[int(rng.integers(3))], float(at), rng.uniform(0.15, 1))
        if rng.random() < 0.4:
            stars = _crackle(rng, rng.uniform(0.4, 1.8), rng.uniform(30, 150))
            place(out, stars, float(at) + 0.2, rng.uniform(0.05, 0.5))
    return _echoes(rng, out, int(rng.integers(1, 3)))


def fireworks_crackers(rng: Rng) -> Float64:
    """A string of firecrackers: 6–30 sharp reports a second, uneven, at times many at once."""
    out = np.zeros_like(time_axis(rng.uniform(2, 5)))
    reports = []
    for _ in range(6):
        report = _bang(rng, 0.4, rng.uniform(0.03, 0.15), 1.0, rng.uniform(3, 8))
        place(report, unit_peak(burst(rng, 800, 14000, rng.uniform(0.001, 0.004))), 0.0, rng.uniform(0.5, 1.5))
        reports.append(report)
    at, rate_hz = 0.05, rng.uniform(6, 30)
    while at < len(out) / SAMPLE_RATE - 0.3:
        place(out, reports[int(rng.integers(6))], at, rng.uniform(0.2, 1))
        at += rng.exponential(1 / rate_hz)
    return room(rng, out, decay_s=rng.uniform(0.05, 0.5))


KINDS: tuple[Kind, ...] = (
    Kind("explosion", "blast", explosion_blast), Kind("explosion", "distant", explosion_distant),
    Kind("explosion", "gunfire", explosion_gunfire), Kind("fireworks", "rocket", fireworks_rocket),
    Kind("fireworks", "salvo", fireworks_salvo), Kind("fireworks", "crackers", fireworks_crackers),
)  # fmt: skip
