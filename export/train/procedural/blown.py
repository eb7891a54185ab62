"""What is blown: car horns, air horns, rubber-bulb horns, and whistles of all sorts."""

from __future__ import annotations

import numpy as np
from scipy import signal

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import (
    peak_filter,
    perhaps_room,
    place,
    smooth_curve,
    soft_edges,
    time_axis,
    unit_peak,
)
from export.train.procedural.sources import band_noise, oscillate, phase_of


def _presses(rng: Rng, t: Float64, most: int, shortest_s: float, longest_s: float) -> Float64:
    """A gate of one to `most` presses of uneven length."""
    gate, at = np.zeros_like(t), rng.uniform(0, 0.15)
    for _ in range(int(rng.integers(1, most + 1))):
        length = rng.uniform(shortest_s, longest_s)
        gate[(t >= at) & (t < at + length)] = 1.0
        at += length + rng.uniform(0.08, 0.5)
    return soft_edges(gate, rng.uniform(0.004, 0.03))


def _reed(rng: Rng, gate: Float64, base_hz: float, tilt: float) -> Float64:
    """A diaphragm's comb of harmonics, a little flat until it is up to speed, with a flutter of its level."""
    speed = soft_edges(gate, rng.uniform(0.01, 0.08))
    frequency = base_hz * (0.96 + 0.04 * speed) * (1 + smooth_curve(rng, len(gate), 8, -0.002, 0.002))
    weights = rng.uniform(0.3, 1, 24) / np.arange(1, 25) ** tilt
    return oscillate(frequency, weights) * smooth_curve(rng, len(gate), 12, 0.85, 1)


def _trumpet(rng: Rng, x: Float64) -> Float64:
    """The horn's own resonances, strongest at 1.5–3.5 kHz, and the air about it."""
    x = unit_peak(x)
    x = x + rng.uniform(0.5, 4) * peak_filter(x, rng.uniform(1500, 3500), rng.uniform(1, 4))
    b, a = signal.butter(1, [rng.uniform(200, 500), rng.uniform(4000, 10000)], "bandpass", fs=SAMPLE_RATE)
    return perhaps_room(rng, np.asarray(signal.lfilter(b, a, np.tanh(x))))


def car_horn_two_reeds(rng: Rng) -> Float64:
    """The usual pair, low and high, a third to a fourth apart (about 400 and 500 Hz)."""
    t = time_axis(rng.uniform(0.6, 3.5))
    gate, base = _presses(rng, t, 3, 0.12, 1.5), rng.uniform(300, 480)
    tilt = rng.uniform(0.3, 1.2)
    pair = _reed(rng, gate, base, tilt) + rng.uniform(0.6, 1.2) * _reed(rng, gate, base * rng.uniform(1.18, 1.34), tilt)
    return _trumpet(rng, pair * gate)


def car_horn_single(rng: Rng) -> Float64:
    """A small car's or a scooter's one reed; thin and bright."""
    t = time_axis(rng.uniform(0.5, 3))
    gate = _presses(rng, t, 4, 0.08, 1.0)
    return _trumpet(rng, _reed(rng, gate, rng.uniform(330, 620), rng.uniform(0.1, 0.9)) * gate)


def car_horn_air(rng: Rng) -> Float64:
    """A lorry's or a ship's: two to four pipes of 110–350 Hz, slow to speak, with the hiss of the valve."""
    t = time_axis(rng.uniform(1.2, 5))
    gate, base = _presses(rng, t, 2, 0.4, 3.0), rng.uniform(110, 260)
    out = np.zeros_like(t)
    for ratio in (1.0, rng.uniform(1.18, 1.28), rng.uniform(1.4, 1.52), rng.uniform(1.6, 2.02))[: rng.integers(2, 5)]:
        out += rng.uniform(0.5, 1) * _reed(rng, gate, base * ratio, rng.uniform(0.4, 1.0))
    hiss = band_noise(rng, len(t), 2000, 9000, 1)
    return _trumpet(rng, (out + rng.uniform(0, 0.15) * hiss) * soft_edges(gate, rng.uniform(0.03, 0.15)))


