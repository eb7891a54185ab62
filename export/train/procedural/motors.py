"""Motors and vehicles by formula: engines, machines, vacuum cleaners, saws, aircraft, trains, traffic, bicycles."""

from __future__ import annotations

from functools import partial

import numpy as np

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import (
    BINS_HZ,
    CLIP_S,
    CLIP_SAMPLES,
    frame_middles,
    humps,
    impulses,
    one_pole,
    recolour,
    regular_moments,
    resonances,
    scatter,
    sculpt,
    seconds_of,
    unit_rms,
    zigzag,
)
from export.train.procedural.sources import coloured_noise, falling_weights, phase_of, table_tone

N = CLIP_SAMPLES


def firing(rng: Rng, rate_hz: Float64, brightness_hz: float, roughness: float) -> Float64:
    """An engine's exhaust: a pressure pulse and a puff of noise per firing, uneven by cylinder, through the pipe."""
    at = regular_moments(rate_hz, rng, roughness * 0.06)
    cylinders = int(rng.choice([1, 2, 3, 4, 4, 6]))
    own = 1 + roughness * rng.normal(0, 0.35, cylinders)
    gains = own[np.arange(len(at)) % cylinders] * (1 + roughness * 0.3 * rng.standard_normal(len(at)))
    blows = one_pole(impulses(len(rate_hz), at, gains), rng.uniform(0.0004, 0.002))
    puffs = one_pole(blows, rng.uniform(0.002, 0.008)) * coloured_noise(rng, len(rate_hz), -3, 100, brightness_hz * 3)
    pipe = rng.uniform(45, 130) * np.array([1, 2.1, 3.3, 5.2, 8.3, 13.0]) * rng.uniform(0.85, 1.15, 6)
    gains_of = rng.uniform(0.2, 1, 6) * (pipe / 100) ** -rng.uniform(0.1, 0.9)
    both = unit_rms(blows) + rng.uniform(0.2, 1.0) * unit_rms(puffs)
    exhaust = resonances(both, list(pipe), list(pipe * rng.uniform(0.15, 0.6)), list(gains_of), rng.uniform(0.02, 0.15))
    return unit_rms(recolour(exhaust, rng.uniform(-1.5, 0.5), 25, brightness_hz))


def idle(rng: Rng) -> Float64:
    """A car at idle, 650–1000 rpm: two firings a turn of four cylinders, 20–33 Hz, over the fan and belts."""
    rate = rng.uniform(20, 40) * zigzag(rng, N, 3, 0.97, 1.03)
    hiss = coloured_noise(rng, N, rng.uniform(-4, -1), 200, rng.uniform(3000, 12_000))
    belt = table_tone(rate * rng.uniform(4, 14), falling_weights(rng, 1.2, 500.0, 0.6))
    roar = firing(rng, rate, rng.uniform(600, 4000), rng.uniform(0.3, 1.0))
    return roar + rng.uniform(0.03, 0.5) * hiss + rng.uniform(0, 0.1) * unit_rms(belt)


def motorcycle(rng: Rng) -> Float64:
    """One or two cylinders through an open pipe, 12–60 Hz, with the throttle turned now and then."""
    rate = rng.uniform(12, 35) * (1 + rng.uniform(0, 1.5) * one_pole(zigzag(rng, N, 1.5, -1, 1).clip(0), 0.15))
    return firing(rng, rate, rng.uniform(1500, 6000), rng.uniform(0.4, 1.2)) + 0.05 * coloured_noise(rng, N, -3)


def revs(rng: Rng) -> Float64:
    """Revving: the speed runs up and falls back with the flywheel's inertia; load makes it louder and brighter."""
    throttle = (zigzag(rng, N, rng.uniform(0.6, 2), -0.6, 1.0)).clip(0)
    speed = one_pole(throttle, rng.uniform(0.1, 0.5))
    rate = rng.uniform(22, 40) * (1 + rng.uniform(1.5, 6) * speed)
    roar = firing(rng, rate, rng.uniform(1500, 6000), rng.uniform(0.2, 0.8)) * (0.3 + speed)
    intake = table_tone(rate * 0.5, falling_weights(rng, 0.6, float(rate.max()) / 2, 0.8, 4000)) * (0.1 + speed)
    return unit_rms(roar) + rng.uniform(0.05, 0.5) * unit_rms(intake)


