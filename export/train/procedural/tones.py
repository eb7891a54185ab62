"""Electronic tones: sirens, alarms, telephones, doorbells.

Figures are those of such devices: US electronic sirens (wail 0.2–0.3 Hz, yelp 3–4 Hz, 500–1800 Hz), European two-tone
horns (390–660 Hz), smoke detectors (3.1 kHz, three pulses of half a second and a rest, ISO 8201), the tones of
telephone networks (ITU-T E.180) and their dials (ITU-T Q.23).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import signal

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind, Rng
from export.train.procedural.signals import (
    perhaps_room,
    place,
    pulse_gate,
    seconds_of,
    smooth_curve,
    soft_edges,
    time_axis,
    unit_peak,
)
from export.train.procedural.sources import burst, oscillate, random_weights, strike

ROWS_HZ, COLUMNS_HZ = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0)
SCALE = (0, 2, 4, 5, 7, 9, 11, 12)


def _steady(rng: Rng, t: Float64, frequency_hz: float, drift: float = 0.003) -> Float64:
    """A frequency that is never quite constant."""
    return frequency_hz * (1 + smooth_curve(rng, len(t), 1.5, -drift, drift))


def _voiced(rng: Rng, x: Float64, low_hz: tuple[float, float], high_hz: tuple[float, float]) -> Float64:
    """What a small loudspeaker or a box leaves of `x`, at times overdriven, at times in a room."""
    band = [rng.uniform(*low_hz), rng.uniform(*high_hz)]
    driven = np.tanh(rng.uniform(0.2, 2.5) * unit_peak(x))
    b, a = signal.butter(1, band, "bandpass", fs=SAMPLE_RATE)
    return perhaps_room(rng, np.asarray(signal.lfilter(b, a, driven)))


def _street(rng: Rng, frequency_hz: Float64, weights: Float64) -> Float64:
    """A siren in a street: its level wanders; at times it passes by, with Doppler shift and swell."""
    t = seconds_of(len(frequency_hz))
    level = smooth_curve(rng, len(t), 0.7, 0.5, 1.0)
    if rng.random() < 0.4:
        speed, distance_m = rng.uniform(8, 25), rng.uniform(5, 40)
        along_m = speed * (t - rng.uniform(0, 5))
        far_m = np.hypot(along_m, distance_m)
        frequency_hz = frequency_hz / (1 + speed / 343 * along_m / far_m)
        level = level * distance_m / far_m
    return _voiced(rng, oscillate(frequency_hz, weights), (150, 600), (2500, 9000)) * level


def _swept(rng: Rng, sweep: Float64, low_hz: tuple[float, float], high_hz: tuple[float, float]) -> Float64:
    low, high = rng.uniform(*low_hz), rng.uniform(*high_hz)
    return _street(rng, low * (high / low) ** sweep, random_weights(rng, 10))


def _wave(rng: Rng, t: Float64, rate_hz: float) -> Float64:
    """Up and down between 0 and 1, lingering high or low."""
    cosine = 0.5 - 0.5 * np.cos(2 * np.pi * (rate_hz * t + rng.random()))
    return np.asarray(cosine ** rng.uniform(0.5, 1.6))


def siren_wail(rng: Rng) -> Float64:
    """A patrol car's slow rise and fall."""
    t = time_axis()
    return _swept(rng, _wave(rng, t, rng.uniform(0.15, 0.6)), (400, 750), (900, 1800))


def siren_yelp(rng: Rng) -> Float64:
    """The fast one, 2–5 a second."""
    t = time_axis()
    return _swept(rng, _wave(rng, t, rng.uniform(2, 5)), (400, 750), (900, 1800))


def siren_phaser(rng: Rng) -> Float64:
    """Sawtooth sweeps, up or down, faster than can be followed."""
    ramp = (time_axis() * rng.uniform(5, 16) + rng.random()) % 1.0
    return _swept(rng, ramp if rng.random() < 0.5 else 1 - ramp, (500, 900), (1000, 2000))


def siren_two_tone(rng: Rng) -> Float64:
    """A fire engine's horns: two tones a third to a fifth apart, by turns."""
    t = time_axis()
    turn = (((t * rng.uniform(0.7, 2.5) + rng.random()) % 1.0) < 0.5).astype(np.float64)
    low = rng.uniform(370, 560)
    high = low * rng.uniform(1.15, 1.5)
    sweep = soft_edges(turn, rng.uniform(0.002, 0.04))
    return _street(rng, low + (high - low) * sweep, random_weights(rng, 16))


