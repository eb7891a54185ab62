"""What knocks and thuds: doors, hands, feet, hoofs, clocks, keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import peak_filter, perhaps_room, place, room, smooth_curve, time_axis, unit_peak
from export.train.procedural.sources import Body, band_noise, burst, drawn_body


def _hit_all(rng: Rng, out: Float64, bodies: Sequence[Body], times: Iterable[float], quietest: float = 0.4) -> Float64:
    """`out` with a stroke of one body or another at each time; a dozen different strokes are made and used again."""
    hits = [body.hit(rng) for body in bodies for _ in range(max(1, 12 // len(bodies)))]
    for at in times:
        place(out, hits[int(rng.integers(len(hits)))], float(at), rng.uniform(quietest, 1))
    return out


def _beats(rng: Rng, gap_s: float, end_s: float, jitter: float) -> Float64:
    """Times about `gap_s` apart, each gap drawn anew."""
    gaps = gap_s * np.maximum(0.3, rng.normal(1, jitter, int(end_s / gap_s * 1.5) + 4))
    times = rng.uniform(0, 0.4 * gap_s) + np.cumsum(gaps) - gaps[0]
    return np.asarray(times[times < end_s])


def _floor(rng: Rng, x: Float64) -> Float64:
    """A room, and the faint noise of the place that every recording of quiet things has."""
    loud = rng.choice([0.0, rng.uniform(0.0005, 0.006)])
    return perhaps_room(rng, unit_peak(x), 0.7) + loud * band_noise(rng, len(x), 50, rng.uniform(800, 8000), 1)


def door_slam(rng: Rng) -> Float64:
    """A leaf hits its frame: a thump of 40–250 Hz, boards at 200–1500 Hz, the latch and a rattle after it."""
    out = np.zeros_like(time_axis(rng.uniform(0.8, 3)))
    at = rng.uniform(0.02, 0.3)
    leaf = drawn_body(rng, 6, (rng.uniform(40, 110), 400), (0.04, 0.2), (80, 900), 0.02, (0.2, 0.8))
    boards = drawn_body(rng, 14, (180, 2500), (0.01, 0.07), (300, 5000), 0.01, (0.3, 1))
    place(out, leaf.hit(rng), at)
    place(out, boards.hit(rng), at + rng.uniform(0, 0.006), rng.uniform(0.2, 0.9))
    latch = drawn_body(rng, 8, (900, 7000), (0.003, 0.03))
    rattles = at + np.cumsum(rng.exponential(rng.uniform(0.015, 0.06), int(rng.integers(1, 9))))
    loud = rng.uniform(0.05, 0.4)
    for number, rattle in enumerate(rattles):
        place(out, latch.hit(rng), float(rattle), loud * 0.8**number)
    return room(rng, out, decay_s=rng.uniform(0.08, 0.5))


def door_knock(rng: Rng) -> Float64:
    """Knuckles on wood: two to six knocks, once or twice, each of the door's modes at 120–1200 Hz."""
    out = np.zeros_like(time_axis(rng.uniform(1, 4)))
    wood = drawn_body(rng, 10, (rng.uniform(100, 280), 1800), (0.01, 0.06), (400, 4500), 0.003, (0.1, 0.7))
    at = rng.uniform(0.02, 0.4)
    for _ in range(int(rng.integers(1, 3))):
        knocks = at + _beats(rng, rng.uniform(0.11, 0.35), 2, 0.08)[: int(rng.integers(2, 7))]
        _hit_all(rng, out, [wood], knocks, 0.5)
        at = float(knocks[-1]) + rng.uniform(0.5, 1.2)
    return _floor(rng, out)