def diesel(rng: Rng) -> Float64:
    """Knocking: each firing rings the block at 1–4 kHz; a lorry's or tractor's idle, 15–30 Hz."""
    rate = rng.uniform(14, 32) * zigzag(rng, N, 2, 0.96, 1.04)
    at = regular_moments(rate, rng, 0.02)
    block = rng.uniform(700, 4000, 4)
    knock = resonances(
        impulses(N, at, rng.uniform(0.4, 1, len(at))), list(block), list(block * 0.12), [1, 0.8, 0.6, 0.5]
    )
    roar = firing(rng, rate, rng.uniform(500, 2000), rng.uniform(0.3, 0.9))
    return roar + rng.uniform(0.2, 0.9) * unit_rms(knock) + rng.uniform(0.05, 0.3) * coloured_noise(rng, N, -3, 100)


def running(rng: Rng) -> Float64:
    """0 to 1: a motor's speed, which may run on, run up, or run up and down."""
    full = zigzag(rng, N, 2, 0.97, 1.0)
    kind = rng.integers(3)
    t = seconds_of(N)
    up = 1 - np.exp(-np.maximum(t - rng.uniform(0, 0.8), 0) / rng.uniform(0.08, 0.5)) if kind else np.ones(N)
    stop = np.maximum(t - rng.uniform(2, 4.5), 0) if kind == 2 else np.zeros(N)
    return np.asarray(full * up * np.exp(-stop / rng.uniform(0.2, 0.8)))


def electric(rng: Rng, lowest: float, highest: float, noise: float, slope: float) -> Float64:
    """An electric motor: the shaft's and the slots' tones with uneven harmonics, beating, over its fan's noise."""
    speed = running(rng)
    turn = rng.uniform(lowest, highest) * speed * zigzag(rng, N, 6, 0.98, 1.02)
    hum = unit_rms(table_tone(turn, falling_weights(rng, rng.uniform(0.5, 1.4), float(turn.max()), 1.0)))
    whine = unit_rms(table_tone(turn * rng.uniform(5, 13), falling_weights(rng, 1.0, float(turn.max()) * 13, 0.7)))
    air = coloured_noise(rng, N, slope + rng.uniform(-2, 2), rng.uniform(150, 600), rng.uniform(4000, 14_000))
    beat = 1 + rng.uniform(0, 0.6) * np.sin(phase_of(turn) / rng.integers(2, 9))
    mix = rng.uniform(0.2, 1) * hum + rng.uniform(0.05, 0.8) * whine + noise * rng.uniform(0.5, 1.5) * air * beat
    body = rng.uniform(150, 5000, 4)
    return unit_rms(resonances(mix, list(body), list(body * 0.25), list(rng.uniform(0.3, 1.5, 4)), 0.4)) * speed**2


def drill(rng: Rng) -> Float64:
    """A drill into stone: the motor, and 20–60 blows a second while it bites."""
    motor = electric(rng, 80, 350, 0.3, -1)
    bite = (zigzag(rng, N, 2, -1, 1) > 0).astype(float)
    at = regular_moments(np.full(N, rng.uniform(18, 60)), rng, 0.03)
    body = rng.uniform(400, 6000, 5)
    blows = resonances(impulses(N, at, rng.uniform(0.5, 1, len(at))), list(body), list(body * 0.2), [1] * 5)
    return unit_rms(motor) + rng.choice([0.0, rng.uniform(0.3, 2)]) * unit_rms(blows) * one_pole(bite, 0.02)