def siren_air_raid(rng: Rng) -> Float64:
    """A rotor chopping air: spins up to 400–600 Hz like a motor and coasts down; a rich tone, fainter when slow."""
    t = time_axis()
    inertia_s, cycle_s = rng.uniform(0.7, 2.0), rng.uniform(3.5, 9.0)
    powered = ((t + rng.uniform(0, cycle_s)) % cycle_s) < cycle_s * rng.uniform(0.4, 0.7)
    pole = np.exp(-1 / (inertia_s * SAMPLE_RATE))
    start = np.array([pole * rng.uniform(0.4, 1.0)])
    speed, _ = signal.lfilter([1 - pole], [1, -pole], 0.15 + 0.85 * powered, zi=start)
    harmonics = 1 / np.arange(1, 15) ** rng.uniform(0.6, 1.4) * rng.uniform(0.5, 1, 14)
    return _street(rng, rng.uniform(400, 620) * speed, harmonics) * speed**2


def siren_synthetic(rng: Rng) -> Float64:
    """A toy's or a game's: plain sweeps of a square or near-sine tone, at times dying away."""
    t = time_axis(rng.uniform(2, 5))
    beat = (t * rng.uniform(0.6, 4) + rng.random()) % 1.0
    sweep = [beat, 1 - beat, 1 - np.abs(2 * beat - 1)][int(rng.integers(3))]
    low = rng.uniform(300, 700)
    tone = oscillate(low * rng.uniform(1.3, 3.0) ** sweep, random_weights(rng, 14))
    return perhaps_room(rng, tone * np.exp(-t * rng.choice([0.0, 0.5, 1.5])))


def alarm_smoke_detector(rng: Rng) -> Float64:
    """A piezo disc at about 3.1 kHz: three pulses and a rest, half a second each or faster."""
    t = time_axis()
    pulse_s = rng.choice([0.5, rng.uniform(0.08, 0.3)])
    gate = pulse_gate(t + rng.uniform(0, pulse_s), 0.5 / pulse_s, 0.5, *((3, 1) if rng.random() < 0.7 else (0, 0)))
    tone = oscillate(_steady(rng, t, rng.uniform(2700, 3600)), [1, rng.uniform(0, 0.3), rng.uniform(0, 0.3)])
    return perhaps_room(rng, tone * gate, 0.8)


def alarm_digital_clock(rng: Rng) -> Float64:
    """A bedside clock: two to five short beeps at 1.8–4.2 kHz, a rest, again; bare square tone."""
    t = time_axis()
    group = int(rng.choice([2, 3, 4, 4, 4, 5]))
    gate = pulse_gate(t, rng.uniform(6, 10), rng.uniform(0.4, 0.7), group, int(rng.integers(2, 7)))
    weights = [1, rng.uniform(0, 0.2), rng.uniform(0.05, 0.5), rng.uniform(0, 0.1), rng.uniform(0, 0.3)]
    return perhaps_room(rng, oscillate(_steady(rng, t, rng.uniform(1800, 4200), 0.001), weights) * gate)


def alarm_reversing(rng: Rng) -> Float64:
    """A reversing lorry: 0.9–1.5 kHz, on and off about once a second; outdoors."""
    t = time_axis()
    gate = pulse_gate(t + rng.random(), rng.uniform(0.8, 1.8), rng.uniform(0.4, 0.6))
    tone = oscillate(_steady(rng, t, rng.uniform(900, 1500)), random_weights(rng, 8))
    return _voiced(rng, tone * gate, (300, 800), (2500, 6000)) * smooth_curve(rng, len(t), 0.4, 0.4, 1)


