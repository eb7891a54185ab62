"""What rings when it is struck or broken: bells, glass, cymbals and gongs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import perhaps_room, place, smooth_curve, time_axis, unit_peak
from export.train.procedural.sources import band_noise, burst, drawn_body, falling_noise, phase_of, strike

CHURCH = (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.67, 3.0, 4.0, 5.33, 6.67)
"""Partials of a tuned bell over its prime: hum, prime, tierce, quint, nominal, and those above."""


def _bell(rng: Rng, prime_hz: float, ratios: Sequence[float], spread: float, decay_s: float, seconds: float) -> Float64:
    """A bell's stroke: each partial split in two near ones, for no casting is round, and the clapper's knock."""
    ratio = np.repeat(np.array(ratios) * rng.normal(1, spread, len(ratios)), 2)
    ratio[1::2] *= 1 + rng.uniform(0.0002, 0.003, len(ratios))
    weights = rng.uniform(0.1, 1, len(ratio)) / ratio ** rng.uniform(0.0, 0.9)
    out = unit_peak(strike(rng, prime_hz * ratio, decay_s / ratio ** rng.uniform(0.4, 1.0), weights, seconds))
    place(out, unit_peak(burst(rng, 800, 9000, rng.uniform(0.001, 0.006))), 0.0, rng.uniform(0.02, 0.4))
    return out


def bell_church(rng: Rng) -> Float64:
    """A tuned bell of 150–700 Hz, tolled; at times a second one rings with it."""
    out = np.zeros_like(time_axis())
    gap_s = rng.uniform(0.7, 2.5)
    for _ in range(int(rng.integers(1, 3))):
        toll = _bell(rng, rng.uniform(150, 700), CHURCH, 0.006, rng.uniform(1.0, 4.0), 4.0)
        for at in np.arange(rng.uniform(0, 0.6), 4.6, gap_s * rng.uniform(0.9, 1.1)):
            place(out, toll, at + rng.normal(0, 0.02), rng.uniform(0.5, 1))
    return perhaps_room(rng, out, 0.7)


def bell_hand(rng: Rng) -> Float64:
    """A hand bell or a shop's: 700–3000 Hz, shaken or struck once."""
    out = np.zeros_like(time_axis())
    stroke = _bell(rng, rng.uniform(700, 3000), (1.0, 2.0, 2.76, 3.01, 4.1, 5.4), 0.03, rng.uniform(0.2, 1.4), 2.5)
    gap_s = rng.choice([rng.uniform(0.09, 0.3), rng.uniform(0.6, 2.0), 9.0])
    at, end = rng.uniform(0, 0.3), rng.uniform(1, 4.5)
    while at < end:
        place(out, stroke, at, rng.uniform(0.3, 1))
        at += gap_s * rng.uniform(0.7, 1.3)
    return perhaps_room(rng, out)


def bell_wind_chimes(rng: Rng) -> Float64:
    """Four to nine tubes (free-free partials) that the wind knocks together in gusts."""
    t = time_axis()
    out, lowest = np.zeros_like(t), rng.uniform(500, 2600)
    free = (1.0, 2.756, 5.404, 8.933)
    tubes = [
        _bell(rng, lowest * 2 ** (rng.integers(0, 20) / 12), free, 0.01, rng.uniform(0.3, 1.8), 2.5)
        for _ in range(int(rng.integers(4, 10)))
    ]
    gusts, at = smooth_curve(rng, len(t), 0.8, 0.02, 1.0), 0.0
    while at < 4.9:
        gust = gusts[int(at / 5 * len(t))]
        place(out, tubes[int(rng.integers(len(tubes)))], at, gust * rng.uniform(0.2, 1))
        at += rng.exponential(rng.uniform(0.04, 0.3)) / gust**0.5
    return perhaps_room(rng, out, 0.3)