def washer(rng: Rng) -> Float64:
    """A washing machine: the drum's slosh about once a second, motor hum at twice the mains, thuds of wet cloth."""
    t = seconds_of(N)
    rate = rng.uniform(0.5, 1.6)
    slosh = (0.5 + 0.5 * np.sin(2 * np.pi * rate * t + rng.uniform(0, 6))) ** rng.uniform(1, 4)
    water = coloured_noise(rng, N, rng.uniform(-4, -1), 200, rng.uniform(2000, 8000)) * slosh
    mains = rng.choice([100.0, 120.0]) * np.ones(N)
    hum = unit_rms(table_tone(mains, falling_weights(rng, 1.0, 120.0, 1.0, 3000)))
    at = regular_moments(np.full(N, rate), rng, 0.05)
    thud = resonances(impulses(N, at, rng.uniform(0.3, 1, len(at))), [60, 110, 190], [25, 40, 70], [1, 0.7, 0.4])
    return water + rng.uniform(0.2, 1) * hum + rng.uniform(0, 1.5) * unit_rms(thud)


def compressor(rng: Rng) -> Float64:
    """Pistons at 8–28 Hz that thump and rattle, a motor's hum, and valves' hiss."""
    rate = np.full(N, rng.uniform(8, 28)) * zigzag(rng, N, 1, 0.98, 1.02)
    thump = firing(rng, rate, rng.uniform(400, 1500), 0.2)
    gate = one_pole(impulses(N, at := regular_moments(rate * 2, rng), np.ones(len(at))), 0.006)
    rattle = unit_rms(coloured_noise(rng, N, 0, 1000, 8000) * gate)
    hum = unit_rms(table_tone(np.full(N, rng.choice([50.0, 60.0])), falling_weights(rng, 0.7, 60.0, 0.8, 1500)))
    return thump + rng.uniform(0.05, 0.5) * rattle + rng.uniform(0.1, 0.6) * hum


def fan(rng: Rng) -> Float64:
    """A fan or ventilation: broad falling noise, blade tones, and a slow throb."""
    blade = np.full(N, rng.uniform(35, 260)) * zigzag(rng, N, 1, 0.99, 1.01)
    tones = unit_rms(table_tone(blade, falling_weights(rng, rng.uniform(0.8, 2), 260.0, 0.6, 6000)))
    throb = 1 + rng.uniform(0, 0.4) * np.sin(phase_of(blade) / rng.integers(2, 7))
    air = coloured_noise(rng, N, rng.uniform(-7, -3), rng.uniform(30, 150), rng.uniform(2000, 12_000))
    return air * throb + rng.uniform(0.05, 0.8) * tones


def vacuum(rng: Rng, moved: bool) -> Float64:
    """Suction: a whine of the fan's blades and hiss at 1–8 kHz; moved over the floor, the nozzle colours it."""
    hiss = coloured_noise(rng, N, rng.uniform(-1, 2.5), rng.uniform(400, 1500), rng.uniform(5000, 9000))
    speed = running(rng)
    whine = table_tone(rng.uniform(250, 900) * speed, falling_weights(rng, rng.uniform(0.2, 1), 900.0, 1.0))
    motor = coloured_noise(rng, N, -5, 80, 2000)
    out = (hiss + rng.uniform(0.1, 0.7) * unit_rms(whine) + rng.uniform(0.05, 0.6) * motor) * speed**2
    if not moved:
        return out
    at = frame_middles(N)
    place = 1 + 0.4 * np.sin(phase_of(zigzag(rng, N, 1, 0.2, 1.0)))[at][:, None]
    centres = place * rng.uniform(500, 5000, 3)
    return sculpt(out, humps(centres, centres[0] * 0.3, rng.uniform(0.5, 2, 3), 0.4))


def chainsaw(rng: Rng) -> Float64:
    """A two-stroke at 30–200 firings a second, revved or held down, whose chain hisses and whose cut drags it down."""
    idling = rng.uniform(30, 60)
    throttle = one_pole((zigzag(rng, N, rng.uniform(0.5, 2.5), -0.5, 1.2)).clip(0, 1), rng.uniform(0.05, 0.25))
    rate = idling + (rng.uniform(90, 200) - idling) * throttle * zigzag(rng, N, 8, 0.93, 1.0)
    roar = firing(rng, rate, rng.uniform(2000, 7000), rng.uniform(0.2, 0.7))
    rasp = coloured_noise(rng, N, -1, 800, 9000) * throttle
    return roar * (0.4 + throttle) + rng.uniform(0.05, 0.4) * rasp


