"""Weather and water by formula: wind, water, sea waves, rain, thunder, fire."""

from __future__ import annotations

from functools import partial

import numpy as np

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import (
    BINS_HZ,
    CLIP_S,
    CLIP_SAMPLES,
    fades,
    frame_middles,
    humps,
    impulses,
    one_pole,
    random_moments,
    recolour,
    resonances,
    reverb,
    scatter,
    sculpt,
    seconds_of,
    unit_rms,
    zigzag,
)
from export.train.procedural.sources import coloured_noise

N = CLIP_SAMPLES


def breeze(rng: Rng) -> Float64:
    """Noise of a broad hump whose pitch and loudness wander together: a stronger wind is a brighter one."""
    speed = zigzag(rng, N, rng.uniform(0.8, 2.5), 0.15, 1.0)
    at = frame_middles(N)
    top = rng.uniform(300, 1500) * (0.5 + speed[at])
    noise = coloured_noise(rng, N, rng.uniform(-5, -2), rng.uniform(40, 150))
    gain = 1 / (1 + (np.maximum(BINS_HZ, 1)[None] / top[:, None]) ** rng.uniform(1, 2))
    return sculpt(noise, gain) * speed ** rng.uniform(0.7, 2)


def howl(rng: Rng) -> Float64:
    """Wind in a chimney or gap: one to three sharp resonances that wander with its speed, over a duller roar."""
    speed = zigzag(rng, N, rng.uniform(0.7, 2.0), 0.2, 1.0)
    at = frame_middles(N)
    count = int(rng.integers(1, 4))
    base = rng.uniform(250, 900) * rng.uniform(1.0, 2.2, count)
    centres = base[None] * (0.6 + rng.uniform(0.4, 1.0) * speed[at][:, None])
    noise = coloured_noise(rng, N, rng.uniform(-3, 0), 80)
    whistle = sculpt(noise, humps(centres, rng.uniform(25, 140, count), rng.uniform(0.3, 1, count)))
    roar = coloured_noise(rng, N, rng.uniform(-6, -3), 50, 3000)
    return unit_rms(whistle * speed**2) + rng.uniform(0.2, 1.5) * unit_rms(roar * speed)


def gusts(rng: Rng) -> Float64:
    """Wind upon a microphone: buffeting below 150 Hz in bursts, and what else blows."""
    speed = zigzag(rng, N, rng.uniform(1, 4), 0.0, 1.0)
    buffet = coloured_noise(rng, N, rng.uniform(-9, -5), rng.uniform(15, 40), rng.uniform(90, 400)) * one_pole(
        np.clip(rng.standard_normal(N) * 20 * speed, 0, None), 0.05
    )
    return unit_rms(buffet * speed) + rng.uniform(0.2, 0.9) * unit_rms(breeze(rng) * (0.3 + speed))


def leaves(rng: Rng) -> Float64:
    """Wind in trees: a high hiss of a great many leaves that swells with the gusts."""
    speed = zigzag(rng, N, rng.uniform(0.6, 2), 0.1, 1.0)
    hiss = coloured_noise(rng, N, rng.uniform(-3, 1), rng.uniform(500, 2000), rng.uniform(5000, 12_000))
    rustle = recolour(impulses(N, at := random_moments(rng, N, 400), rng.exponential(1, len(at))), 2, 1500, 9000)
    out = unit_rms((hiss + rng.uniform(0.1, 0.8) * unit_rms(rustle)) * speed**1.5)
    return out + rng.uniform(0.1, 0.6) * unit_rms(breeze(rng))


def bubble(rng: Rng, hz: float, rise: float) -> Float64:
    """A bubble: a sine of Minnaert's (1933) frequency, 3 m/s over its radius, damped as van den Doel (2005) gives it;
    near the surface its pitch rises."""
    radius = 3.0 / hz
    damping = 0.13 / radius + 0.0072 * radius**-1.5
    t = seconds_of(int(min(5 / damping, 0.25) * SAMPLE_RATE) + 48)
    cycles = hz * (t + rise * damping * t**2 / 2)
    return np.asarray(np.sin(2 * np.pi * cycles) * np.exp(-damping * t) * np.minimum(t / 0.0006, 1))


def bubbles(rng: Rng, low_hz: float, high_hz: float, rate: Float64, rise: float = 0.15) -> Float64:
    """Bubbles at the rate per second given per sample: few large and many small ones, larger ones louder."""
    hz = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), 70))
    pool = [bubble(rng, float(f), rise * rng.uniform(0, 2)) * (low_hz / f) ** 0.4 for f in hz]
    fires = np.flatnonzero(rng.random(N) < rate / SAMPLE_RATE)
    return scatter(N, fires, pool, rng.lognormal(0, 0.9, len(fires)), rng)