def door_creak(rng: Rng) -> Float64:
    """A hinge sticks and slips: a train of clicks of 15–400 a second that glides, rung by the wood."""
    t = time_axis(rng.uniform(1.2, 4.5))
    lowest = rng.uniform(15, 120)
    rate = lowest * (rng.uniform(1.5, 6)) ** smooth_curve(rng, len(t), rng.uniform(0.7, 3))
    phase = np.cumsum(rate * (1 + smooth_curve(rng, len(t), 30, -0.15, 0.15))) / SAMPLE_RATE
    slips = np.diff(np.floor(phase), prepend=0.0) * rng.uniform(0.3, 1, len(t))
    out = 0.02 * slips
    for _ in range(int(rng.integers(3, 7))):
        out += rng.uniform(0.2, 1) * peak_filter(
            slips, np.exp(rng.uniform(np.log(250), np.log(3500))), rng.uniform(5, 25)
        )
    speed = np.clip(smooth_curve(rng, len(t), rng.uniform(0.8, 3), -0.3, 1), 0, 1)
    return _floor(rng, out * speed)


def door_latch(rng: Rng) -> Float64:
    """Handle, lock or key: two to seven metal clicks unevenly apart, a soft closing thud with some."""
    out = np.zeros_like(time_axis(rng.uniform(0.7, 2.5)))
    metal = [drawn_body(rng, 9, (rng.uniform(400, 1800), 9000), (0.002, 0.03)) for _ in range(2)]
    clicks = 0.05 + np.cumsum(rng.gamma(1.5, rng.uniform(0.03, 0.15), int(rng.integers(2, 8))))
    _hit_all(rng, out, metal, clicks, 0.2)
    if rng.random() < 0.6:
        thud = drawn_body(rng, 5, (60, 500), (0.02, 0.08), (80, 1000))
        place(out, thud.hit(rng), float(rng.choice(clicks)) + 0.01, rng.uniform(0.3, 1.5))
    return _floor(rng, out)


def finger_snap(rng: Rng) -> Float64:
    """A finger on the palm's hollow: 2–4 ms of noise about 1.4–3.2 kHz, broad to 15 kHz; once or on the beat."""
    out = np.zeros_like(time_axis(rng.uniform(0.5, 4)))
    centre = rng.uniform(1400, 3200)
    palm = drawn_body(rng, 3, (centre, 1.5 * centre), (0.0015, 0.005), (centre, 15000), 0.0015, (0.3, 1.5))
    beats = _beats(rng, rng.choice([rng.uniform(0.25, 0.8), 9]), len(out) / SAMPLE_RATE - 0.2, 0.05)
    for at in beats if len(beats) else [0.1]:
        place(out, burst(rng, 800, 6000, 0.004), at, 0.04)  # the slide before the stroke
        place(out, palm.hit(rng), float(at) + rng.uniform(0.005, 0.02), rng.uniform(0.5, 1))
    return _floor(rng, out)


def _hands(rng: Rng) -> Body:
    """Two hands: the air between cupped or flat palms sounds at 500–1800 Hz."""
    centre = rng.uniform(450, 1700)
    return drawn_body(rng, 4, (centre, 3 * centre), (0.002, 0.009), (600, 9000), 0.003, (0.4, 1.5))


def clapping_one(rng: Rng) -> Float64:
    """One person's claps, in time or freely, in a room."""
    out = np.zeros_like(time_axis(rng.uniform(0.6, 5)))
    gap_s = rng.choice([rng.uniform(0.18, 0.4), rng.uniform(0.4, 1.0)])
    beats = _beats(rng, gap_s, len(out) / SAMPLE_RATE - 0.15, 0.04)
    _hit_all(rng, out, [_hands(rng)], beats, 0.6)
    return room(rng, _floor(rng, out), decay_s=rng.uniform(0.05, 0.6))