def helicopter(rng: Rng) -> Float64:
    """Blades that slap the air 10–25 times a second, low-passed by distance, a tail rotor's buzz, a turbine's whine."""
    rate = np.full(N, rng.uniform(10, 25)) * zigzag(rng, N, 1, 0.99, 1.01)
    cycles = (np.cumsum(rate) / SAMPLE_RATE + rng.uniform()) % 1.0
    slap = np.exp(-cycles * rng.uniform(3, 10))
    slap = one_pole(slap, 0.002) * zigzag(rng, N, 3, 0.8, 1.0)
    blades = unit_rms(coloured_noise(rng, N, rng.uniform(-7, -3), 25, rng.uniform(300, 2500)) * slap)
    thud = unit_rms(recolour(slap - slap.mean(), 0, 15, rng.uniform(80, 400)))
    tail = unit_rms(table_tone(rate * rng.uniform(4.5, 6), falling_weights(rng, 1.1, 150.0, 0.5, 4000)))
    turbine = coloured_noise(rng, N, rng.uniform(-1, 2), 2000, rng.uniform(6000, 14_000))
    out = blades + rng.uniform(0.1, 0.9) * thud + rng.uniform(0.0, 0.35) * tail + rng.uniform(0.01, 0.3) * turbine
    return unit_rms(out) * zigzag(rng, N, 0.5, 0.4, 1.0)


def flyby(rng: Rng, n: int) -> tuple[Float64, Float64]:
    """Loudness, and pitch relative to rest, of what passes at 15–80 m/s on a straight line (Doppler)."""
    speed, near = rng.uniform(15, 80), rng.uniform(10, 120)
    along = speed * (seconds_of(n) - rng.uniform(0.5, 4.5))
    away = np.hypot(along, near)
    return near / away, 1 / (1 + speed / 343 * along / away)


def jet(rng: Rng) -> Float64:
    """A jet: roar whose pitch falls as it passes, crackling, the fan's whine before it comes."""
    loud, doppler = flyby(rng, N)
    at = frame_middles(N)
    centres = (rng.uniform(150, 700) * doppler[at] ** 3 * (0.6 + loud[at]))[:, None] * np.array([1.0, 3.0, 9.0])
    gains = humps(centres, np.array([400.0, 1200.0, 5000.0]), np.array([1.0, rng.uniform(0.3, 0.8), 0.2]), 0.02)
    roar = sculpt(coloured_noise(rng, N, rng.uniform(-4, -1), 40, 12_000), gains)
    whine = table_tone(rng.uniform(1200, 3500) * doppler, np.array([1.0, 0.4, 0.2])) * (doppler > 1)
    out = unit_rms(roar) + rng.uniform(0, 0.15) * one_pole(whine, 0.00005)
    return out * loud ** rng.uniform(0.3, 1.0) * zigzag(rng, N, 8, 0.8, 1.0)


def propeller(rng: Rng) -> Float64:
    """A propeller's drone: harmonics of the blades at 60–130 Hz, two engines that beat, over the slipstream."""
    loud, doppler = flyby(rng, N)
    base = rng.uniform(55, 130) * doppler
    weights = falling_weights(rng, rng.uniform(0.6, 1.5), float(base.max()), 0.6, 4000)
    drone = table_tone(base, weights) + rng.uniform(0, 1) * table_tone(base * rng.uniform(1.002, 1.02), weights)
    air = coloured_noise(rng, N, rng.uniform(-6, -3), 60, 5000)
    level = loud ** rng.uniform(0, 1)
    return (unit_rms(drone) + rng.uniform(0.1, 0.8) * air) * level * zigzag(rng, N, 3, 0.8, 1.0)