def bell_bicycle(rng: Rng) -> Float64:
    """The thumb bell: a 1.8–4.5 kHz cup struck in a short roll by the spinning clappers, "dring-dring"."""
    out = np.zeros_like(time_axis(rng.uniform(1.2, 4)))
    cup = _bell(rng, rng.uniform(1800, 4500), (1.0, 1.51, 2.3, 2.9, 3.6), 0.02, rng.uniform(0.08, 0.7), 1.5)
    at = 0.05
    for _ in range(int(rng.integers(1, 5))):
        gap_s = rng.uniform(0.02, 0.05)
        for stroke in range(int(rng.integers(1, 9))):
            place(out, cup, at, rng.uniform(0.5, 1) * 0.93**stroke)
            at += gap_s * rng.uniform(0.8, 1.2) * (1 + 0.04 * stroke)
        at += rng.uniform(0.1, 0.6)
    return perhaps_room(rng, out)


def bell_cow(rng: Rng) -> Float64:
    """Sheet iron of 400–1300 Hz with little ring, clonking as the animal walks; at times several."""
    t = time_axis()
    out = np.zeros_like(t)
    for _ in range(int(rng.integers(1, 4))):
        base = rng.uniform(400, 1300)
        clonk = _bell(rng, base, (1.0, 1.48, 2.0, 2.6, 3.4, 4.3), 0.05, rng.uniform(0.05, 0.35), 1.5)
        loud, at = rng.uniform(0.3, 1), rng.uniform(0, 0.8)
        while at < 4.8:
            place(out, clonk, at, loud * rng.uniform(0.15, 1))
            at += rng.gamma(2.0, rng.uniform(0.1, 0.3))
    return perhaps_room(rng, out, 0.3)


def bell_metal_hits(rng: Rng) -> Float64:
    """Bars, pipes and pans of metal, struck one after another: 0.1–1 s, each of its own modes."""
    out = np.zeros_like(time_axis(rng.uniform(0.8, 4)))
    lowest, decay_s = rng.uniform(600, 2500), rng.uniform(0.05, 0.4)
    bodies = [drawn_body(rng, int(rng.integers(3, 12)), (lowest, 12000), (decay_s, 2 * decay_s)) for _ in range(3)]
    at = 0.02
    while at < len(out) / SAMPLE_RATE - 0.1:
        place(out, bodies[int(rng.integers(3))].hit(rng), at, rng.uniform(0.3, 1))
        at += rng.choice([0.12, 0.25, 0.5, 1.0]) * rng.uniform(0.8, 1.5)
    return perhaps_room(rng, out)


def glass_clink(rng: Rng) -> Float64:
    """Two glasses touching: each its own few high modes (the rim's: 1, 2.3, 4.2 …), ringing 0.05–0.8 s."""
    out = np.zeros_like(time_axis(rng.uniform(0.8, 4)))
    rim = np.array([1, 2.32, 4.25, 6.63])
    bases = rng.uniform(900, 4000, 2)
    at = 0.02
    while at < len(out) / SAMPLE_RATE - 0.1:
        for base in bases:
            decay_s = rng.uniform(0.05, 0.8) / rim**0.6
            place(out, strike(rng, base * rim, decay_s, rng.uniform(0.1, 1, 4), 1.5), at, rng.uniform(0.3, 1))
        place(out, unit_peak(burst(rng, 2000, 12000, 0.001)), at, rng.uniform(0.1, 0.6))
        at += rng.choice([0.06, 0.3, 0.9]) * rng.uniform(0.6, 1.6)
    return perhaps_room(rng, out)


def glass_shatter(rng: Rng) -> Float64:
    """A pane breaks: a crack of noise, dozens of shards of 2–14 kHz at once, then fewer and fewer falling."""
    out = np.zeros_like(time_axis(rng.uniform(0.9, 3.5)))
    crack = [(300, 2500, rng.uniform(0.01, 0.05), rng.uniform(0, 1)), (3000, 16000, rng.uniform(0.03, 0.2), 0.7)]
    place(out, falling_noise(rng, 1.2, crack), 0.03)
    lowest, decay_s = rng.uniform(1500, 4500), rng.uniform(0.01, 0.06)
    shards = [drawn_body(rng, 4, (lowest, 15000), (decay_s, 3 * decay_s), (3000, 18000)) for _ in range(14)]
    tinkles = [shard.hit(rng) for shard in shards for _ in range(2)]
    fall_s = rng.uniform(0.12, 0.6)
    for at in rng.exponential(fall_s, int(rng.integers(40, 180))):
        tinkle = tinkles[int(rng.integers(len(tinkles)))]
        place(out, tinkle, 0.03 + at, rng.uniform(0.1, 1.2) * np.exp(-at / fall_s / 2))
    return perhaps_room(rng, out)