def klaxon(rng: Rng) -> Float64:
    """A buzzer of 300–800 Hz rich in harmonics, long blasts, at times swooping up as a ship's klaxon does."""
    t = time_axis()
    rate = rng.uniform(0.4, 3)
    duty = rng.uniform(0.5, 0.85)
    swoop = 1 - rng.choice([0.0, rng.uniform(0.1, 0.6)]) * np.exp(-((t * rate) % 1.0) / rate / rng.uniform(0.05, 0.3))
    harmonics = rng.uniform(0.3, 1, 20) / np.arange(1, 21) ** rng.uniform(0.2, 1)
    tone = oscillate(_steady(rng, t, rng.uniform(300, 800), 0.008) * swoop, harmonics)
    rough = 1 - rng.uniform(0, 0.6) * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(20, 70) * t))
    return _voiced(rng, tone * rough * pulse_gate(t, rate, duty), (100, 500), (2000, 8000))


def alarm_car(rng: Rng) -> Float64:
    """A car alarm: one to three patterns of sweeps and steps in turn, out of a small siren."""
    t = time_axis()
    section = np.minimum((t / rng.uniform(1.2, 3)).astype(int), 2)
    frequency, low = np.zeros_like(t), rng.uniform(600, 1300)
    for number in range(3):
        beat = (t * rng.uniform(1.5, 12)) % 1.0
        shape = [beat, 1 - beat, 1 - np.abs(2 * beat - 1), (beat < 0.5).astype(np.float64)][int(rng.integers(4))]
        frequency[section == number] = (low * rng.uniform(1.4, 2.8) ** shape)[section == number]
    return _voiced(rng, oscillate(frequency, random_weights(rng, 8)), (300, 900), (3500, 9000))


def _gong(rng: Rng, frequency_hz: float, seconds: float = 0.7) -> Float64:
    """A small steel gong, with the knock of its hammer."""
    ratios = np.array([1, 1.006, 1.83, 2.74, 2.9, 4.1, 5.4, 6.8]) * rng.uniform(0.97, 1.03, 8)
    weights = rng.uniform(0.1, 1, 8) / ratios ** rng.uniform(0, 0.8)
    struck = strike(rng, frequency_hz * ratios, rng.uniform(0.1, 0.5) / np.sqrt(ratios), weights, seconds)
    place(struck, burst(rng, 2000, 9000, 0.002), 0.0, rng.uniform(0.05, 0.4))
    return struck


def _hammered(rng: Rng, gongs: list[Float64], rate_hz: float, on_s: float, off_s: float) -> Float64:
    """Gongs struck in turn, a while on and a while off; no two strokes alike."""
    out = np.zeros_like(time_axis())
    at, number = rng.uniform(0, 0.3), 0
    begin = at
    while at < 4.9:
        place(out, gongs[number % len(gongs)], at, rng.uniform(0.6, 1.0))
        number += 1
        at += rng.normal(1, 0.03) / rate_hz
        if at - begin > on_s:
            at += off_s
            begin = at
    return out


def alarm_bell(rng: Rng) -> Float64:
    """A fire or school bell: one gong struck 8–15 times a second, without end."""
    gong = _gong(rng, rng.uniform(500, 2200))
    return perhaps_room(rng, _hammered(rng, [gong], rng.uniform(8, 15), 60.0, 0.0), 0.8)


def telephone_bells(rng: Rng) -> Float64:
    """The old set: two gongs a tone or so apart, 16–28 strokes a second, one or two seconds at a time."""
    low = rng.uniform(600, 1800)
    gongs = [_gong(rng, low), _gong(rng, low * rng.uniform(1.05, 1.3))]
    on_s, off_s = rng.choice([rng.uniform(0.3, 0.6), rng.uniform(1, 2.2)]), rng.uniform(0.2, 2.5)
    return perhaps_room(rng, _hammered(rng, gongs, rng.uniform(16, 28), on_s, off_s))


def telephone_warble(rng: Rng) -> Float64:
    """The electronic ringer: two or three tones in turn 8–28 times a second, in bursts."""
    t = time_axis()
    steps = rng.uniform(500, 1700) * np.array([1, rng.uniform(1.1, 1.4), rng.uniform(1.2, 1.7)])
    turn = (t * rng.uniform(16, 56)).astype(int) % int(rng.integers(2, 4))
    tone = oscillate(steps[turn], random_weights(rng, 10))
    gate = pulse_gate(t, rng.uniform(0.3, 1.2), rng.uniform(0.4, 0.8), *((2, 1) if rng.random() < 0.3 else (0, 0)))
    return _voiced(rng, tone * gate, (200, 600), (3000, 9000))