def rails(rng: Rng) -> Float64:
    """Wheels over rail joints: pairs of clacks by bogie, rumble, and the hiss of steel on steel."""
    beat = rng.uniform(0.35, 1.1)
    gap = rng.uniform(0.07, 0.2)
    first = np.arange(rng.uniform(0, beat), CLIP_S - 0.3, beat)
    times = np.concatenate([first, first + gap] + ([first + 2.4 * gap, first + 3.4 * gap] if beat > 0.7 else []))
    at = np.sort(((times + rng.normal(0, 0.006, len(times))).clip(0, CLIP_S - 0.1) * SAMPLE_RATE).astype(np.int64))
    body = np.array([90, 190, 420, 900, 2100]) * rng.uniform(0.7, 1.4, 5)
    clacks = [resonances(np.exp(-seconds_of(9600) / 0.003) * rng.standard_normal(9600), list(body), list(body * 0.3),
                       [1, 1, 0.8, 0.6, 0.4]) for _ in range(6)]  # fmt: skip
    clack = scatter(N, at, [unit_rms(c) for c in clacks], rng.uniform(0.4, 1, len(at)), rng)
    rumble = coloured_noise(rng, N, rng.uniform(-7, -4), 30, rng.uniform(300, 1200)) * zigzag(rng, N, 3, 0.6, 1)
    hiss = coloured_noise(rng, N, -2, 700, 8000)
    return rng.uniform(0.5, 1.2) * unit_rms(clack) + rng.uniform(0.4, 1.2) * rumble + rng.uniform(0.02, 0.25) * hiss


def steam(rng: Rng) -> Float64:
    """Chuffs of exhaust steam, four a turn of the wheels, perhaps gaining speed, one of the four the louder."""
    rate = np.linspace(rng.uniform(1.5, 6), rng.uniform(2, 8), N)
    cycles = np.cumsum(rate) / SAMPLE_RATE
    own = rng.uniform(0.6, 1, 4)[np.floor(cycles).astype(int) % 4]
    puff = one_pole(np.exp(-(cycles % 1) * rng.uniform(2, 6)) * own, 0.008)
    chuff = coloured_noise(rng, N, rng.uniform(-4, -1), 100, rng.uniform(2000, 8000)) * puff
    return (
        unit_rms(chuff)
        + rng.uniform(0.1, 0.5) * coloured_noise(rng, N, -6, 30, 800)
        + 0.05 * coloured_noise(rng, N, 0, 2000)
    )


def brakes(rng: Rng) -> Float64:
    """Brakes that squeal: wandering tones of the discs at 1–6 kHz, fading in and out, over a slowing rumble."""
    slow = np.linspace(1, rng.uniform(0.1, 0.7), N)
    out = np.zeros(N)
    for _ in range(int(rng.integers(2, 6))):
        pitch = rng.uniform(900, 6000) * (0.95 + 0.05 * slow) * zigzag(rng, N, 20, 0.997, 1.003)
        out += (
            rng.uniform(0.2, 1)
            * table_tone(pitch, falling_weights(rng, 2.0, float(pitch.max()), 0.5))
            * zigzag(rng, N, 3, 0, 1) ** 2
        )
    rumble = coloured_noise(rng, N, -6, 40, 1500) * slow
    return (
        unit_rms(out)
        + rng.uniform(0.4, 1.5) * rumble
        + rng.uniform(0.05, 0.4) * coloured_noise(rng, N, -1, 1000, 9000) * slow
    )