def glass_bottle(rng: Rng) -> Float64:
    """Bottles set down or knocked: the wall's high modes over the hollow hoot of the neck (130–500 Hz)."""
    out = np.zeros_like(time_axis(rng.uniform(0.6, 3.5)))
    wall = drawn_body(rng, 7, (rng.uniform(900, 2600), 11000), (0.02, 0.2), (1000, 12000))
    hollow = strike(rng, np.array([rng.uniform(130, 500)]), np.array([0.04]), np.array([0.4]), 0.3)
    at = 0.02
    while at < len(out) / SAMPLE_RATE - 0.1:
        loud = rng.uniform(0.3, 1)
        place(out, wall.hit(rng), at, loud)
        place(out, hollow, at, loud * rng.uniform(0, 1))
        at += rng.choice([0.08, 0.4, 1.2]) * rng.uniform(0.6, 1.5)
    return perhaps_room(rng, out)


def glass_rubbed(rng: Rng) -> Float64:
    """A rim rubbed with a wet finger: one near-sine of 0.5–2.2 kHz that swells with each round, a little scrape."""
    t = time_axis(rng.uniform(2, 5))
    base, turn_hz = rng.uniform(500, 2200), rng.uniform(0.5, 2)
    swell = smooth_curve(rng, len(t), 1, 0.3, 1) * (1 - rng.uniform(0, 0.5) * np.sin(np.pi * turn_hz * t) ** 2)
    phase = phase_of(base * (1 + smooth_curve(rng, len(t), 3, -0.001, 0.001)))
    tone = np.sin(phase) + rng.uniform(0, 0.1) * np.sin(2 * phase) + rng.uniform(0, 0.2) * np.sin(2.32 * phase)
    scrape = rng.uniform(0, 0.03) * band_noise(rng, len(t), 1000, 8000, 1)
    fade = np.minimum(1, np.minimum(t / rng.uniform(0.2, 0.8), (t[-1] - t) / 0.3))
    return perhaps_room(rng, (tone + scrape) * swell * fade)


def _plate(rng: Rng, partials: int, low_hz: float, high_hz: float, decay_s: float, seconds: float) -> Float64:
    """A thin plate's crowd of modes, evenly dense over frequency, the high ones gone first."""
    frequency_hz = rng.uniform(low_hz, high_hz, partials)
    decays = decay_s * (frequency_hz / low_hz) ** -rng.uniform(0.3, 0.8) * rng.uniform(0.5, 1.5, partials)
    weights = rng.exponential(1, partials) * (frequency_hz / low_hz) ** -rng.uniform(0.2, 0.9)
    return unit_peak(strike(rng, frequency_hz, decays, weights, seconds))


def cymbal_crash(rng: Rng) -> Float64:
    """A crash or a china: hundreds of modes and a wash of noise that darkens over a second or three."""
    seconds = rng.uniform(1.5, 5)
    out = _plate(rng, 260, rng.uniform(200, 700), 14000, rng.uniform(0.5, 3), seconds)
    wash = [(400, 3000, rng.uniform(0.3, 1.2), 0.7), (3000, 9000, rng.uniform(0.2, 0.9), 1.0), (8000, 18000, 0.2, 0.6)]
    out += rng.uniform(0.1, 0.5) * unit_peak(falling_noise(rng, seconds, wash))
    return perhaps_room(rng, out)