def pouring(rng: Rng) -> Float64:
    """Into a vessel: bubbles, a jet's hiss, and the air column's resonance that rises while the vessel fills."""
    rate = rng.uniform(80, 350) * zigzag(rng, N, 2, 0.5, 1.0)
    wet = bubbles(rng, rng.uniform(250, 600), rng.uniform(1500, 4500), rate)
    hiss = coloured_noise(rng, N, rng.uniform(-3, 0), 800, rng.uniform(5000, 14_000)) * zigzag(rng, N, 6, 0.5, 1.0)
    both = unit_rms(wet) + rng.uniform(0.08, 0.4) * hiss
    filling = np.linspace(rng.uniform(250, 600), rng.uniform(700, 1800), len(frame_middles(N)))[:, None]
    ring = humps(filling * np.array([1.0, 3.0]), np.array([90.0, 250.0]), np.array([rng.uniform(0.5, 4), 0.5]), 0.4)
    return sculpt(both, ring) * fades(N, rng.uniform(0.05, 0.5), rng.uniform(0.1, 1.0))


def stream(rng: Rng) -> Float64:
    """A brook: bubbles of all sizes without end, over a murmur of broad noise."""
    rate = rng.uniform(150, 700) * zigzag(rng, N, 3, 0.5, 1.0)
    wet = bubbles(rng, rng.uniform(200, 500), rng.uniform(1200, 4000), rate, 0.05)
    murmur = coloured_noise(rng, N, rng.uniform(-6, -2), rng.uniform(150, 400), rng.uniform(2500, 9000))
    return unit_rms(wet) + rng.uniform(0.2, 1.2) * murmur * zigzag(rng, N, 5, 0.7, 1.0)


def river(rng: Rng) -> Float64:
    """A river or fall: so many bubbles that they are noise, with a broad hump at 300–1200 Hz."""
    hump = resonances(
        coloured_noise(rng, N), [rng.uniform(250, 1200), rng.uniform(1500, 4000)], [600, 2500], [1, 0.4], 0.05
    )
    wet = bubbles(rng, 250, 2500, np.full(N, 200.0))
    roar = coloured_noise(rng, N, rng.uniform(-6, -2), 80, rng.uniform(3000, 12_000))
    return unit_rms(hump) + rng.uniform(0.2, 0.8) * unit_rms(wet) + rng.uniform(0.2, 1) * roar


def drips(rng: Rng) -> Float64:
    """Drops into a basin: a tick of impact, then a bubble, in a room that rings."""
    at = np.sort(np.cumsum(rng.gamma(rng.uniform(1, 12), 1, 40)))
    at = (at / at[-1] * rng.uniform(1.0, 6.0) * N).astype(np.int64)
    at = at[at < N - 4000]
    own = rng.uniform(500, 2200)
    drops = [np.concatenate([np.zeros(int(rng.uniform(200, 1500))), bubble(rng, own * rng.uniform(0.8, 1.3), 0.3)])
             for _ in range(8)]  # fmt: skip
    out = scatter(N, at, drops, rng.uniform(0.2, 1, len(at)), rng)
    out += 0.5 * recolour(impulses(N, at, rng.uniform(0.2, 1.0, len(at))), 0, 2000, 9000)
    wet = rng.uniform(0, 0.5)
    return reverb(rng, out, rng.uniform(0.2, 2), wet) + rng.uniform(0.001, 0.02) * coloured_noise(rng, N, -4)


def splash(rng: Rng) -> Float64:
    """Something falls in or water is thrown: bursts of noise that darken, then bubbles that thin out."""
    out, t = np.zeros(N), seconds_of(N)
    rate = np.zeros(N)
    for start in rng.uniform(0, 4, int(rng.integers(1, 7))):
        since = t - start
        after = np.where(since > 0, np.exp(-np.maximum(since, 0) / rng.uniform(0.08, 0.4)), 0)
        out += rng.uniform(0.4, 1) * after * coloured_noise(rng, N, rng.uniform(-4, 0), 200, rng.uniform(4000, 12_000))
        rate += rng.uniform(60, 500) * np.where(since > 0, np.exp(-np.maximum(since, 0) / rng.uniform(0.2, 0.8)), 0)
    return one_pole(out, 0.00003) + rng.uniform(0.4, 2) * bubbles(rng, rng.uniform(200, 500), 3000, rate)


def bubbling(rng: Rng) -> Float64:
    """Boiling, a fish tank, blowing through a straw: large bubbles of nearly one size, in groups."""
    rate = rng.uniform(8, 90) * zigzag(rng, N, rng.uniform(2, 9), 0, 1.0) ** 2 * 2
    low = rng.uniform(150, 700)
    return bubbles(rng, low, low * rng.uniform(1.5, 4), rate, 0.25) + rng.uniform(0, 0.06) * coloured_noise(rng, N, -3)