def traffic(rng: Rng, cars_per_s: float) -> Float64:
    """A road: each car is tyre noise that swells, brightens and falls in pitch as it passes; rumble."""
    at, total = frame_middles(N), np.zeros(N)
    gains = np.zeros((len(at), len(BINS_HZ)))
    for _ in range(max(1, rng.poisson(cars_per_s * CLIP_S))):
        speed, near = rng.uniform(8, 35), rng.uniform(3, 25)
        along = speed * (at / SAMPLE_RATE - rng.uniform(-0.5, 5.5))
        away = np.hypot(along, near)
        doppler = 1 / (1 + speed / 343 * along / away)
        centres = (rng.uniform(500, 1300) * doppler)[:, None] * np.array([0.25, 1.0, 2.5])
        own = rng.uniform(0.3, 1) * (near / away)[:, None] * np.array([rng.uniform(0.2, 1), 1.0, 0.3])
        gains += humps(centres, np.array([200.0, 900.0, 3000.0]), own)
    total = unit_rms(sculpt(coloured_noise(rng, N, rng.uniform(-2, 0), 50, 7000), gains))
    total += rng.uniform(0.1, 0.8) * coloured_noise(rng, N, rng.uniform(-7, -4), 30, 1500)
    total += rng.uniform(0, 0.25) * firing(rng, rng.uniform(25, 60) * zigzag(rng, N, 1, 0.8, 1.3), 800, 0.6)
    return total


def freewheel(rng: Rng) -> Float64:
    """A freewheel's pawls: 15–60 sharp ticks a second, slowing, that ring at 3–9 kHz."""
    rate = np.linspace(rng.uniform(15, 60), rng.uniform(8, 45), N) * zigzag(rng, N, 1, 0.95, 1.05)
    ring = rng.uniform(2500, 10_000, 4)
    pawls = np.resize(rng.uniform(0.4, 1, int(rng.integers(2, 5))), len(at := regular_moments(rate, rng, 0.015)))
    clicks = resonances(
        impulses(N, at, pawls * rng.uniform(0.7, 1, len(at))), list(ring), list(ring * 0.12), [1] * 4, 0.1
    )
    return unit_rms(clicks) + rng.uniform(0.02, 0.3) * coloured_noise(rng, N, rng.uniform(-3, 1), 500, 12_000)


def chain(rng: Rng) -> Float64:
    """A chain driven round: links at 15–40 a second that rustle, loudest twice a turn of the cranks; tyres."""
    links = rng.uniform(15, 40) * zigzag(rng, N, 2, 0.9, 1.1)
    cranks = 0.6 + 0.4 * np.sin(4 * np.pi * np.cumsum(links) / SAMPLE_RATE / 44)
    gate = one_pole(
        impulses(N, at := regular_moments(links, rng, 0.05), rng.uniform(0.3, 1, len(at))), rng.uniform(0.002, 0.008)
    )
    whirr = unit_rms(coloured_noise(rng, N, rng.uniform(0, 3), 2000, 14_000) * gate * cranks)
    tyres = coloured_noise(rng, N, rng.uniform(-4, 0), 150, 5000)
    return (
        whirr
        + rng.uniform(0.05, 0.5) * tyres
        + rng.uniform(0, 0.7) * unit_rms(freewheel(rng)) * (zigzag(rng, N, 1, -1, 1) > 0)
    )


KINDS: tuple[Kind, ...] = (
    Kind("engine", "car idle", idle),
    Kind("engine", "motorcycle", motorcycle),
    Kind("engine", "revving", revs),
    Kind("engine", "diesel", diesel),
    Kind("machine", "electric motor", partial(electric, lowest=25, highest=120, noise=0.6, slope=-3)),
    Kind("machine", "blender", partial(electric, lowest=120, highest=400, noise=1.0, slope=0)),
    Kind("machine", "drill", drill),
    Kind("machine", "washing machine", washer),
    Kind("machine", "compressor", compressor),
    Kind("machine", "fan", fan),
    Kind("vacuum cleaner", "standing", partial(vacuum, moved=False)),
    Kind("vacuum cleaner", "moved", partial(vacuum, moved=True)),
    Kind("chainsaw", "two stroke", chainsaw, 16),
    Kind("helicopter", "rotor", helicopter, 16),
    Kind("airplane", "jet", jet),
    Kind("airplane", "propeller", propeller),
    Kind("train", "rails", rails),
    Kind("train", "steam", steam),
    Kind("train", "brakes", brakes),
    Kind("traffic", "highway", partial(traffic, cars_per_s=2.5)),
    Kind("traffic", "street", partial(traffic, cars_per_s=0.6)),
    Kind("bicycle", "freewheel", freewheel),
    Kind("bicycle", "chain", chain),
)