def clapping_applause(rng: Rng) -> Float64:
    """Five to sixty people, 2.5–5 claps a second each, near and far; at times swelling or in rhythm."""
    out = np.zeros_like(time_axis())
    people, together = int(np.exp(rng.uniform(np.log(5), np.log(60)))), rng.random() < 0.2
    pace_s = rng.uniform(0.2, 0.5)
    bodies = [_hands(rng) for _ in range(12)]
    hits = [body.hit(rng) for body in bodies for _ in range(2)]
    swell = smooth_curve(rng, len(out), 0.4, 0.3, 1)
    for _ in range(people):
        loud, gap_s = rng.uniform(0.1, 1) ** 2, pace_s if together else rng.uniform(0.2, 0.4)
        for at in _beats(rng, gap_s, 4.95, 0.01 if together else 0.08) + (0.0 if together else rng.uniform(-0.1, 0.3)):
            place(out, hits[int(rng.integers(24))], float(at) + rng.normal(0, 0.015), loud * rng.uniform(0.5, 1))
    return room(rng, out * swell, decay_s=rng.uniform(0.1, 0.7))


def footsteps_hard(rng: Rng) -> Float64:
    """Shoes on stone or wood: heel, then 60–120 ms later the sole, left and right unlike; 1.5–2.6 steps a second."""
    out = np.zeros_like(time_axis())
    deep = rng.uniform(60, 260)
    heels = [drawn_body(rng, 12, (deep, 2500), (0.006, 0.05), (300, 6000), 0.004, (0.1, 0.8)) for _ in range(2)]
    sole = drawn_body(rng, 8, (2 * deep, 4000), (0.003, 0.02), (500, 7000), 0.012, (0.5, 2))
    soles, roll_s = rng.uniform(0, 0.5), rng.uniform(0.05, 0.13)
    for number, at in enumerate(_beats(rng, 1 / rng.uniform(1.4, 2.8), 4.8, 0.03)):
        place(out, heels[number % 2].hit(rng), float(at), rng.uniform(0.5, 1))
        place(out, sole.hit(rng), float(at) + roll_s * rng.uniform(0.8, 1.2), soles * rng.uniform(0.3, 1))
    return _floor(rng, out)