def _line(rng: Rng, x: Float64) -> Float64:
    """As an earpiece gives it: 300–3400 Hz, at times with the noise of the line."""
    x = unit_peak(x) + rng.choice([0.0, 0.003, 0.01]) * rng.standard_normal(len(x))
    sos = signal.butter(2, [rng.uniform(150, 350), rng.uniform(3000, 6000)], "bandpass", fs=SAMPLE_RATE, output="sos")
    return perhaps_room(rng, np.asarray(signal.sosfilt(sos, x)), 0.3)


def telephone_ringing_tone(rng: Rng) -> Float64:
    """What a caller hears: 440 + 480 Hz (US), 400 + 450 Hz in pairs (UK), 425 Hz (Europe); rests shortened."""
    t = time_axis()
    first, second = ((440, 480), (400, 450), (425, 425))[int(rng.integers(3))]
    tone = oscillate(_steady(rng, t, first, 0.001), random_weights(rng, 2)) + np.sin(2 * np.pi * second * t)
    if first == 400:
        return _line(rng, tone * pulse_gate(t, 1 / 0.6, 0.67, 2, 2))
    return _line(rng, tone * pulse_gate(t + rng.uniform(0, 0.5), 1 / rng.uniform(2, 4), rng.uniform(0.3, 0.6)))


def telephone_dialling(rng: Rng) -> Float64:
    """Keys of two tones each pressed in turn; then at times the busy tone."""
    t = time_axis()
    out = np.zeros_like(t)
    key_s, gap_s, at = rng.uniform(0.06, 0.25), rng.uniform(0.05, 0.3), rng.uniform(0.05, 0.5)
    end = rng.uniform(1.5, 4.8)
    while at < end:
        key = time_axis(key_s * rng.uniform(0.9, 1.2))
        pair = np.sin(2 * np.pi * rng.choice(ROWS_HZ) * key) + 1.2 * np.sin(2 * np.pi * rng.choice(COLUMNS_HZ) * key)
        place(out, pair * np.hanning(len(key)) ** 0.1, at)
        at += key_s + gap_s * rng.uniform(0.7, 1.4)
    if rng.random() < 0.5:
        low, high = ((480, 620), (425, 425))[int(rng.integers(2))]
        busy = np.sin(2 * np.pi * low * t) + np.sin(2 * np.pi * high * t)
        place(out, busy * pulse_gate(t, rng.uniform(1, 2.2), 0.5), end + 0.3, 0.7)
    return _line(rng, out)


def _melody(rng: Rng, note: Callable[[float], Float64], motif: int, beat_s: float, lowest_hz: float) -> Float64:
    """A motif of a few notes of the scale, over and over."""
    out = np.zeros_like(time_axis())
    degrees = rng.integers(0, len(SCALE), motif)
    lengths = rng.choice([1, 1, 1, 2], motif)
    at, number = rng.uniform(0, 0.2), 0
    struck = {int(d): note(lowest_hz * 2 ** (SCALE[int(d)] / 12)) for d in degrees}
    while at < 4.5:
        place(out, struck[int(degrees[number % motif])], at, rng.uniform(0.7, 1))
        at += beat_s * float(lengths[number % motif])
        number += 1
        if number % motif == 0:
            at += beat_s * float(rng.integers(0, 3))
    return out


def telephone_marimba(rng: Rng) -> Float64:
    """A mobile's tune on struck bars: partials 1, 4, 9.2 as of a tuned marimba."""
    ratios, decay_s = np.array([1, rng.uniform(3.8, 4.1), rng.uniform(8.8, 9.8)]), rng.uniform(0.08, 0.4)
    weights = np.array([1, rng.uniform(0.1, 0.6), rng.uniform(0, 0.3)])

    def note(hz: float) -> Float64:
        return strike(rng, hz * ratios, decay_s / np.sqrt(ratios), weights, 1.0)

    tune = _melody(rng, note, int(rng.integers(3, 9)), rng.uniform(0.1, 0.22), rng.uniform(450, 1100))
    return _voiced(rng, tune, (150, 500), (5000, 14000))