def car_horn_bulb(rng: Rng) -> Float64:
    """A rubber bulb squeezed: one reed whose pitch and level follow the pressure, out and, weaker, in."""
    t = time_axis(rng.uniform(0.6, 3))
    pressure, at = np.zeros_like(t), 0.05
    while at < t[-1] - 0.2:
        for strength, length in ((1.0, rng.uniform(0.12, 0.35)), (rng.uniform(0, 0.5), rng.uniform(0.1, 0.3))):
            squeeze = np.hanning(int(length * SAMPLE_RATE)) ** rng.uniform(0.3, 0.8)
            place(pressure, squeeze, at, strength * rng.uniform(0.8, 1.0))
            at += length
        at += rng.uniform(0.1, 0.9)
    frequency = rng.uniform(250, 620) * (0.85 + 0.15 * np.minimum(pressure, 1))
    reed = oscillate(frequency, rng.uniform(0.2, 1, 16) / np.arange(1, 17) ** rng.uniform(0.1, 0.8))
    formant = peak_filter(reed, rng.uniform(900, 1800), rng.uniform(2, 6))
    return perhaps_room(rng, (reed + rng.uniform(1, 4) * formant) * pressure)


def _blow(rng: Rng, frequency_hz: Float64, level: Float64, breath: float, q: float) -> Float64:
    """A near-sine with a little of its octaves, and breath noise coloured by the same cavity."""
    tone = oscillate(frequency_hz, [1, rng.uniform(0, 0.2), rng.uniform(0, 0.1)])
    rush = rng.standard_normal(len(level))
    centre = float(np.mean(frequency_hz))
    hiss = peak_filter(rush, centre, q) * np.sqrt(q) + 0.15 * peak_filter(rush, min(9000, 2.5 * centre), 1.0)
    return (tone + breath * hiss) * level


def whistle_pea(rng: Rng) -> Float64:
    """A referee's: 2.4–4.5 kHz, the pea trilling pitch and level 20–45 times a second; two near tones; loud breath."""
    t = time_axis(rng.uniform(0.6, 4))
    gate = _presses(rng, t, 3, 0.1, 1.8)
    trill = np.sin(phase_of(rng.uniform(20, 45) * smooth_curve(rng, len(t), 4, 0.85, 1.1)))
    base = rng.uniform(2400, 4500) * (0.9 + 0.1 * soft_edges(gate, 0.05))
    frequency = base * (1 + rng.uniform(0.005, 0.05) * trill)
    level = gate * (1 - rng.uniform(0.1, 0.6) * (0.5 + 0.5 * trill)) * smooth_curve(rng, len(t), 3, 0.6, 1)
    out = _blow(rng, frequency, level, rng.uniform(0.1, 0.8), rng.uniform(3, 12))
    if rng.random() < 0.6:
        out = out + rng.uniform(0.2, 0.9) * oscillate(frequency * rng.uniform(1.02, 1.15)) * level
    return perhaps_room(rng, out)


def whistle_lips(rng: Rng) -> Float64:
    """A whistled tune: 0.6–2.6 kHz, near-sine, notes glided into, vibrato of 4–7 Hz, breath between."""
    t = time_axis()
    at, pitch = 0.0, rng.uniform(0, 8)
    steps, gate = np.zeros_like(t), np.zeros_like(t)
    while at < 5:
        length = rng.choice([0.12, 0.25, 0.25, 0.5, 0.9]) * rng.uniform(0.8, 1.3)
        pitch = float(np.clip(pitch + rng.choice([-5, -2, -1, 1, 2, 4]), -6, 14))
        now = (t >= at) & (t < at + length)
        steps[now] = pitch
        gate[now & (t < at + length * rng.uniform(0.75, 1.05))] = rng.random() < 0.88
        at += length
    glide = soft_edges(soft_edges(steps, rng.uniform(0.02, 0.09)), 0.02)
    vibrato = rng.uniform(0, 0.4) * np.sin(2 * np.pi * rng.uniform(4, 7) * t) * smooth_curve(rng, len(t), 1, 0, 1)
    frequency = rng.uniform(700, 1200) * 2 ** ((glide + vibrato + smooth_curve(rng, len(t), 5, -0.15, 0.15)) / 12)
    level = soft_edges(soft_edges(gate, 0.03), 0.02) * smooth_curve(rng, len(t), 3, 0.4, 1)
    return perhaps_room(rng, _blow(rng, frequency, level, rng.uniform(0.02, 0.3), rng.uniform(4, 15)))