def surf(rng: Rng) -> Float64:
    """Waves upon a beach: swells of noise every 2–8 s, which brighten as they break and hiss as they run back."""
    t, out = seconds_of(N), rng.uniform(0.05, 0.3) * coloured_noise(rng, N, -5, 40, 5000)
    at = rng.uniform(-2.5, 1.5)
    while at < CLIP_S:
        rise, fall = rng.uniform(0.5, 2.0), rng.uniform(0.7, 2.5)
        swell = np.where(
            t < at + rise, np.exp(-(((t - at - rise) / (rise / 1.7)) ** 2)), np.exp(-(t - at - rise) / fall)
        )
        hiss = np.where(t > at + rise, np.minimum((t - at - rise) * 2, 1), 0) * swell
        out += rng.uniform(0.5, 1) * swell * coloured_noise(rng, N, rng.uniform(-6, -3), 40, rng.uniform(2000, 9000))
        out += rng.uniform(0.1, 0.5) * hiss * coloured_noise(rng, N, -1, 1500, 12_000)
        at += rng.uniform(2.0, 8.0)
    return out * zigzag(rng, N, 8, 0.8, 1.0)


def rain(rng: Rng, drops_per_s: float, low_hz: float) -> Float64:
    """Drops upon a surface, heavy ones rare, over the hiss of those too many to hear."""
    at = random_moments(rng, N, drops_per_s * rng.uniform(0.4, 2))
    struck = impulses(N, at, rng.lognormal(0, 1.0, len(at)) * rng.choice([-1, 1], len(at)))
    centres, widths = list(low_hz * rng.uniform(0.7, 6, 3)), list(rng.uniform(400, 3000, 3))
    drops = resonances(struck, centres, widths, [1, 0.7, 0.6], 0.2)
    hiss = coloured_noise(rng, N, rng.uniform(-3, 1.5), rng.uniform(200, 1500), rng.uniform(5000, 15_000))
    return rng.uniform(0.3, 1.0) * unit_rms(drops) + rng.uniform(0.3, 1) * hiss * zigzag(rng, N, 2, 0.8, 1.0)


def thunder(rng: Rng, near: float) -> Float64:
    """A crack where it is near, then a rumble of 50–500 Hz in swells, as sound comes from ever farther parts of the
    channel."""
    t = seconds_of(N)
    start = rng.uniform(0, 0.6)
    since = np.maximum(t - start, 0)
    begun = (t > start).astype(float)
    swells = zigzag(rng, N, rng.uniform(3, 8), 0, 1) ** 2 * np.exp(-since / rng.uniform(0.8, 3.0)) * begun
    out = unit_rms(
        coloured_noise(rng, N, rng.uniform(-5, -1), rng.uniform(50, 130), rng.uniform(200, 600))
        * one_pole(swells, 0.02)
    )
    for _ in range(int(rng.integers(1, 5)) if near else 0):
        late = np.maximum(t - start - rng.exponential(0.15), 0)
        crack = np.exp(-late / rng.uniform(0.02, 0.25)) * (late > 0)
        out += (
            near
            * rng.uniform(0.3, 1)
            * crack
            * coloured_noise(rng, N, rng.uniform(-4, -1), 150, rng.uniform(1500, 8000))
        )
    return reverb(rng, out, rng.uniform(0.8, 4), rng.uniform(0.1, 0.5))


def fire(rng: Rng) -> Float64:
    """Crackles, a few of them loud, each with a ring of its own, over a low roar that flickers."""
    clicks = [resonances(np.eye(1, 1440)[0], [rng.uniform(900, 9000)], [rng.uniform(300, 3000)], [1.0], 0.1)
              for _ in range(24)]  # fmt: skip
    rate = rng.uniform(6, 60)
    bursts = zigzag(rng, N, rng.uniform(1, 6), 0, 1) ** 2
    at = random_moments(rng, N, rate * 2)
    at = at[rng.random(len(at)) < bursts[at]] if len(at) > 6 else at
    crackle = scatter(N, at, [unit_rms(c) for c in clicks], rng.pareto(1.6, len(at)) + 0.05, rng)
    roar = coloured_noise(rng, N, rng.uniform(-9, -4), 30, rng.uniform(150, 900)) * zigzag(rng, N, 9, 0.5, 1.0)
    hiss = coloured_noise(rng, N, rng.uniform(-2, 2), 1500, 14_000) * zigzag(rng, N, 3, 0.3, 1.0)
    crackle *= 4 / (np.abs(crackle).max() + 1e-9)
    return rng.uniform(0.5, 3) * crackle + rng.uniform(0.05, 0.8) * roar + rng.uniform(0.01, 0.2) * hiss


KINDS: tuple[Kind, ...] = (
    Kind("wind", "breeze", breeze),
    Kind("wind", "howl", howl),
    Kind("wind", "gusts", gusts),
    Kind("wind", "leaves", leaves),
    Kind("water", "pouring", pouring),
    Kind("water", "stream", stream),
    Kind("water", "river", river),
    Kind("water", "drips", drips),
    Kind("water", "splash", splash),
    Kind("water", "bubbling", bubbling),
    Kind("sea waves", "surf", surf, 16),
    Kind("rain", "shower", partial(rain, drops_per_s=2500, low_hz=1200), 12),
    Kind("rain", "drizzle on a roof", partial(rain, drops_per_s=120, low_hz=500), 12),
    Kind("thunder", "near", partial(thunder, near=3.0), 20),
    Kind("thunder", "far", partial(thunder, near=0.0), 20),
    Kind("fire crackling", "campfire", fire, 16),
)