def _bar(rng: Rng, frequency_hz: float, decay_s: float) -> Float64:
    """A chime's bar: free-free partials 1, 2.76, 5.4, 8.93, the beat of two near ones, and the plunger's knock."""
    ratios = np.array([1, 1.002, 2.76, 5.4, 8.93]) * rng.uniform(0.995, 1.005, 5)
    weights = np.array([1, 0.4, *(rng.uniform(0.02, 0.5, 3) / np.array([1, 2, 3]))])
    out = strike(rng, frequency_hz * ratios, decay_s / ratios**0.8, weights, 2.5)
    place(out, burst(rng, 300, 4000, 0.006), 0.0, rng.uniform(0.02, 0.3))
    return out


def doorbell_ding_dong(rng: Rng) -> Float64:
    """Two bars, the second three to six semitones lower, once or twice."""
    out = np.zeros_like(time_axis())
    high, decay_s, gap_s = rng.uniform(500, 1100), rng.uniform(0.3, 1.2), rng.uniform(0.3, 0.9)
    low = high * 2 ** (-rng.uniform(3, 6) / 12)
    for at in (0.1, 0.1 + 2 * gap_s + rng.uniform(0.3, 1.0))[: int(rng.integers(1, 3))]:
        place(out, _bar(rng, high, decay_s), at)
        place(out, _bar(rng, low, decay_s), at + gap_s, rng.uniform(0.8, 1.2))
    return perhaps_room(rng, out)


def doorbell_electric(rng: Rng) -> Float64:
    """A bell with a breaker: 15–35 strokes a second for as long as the button is pressed."""
    gong = _gong(rng, rng.uniform(900, 3000), 0.5)
    return perhaps_room(rng, _hammered(rng, [gong], rng.uniform(15, 35), rng.uniform(0.3, 1.5), rng.uniform(0.3, 2.5)))


def buzzer(rng: Rng) -> Float64:
    """An armature at the mains' frequency or its double: a harsh comb of harmonics to 5 kHz."""
    t = time_axis(rng.uniform(1.5, 5))
    hum = _steady(rng, t, float(rng.choice([50, 60, 100, 120])) * rng.uniform(0.98, 1.02), 0.01)
    harmonics = rng.uniform(0.1, 1, 60) * np.exp(-(((np.arange(60) - rng.uniform(5, 25)) / rng.uniform(8, 25)) ** 2))
    gate = pulse_gate(t, 1 / rng.uniform(0.7, 2.5), rng.uniform(0.3, 0.8))
    return _voiced(rng, oscillate(hum, harmonics) * gate, (100, 500), (2500, 7000))


def doorbell_melody(rng: Rng) -> Float64:
    """An electronic chime: slow notes of a bare tone, each dying away over the next."""
    decay_s, weights = rng.uniform(0.25, 0.8), random_weights(rng, 6)
    t = time_axis(2.0)

    def note(hz: float) -> Float64:
        return oscillate(np.full_like(t, hz), weights) * np.exp(-t / decay_s) * np.minimum(1, t / 0.003)

    tune = _melody(rng, note, int(rng.integers(4, 9)), rng.uniform(0.25, 0.6), rng.uniform(350, 900))
    return _voiced(rng, tune, (150, 500), (4000, 10000))


KINDS: tuple[Kind, ...] = (
    Kind("siren", "wail", siren_wail), Kind("siren", "yelp", siren_yelp), Kind("siren", "phaser", siren_phaser),
    Kind("siren", "two tone", siren_two_tone), Kind("siren", "air raid", siren_air_raid),
    Kind("siren", "synthetic", siren_synthetic),
    Kind("alarm", "smoke detector", alarm_smoke_detector), Kind("alarm", "digital clock", alarm_digital_clock),
    Kind("alarm", "reversing", alarm_reversing), Kind("car horn", "klaxon", klaxon),
    Kind("alarm", "car", alarm_car), Kind("alarm", "bell", alarm_bell),
    Kind("telephone", "two bells", telephone_bells), Kind("telephone", "warble", telephone_warble),
    Kind("telephone", "ringing tone", telephone_ringing_tone), Kind("telephone", "dialling", telephone_dialling),
    Kind("telephone", "marimba", telephone_marimba),
    Kind("doorbell", "ding dong", doorbell_ding_dong), Kind("doorbell", "electric", doorbell_electric),
    Kind("alarm", "buzzer", buzzer), Kind("doorbell", "melody", doorbell_melody),
)  # fmt: skip