def whistle_call(rng: Rng) -> Float64:
    """Calling with fingers or lips: one to four loud swoops up or down over up to an octave and a half."""
    t = time_axis(rng.uniform(0.7, 3))
    octaves, level, at = np.zeros_like(t), np.zeros_like(t), 0.05
    while at < t[-1] - 0.1:
        length = rng.uniform(0.12, 0.7)
        now = (t >= at) & (t < at + length)
        part = (t[now] - at) / length
        octaves[now] = rng.uniform(-0.7, 0.7) + rng.uniform(-0.9, 0.9) * part + rng.uniform(-0.5, 0.5) * part**2
        level[now] = np.sin(np.pi * part) ** rng.uniform(0.2, 0.7)
        at += length + rng.uniform(0.02, 0.4)
    frequency = rng.uniform(1100, 2400) * 2**octaves
    return perhaps_room(rng, _blow(rng, frequency, level, rng.uniform(0.02, 0.4), rng.uniform(3, 12)), 0.8)


def whistle_slide(rng: Rng) -> Float64:
    """A slide whistle: a stopped pipe (odd partials) drawn up or down over one to two octaves, with much breath."""
    t = time_axis(rng.uniform(0.8, 4))
    travel = np.clip((t / t[-1] - rng.uniform(0, 0.2)) / rng.uniform(0.6, 0.9), 0, 1) ** rng.uniform(0.6, 1.6)
    travel = travel if rng.random() < 0.5 else 1 - travel
    wobble = rng.uniform(0, 0.03) * np.sin(2 * np.pi * rng.uniform(4, 8) * t)
    frequency = rng.uniform(450, 900) * 2 ** (rng.uniform(1, 2) * travel + wobble)
    level = np.minimum(1, np.minimum(t, t[-1] - t) / rng.uniform(0.02, 0.1)) * smooth_curve(rng, len(t), 4, 0.5, 1)
    tone = oscillate(frequency, [1, 0.05, rng.uniform(0.05, 0.4), 0, rng.uniform(0, 0.15)])
    breath = band_noise(rng, len(t), rng.uniform(800, 3000), rng.uniform(6000, 14000), 1)
    return perhaps_room(rng, (tone + rng.uniform(0.05, 0.6) * breath) * level)


def whistle_kettle(rng: Rng) -> Float64:
    """A kettle coming to the boil: hiss, then a tone that climbs to 1.5–4 kHz and wavers, at times two tones."""
    t = time_axis(rng.uniform(3, 5))
    boil = 1 / (1 + np.exp(-(t - rng.uniform(-0.5, 2.0)) / rng.uniform(0.15, 0.6)))
    frequency = rng.uniform(1500, 4000) * (0.6 + 0.4 * boil) * (1 + smooth_curve(rng, len(t), 9, -0.01, 0.01))
    out = _blow(rng, frequency, boil * smooth_curve(rng, len(t), 6, 0.6, 1), rng.uniform(0.1, 0.5), rng.uniform(3, 10))
    if rng.random() < 0.5:
        out = out + rng.uniform(0.2, 0.8) * oscillate(frequency * rng.uniform(1.1, 1.6)) * boil**3
    return out + rng.uniform(0.02, 0.2) * band_noise(rng, len(t), 1500, 12000, 1) * (0.3 + 0.7 * boil)


KINDS: tuple[Kind, ...] = (
    Kind("car horn", "two reeds", car_horn_two_reeds), Kind("car horn", "single", car_horn_single),
    Kind("car horn", "air", car_horn_air), Kind("car horn", "bulb", car_horn_bulb),
    Kind("whistle", "pea", whistle_pea), Kind("whistle", "lips", whistle_lips), Kind("whistle", "call", whistle_call),
    Kind("whistle", "slide", whistle_slide), Kind("whistle", "kettle", whistle_kettle),
)  # fmt: skip