def cymbal_hi_hat(rng: Rng) -> Float64:
    """Closed hi-hats in eighths or sixteenths with accents, some half open."""
    out = np.zeros_like(time_axis(rng.uniform(1.5, 5)))
    closed_s, low = rng.uniform(0.015, 0.07), rng.uniform(2500, 6000)
    hats = []
    for decay_s in (closed_s, closed_s * 1.3, rng.uniform(0.15, 0.5)):
        hat = unit_peak(_plate(rng, 90, low / 3, 16000, decay_s, 6 * decay_s))
        hats.append(hat + unit_peak(falling_noise(rng, 6 * decay_s, [(low, 17000, decay_s, 1.0)])))
    beat = rng.uniform(0.1, 0.3)
    for number, at in enumerate(np.arange(0.02, len(out) / SAMPLE_RATE, beat)):
        if rng.random() < 0.88:
            hat = hats[int(rng.choice([0, 0, 0, 1, 1, 2]))]
            place(out, hat, float(at) + rng.normal(0, 0.004), (1.0 if number % 2 == 0 else 0.6) * rng.uniform(0.5, 1))
    return perhaps_room(rng, out, 0.4)


def cymbal_ride(rng: Rng) -> Float64:
    """A ride: the stick's "ping" over a quiet long wash, beat after beat."""
    out = np.zeros_like(time_axis())
    low = rng.uniform(350, 900)
    frequency_hz = rng.uniform(low, 11000, 110)
    weights, decay_s = rng.exponential(1, 110), rng.uniform(0.3, 1.2) * rng.uniform(0.4, 1.3, 110)
    beat, at = rng.uniform(0.2, 0.7), 0.02
    pings = [unit_peak(strike(rng, frequency_hz, decay_s, weights * rng.uniform(0.4, 1.2, 110), 2.0)) for _ in "abc"]
    while at < 4.9:
        place(out, pings[int(rng.integers(3))], at, rng.uniform(0.4, 1))
        place(out, unit_peak(burst(rng, 3000, 14000, 0.003)), at, rng.uniform(0.2, 0.8))
        at += beat * rng.choice([0.5, 1, 1, 1]) * rng.uniform(0.97, 1.03)
    return perhaps_room(rng, out, 0.4)


def cymbal_gong(rng: Rng) -> Float64:
    """A gong of 60–300 Hz: the low modes at once, the high ones blooming after a tenth to half a second."""
    seconds, low = rng.uniform(3, 5), rng.uniform(60, 300)
    t = time_axis(seconds)
    deep = strike(rng, low * np.sort(rng.uniform(1, 6, 14)), rng.uniform(1, 5, 14), rng.uniform(0.2, 1, 14), seconds)
    shimmer = _plate(rng, 180, low * 5, rng.uniform(3000, 9000), rng.uniform(0.8, 2.5), seconds)
    bloom = 1 - np.exp(-t / rng.uniform(0.05, 0.5))
    return perhaps_room(rng, unit_peak(deep) + rng.uniform(0.1, 1.0) * shimmer * bloom[: len(shimmer)])


def cymbal_roll(rng: Rng) -> Float64:
    """Soft mallets rolling to a swell, at times choked at its height."""
    t = time_axis(rng.uniform(2.5, 5))
    low = rng.uniform(250, 700)
    plate = _plate(rng, 150, low, 12000, rng.uniform(0.3, 0.9), 1.5)
    out, swell = np.zeros_like(t), rng.uniform(1.5, 4.5)
    for at in np.arange(0, min(swell, t[-1]), rng.uniform(0.05, 0.11)):
        place(out, plate, float(at) + abs(rng.normal(0, 0.008)), (0.05 + at / swell) ** 1.5 * rng.uniform(0.6, 1))
    if rng.random() < 0.3:
        out *= np.exp(-np.maximum(0, t - swell) / 0.05)
    return perhaps_room(rng, out)


KINDS: tuple[Kind, ...] = (
    Kind("bell", "church", bell_church), Kind("bell", "hand", bell_hand),
    Kind("bell", "wind chimes", bell_wind_chimes), Kind("bell", "bicycle", bell_bicycle),
    Kind("bell", "cow", bell_cow), Kind("bell", "metal hits", bell_metal_hits),
    Kind("glass", "clink", glass_clink), Kind("glass", "shatter", glass_shatter),
    Kind("glass", "bottle", glass_bottle), Kind("glass", "rubbed", glass_rubbed),
    Kind("cymbal", "crash", cymbal_crash), Kind("cymbal", "hi hat", cymbal_hi_hat),
    Kind("cymbal", "ride", cymbal_ride), Kind("cymbal", "gong", cymbal_gong), Kind("cymbal", "roll", cymbal_roll),
)  # fmt: skip