def footsteps_loose(rng: Rng) -> Float64:
    """Gravel, leaves or snow: each step a crowd of grains, thicker at heel and toe, over a dull thud."""
    out = np.zeros_like(time_axis())
    low = rng.uniform(500, 2500)
    grains = [drawn_body(rng, 3, (low, 5 * low), (0.0008, 0.006), (low, 12000), 0.001) for _ in range(6)]
    thud = drawn_body(rng, 5, (50, 350), (0.01, 0.05), (60, 500))
    length, count = rng.uniform(0.15, 0.35), int(rng.integers(30, 130))
    for at in _beats(rng, 1 / rng.uniform(1.3, 2.6), 4.7, 0.05):
        moments = np.concatenate([rng.normal(0.25, 0.1, count), rng.normal(0.75, 0.12, count // 2)])
        place(out, thud.hit(rng), float(at), rng.uniform(0.2, 0.8))
        _hit_all(rng, out, grains, float(at) + length * np.clip(moments, 0, 1.2), 0.02)
    return _floor(rng, out)


def footsteps_soft(rng: Rng) -> Float64:
    """Bare feet or carpet: thuds of 50–400 Hz with the brush of cloth."""
    out = np.zeros_like(time_axis())
    feet = [drawn_body(rng, 7, (rng.uniform(45, 110), 700), (0.01, 0.06), (100, 2500), 0.012) for _ in range(2)]
    rustle = rng.uniform(0, 0.3)
    for number, at in enumerate(_beats(rng, 1 / rng.uniform(1.3, 3.2), 4.7, 0.04)):
        place(out, feet[number % 2].hit(rng), float(at), rng.uniform(0.4, 1))
        brush = unit_peak(band_noise(rng, 9600, 500, rng.uniform(2000, 6000), 1) * np.hanning(9600))
        place(out, brush, float(at) - 0.05, rustle * rng.uniform(0.2, 1))
    return _floor(rng, out)


GAITS: dict[str, tuple[tuple[float, ...], float, float]] = {
    "walk": ((0.0, 0.25, 0.5, 0.75), 0.7, 1.1),
    "trot": ((0.0, 0.02, 0.5, 0.52), 1.2, 1.7),
    "canter": ((0.0, 0.26, 0.28, 0.5), 1.5, 2.0),
    "gallop": ((0.0, 0.1, 0.26, 0.38), 1.8, 2.4),
}
"""When the four hoofs fall, in parts of a stride; strides a second, from and to."""


def horse_hoofs(rng: Rng) -> Float64:
    """Four hoofs in a gait, clopping at 300–1800 Hz on stone, thudding on turf; at times with a jingle."""
    out = np.zeros_like(time_axis())
    falls, slowest, fastest = GAITS[str(rng.choice(list(GAITS)))]
    stone = rng.random() < 0.7
    hz, ring = ((rng.uniform(280, 900), 2600), (0.004, 0.03)) if stone else ((60, 500), (0.01, 0.06))
    noise = (400, 6000) if stone else (100, 1500)
    hoofs = [drawn_body(rng, 5, hz, ring, noise, 0.004 if stone else 0.015, (0.1, 0.6)) for _ in falls]
    loud, late = rng.uniform(0.5, 1, 4), rng.normal(0, 0.015, 4)
    for at in _beats(rng, 1 / rng.uniform(slowest, fastest), 4.6, 0.03):
        stride_s = 1 / fastest
        for hoof, fall, gain, lag in zip(hoofs, falls, loud, late, strict=True):
            place(out, hoof.hit(rng), float(at) + (fall + lag) * stride_s, gain * rng.uniform(0.6, 1))
    if rng.random() < 0.3:
        bit = drawn_body(rng, 6, (3000, 9000), (0.01, 0.05))
        _hit_all(rng, out, [bit], rng.uniform(0, 4.8, int(rng.integers(5, 40))), 0.0)
    return _floor(rng, out)


def clock_tick_pendulum(rng: Rng) -> Float64:
    """A wall or mantel clock: tick and tock unlike, 1–2.5 a second, an escapement's double click in a wooden box."""
    out = np.zeros_like(time_axis())
    sides = [
        drawn_body(rng, 12, (rng.uniform(150, 1200), 5500), (0.003, 0.04), (800, 9000), 0.002, (0.2, 1))
        for _ in range(2)
    ]
    double_s, second = rng.uniform(0.006, 0.04), rng.uniform(0, 0.7)
    for number, at in enumerate(np.arange(rng.uniform(0, 0.3), 4.9, 1 / rng.uniform(1, 2.6))):
        place(out, sides[number % 2].hit(rng), float(at), rng.uniform(0.8, 1))
        place(out, sides[number % 2].hit(rng), float(at) + double_s, second)
    return _floor(rng, out)


def clock_tick_quick(rng: Rng) -> Float64:
    """A watch or an alarm clock: 4–6 light ticks a second, three clicks each, at 1.5–9 kHz."""
    out = np.zeros_like(time_axis())
    body = drawn_body(rng, 8, (rng.uniform(1200, 3500), 10000), (0.001, 0.01), (2000, 14000), 0.001)
    apart_s, loud = rng.uniform(0.003, 0.012, 2), rng.uniform(0.1, 1, 3)
    hits = [body.hit(rng) for _ in range(9)]
    for number, at in enumerate(np.arange(rng.uniform(0, 0.2), 4.95, 1 / rng.choice([4, 5, 5, 6, 3]))):
        for part, gain in zip((0, apart_s[0], apart_s.sum()), loud, strict=True):
            place(
                out, hits[int(rng.integers(9))], float(at) + part, gain * (1.0 if number % 2 else rng.uniform(0.7, 0.9))
            )
    return _floor(rng, out)


def clock_tick_quartz(rng: Rng) -> Float64:
    """A quartz clock: one plastic click a second, a smaller rebound after it, hardly any ring."""
    out = np.zeros_like(time_axis())
    case = drawn_body(rng, 10, (rng.uniform(300, 2000), 6000), (0.002, 0.015), (800, 9000), 0.002)
    back_s, back = rng.uniform(0.01, 0.12), rng.uniform(0, 0.4)
    for at in np.arange(rng.uniform(0, 0.9), 4.9, 1.0):
        place(out, case.hit(rng), float(at), rng.uniform(0.9, 1))
        place(out, case.hit(rng), float(at) + back_s, back)
    return _floor(rng, out)


def _strokes(rng: Rng) -> Float64:
    """When keys are pressed: runs of 4–12 a second, and pauses."""
    gaps = rng.lognormal(np.log(1 / rng.uniform(3.5, 11)), 0.4, 70)
    pauses = (rng.random(70) < 0.08) * rng.uniform(0.2, 0.9, 70)
    times = np.cumsum(gaps + pauses)
    return np.asarray(times[times < 4.85])


def typing_keyboard(rng: Rng) -> Float64:
    """A computer's keys: press and, 50–130 ms later and weaker, release; each key its own click at 0.8–6 kHz."""
    out = np.zeros_like(time_axis())
    low = rng.uniform(500, 2000)
    keys = [drawn_body(rng, 9, (low, 3.5 * low), (0.002, 0.012), (low, 9000), 0.002) for _ in range(6)]
    plate = drawn_body(rng, 5, (70, 600), (0.01, 0.04), (100, 1200))
    deep, back = rng.uniform(0.05, 0.6), rng.uniform(0.1, 0.6)
    presses = [key.hit(rng) for key in keys for _ in range(2)]
    thud = plate.hit(rng)
    for at in _strokes(rng):
        key, loud = int(rng.integers(len(presses))), rng.uniform(0.4, 1)
        place(out, presses[key], float(at), loud)
        place(out, thud, float(at), deep * loud)
        place(out, presses[key], float(at) + rng.uniform(0.05, 0.13), back * loud)
    return _floor(rng, out)


def typing_typewriter(rng: Rng) -> Float64:
    """Type bars on a platen: hard clacks at 0.5–8 kHz, now and then the carriage's ratchet (its bell is
    left out: "bell" is a word of its own)."""
    out = np.zeros_like(time_axis())
    frame = rng.uniform(200, 700)
    bars = [drawn_body(rng, 14, (frame, 8000), (0.004, 0.03), (500, 10000), 0.004, (0.5, 1.5)) for _ in range(4)]
    end = rng.uniform(2.5, 4.9)
    _hit_all(rng, out, bars, [at for at in _strokes(rng) if at < end], 0.5)
    if rng.random() < 0.5:
        ratchet = drawn_body(rng, 8, (800, 7000), (0.002, 0.008))
        _hit_all(rng, out, [ratchet], end + 0.15 + np.arange(0, rng.uniform(0.2, 0.6), rng.uniform(0.012, 0.03)), 0.2)
    return _floor(rng, out)


KINDS: tuple[Kind, ...] = (
    Kind("door", "slam", door_slam), Kind("door", "knock", door_knock), Kind("door", "creak", door_creak),
    Kind("door", "latch", door_latch), Kind("finger snap", "snap", finger_snap, 40),
    Kind("clapping", "alone", clapping_one), Kind("clapping", "applause", clapping_applause),
    Kind("footsteps", "hard", footsteps_hard), Kind("footsteps", "loose", footsteps_loose),
    Kind("footsteps", "soft", footsteps_soft), Kind("horse", "hoofs", horse_hoofs, 40),
    Kind("clock tick", "pendulum", clock_tick_pendulum), Kind("clock tick", "quick", clock_tick_quick),
    Kind("clock tick", "quartz", clock_tick_quartz), Kind("typing", "keyboard", typing_keyboard),
    Kind("typing", "typewriter", typing_typewriter),
)  # fmt: skip
