"""Sounds made by formula for classes with few recordings: siren, alarm, telephone, car horn, bell, wind; and noises.

Each maker returns `[n]` samples at 48 kHz, drawn from the generator given; parameters follow what such devices do (US
electronic sirens: wail 0.2–0.3 Hz, yelp 3–4 Hz, 500–1800 Hz; European two-tone 390–660 Hz; bell tones 440 + 480 Hz).
They teach the class's shape; they say nothing of held-out quality and are never held out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import signal

from export.train.corpus import NAMELESS, PROCEDURAL, SAMPLE_RATE, Recording

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Rng = np.random.Generator
CLIP_S = 5.0


def _oscillate(frequency_hz: Float64, rng: Rng) -> Float64:
    """A tone of the frequency given per sample, with one of three timbres."""
    phase = 2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE
    partials = rng.choice([1, 3, 8])
    weights = [1.0, *(rng.uniform(0.2, 1.0) / k for k in range(2, partials + 1))]
    return sum((w * np.sin((k + 1) * phase) for k, w in enumerate(weights)), np.zeros_like(phase))


def _time(seconds: float = CLIP_S) -> Float64:
    return np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def siren(rng: Rng) -> Float64:
    """Wail, yelp or two-tone, Doppler-free."""
    t = _time()
    low, high = rng.uniform(380, 700), rng.uniform(800, 1800)
    kind = rng.integers(3)
    if kind == 0:  # wail and yelp differ in rate alone
        rate = rng.choice([rng.uniform(0.15, 0.5), rng.uniform(2, 5)])
        sweep = 0.5 - 0.5 * np.cos(2 * np.pi * rate * t + rng.uniform(0, 6))
    elif kind == 1:  # sawtooth "phaser"
        sweep = (t * rng.uniform(1, 6) + rng.uniform()) % 1.0
    else:
        high = low * rng.uniform(1.2, 1.5)
        sweep = (np.floor(t * rng.uniform(1.2, 3.0)) % 2).astype(float)
    return _oscillate(low * (high / low) ** sweep, rng)


def _pulses(t: Float64, rate_hz: float, duty: float, group: int = 0) -> Float64:
    """A gate of 0 and 1 with 3 ms edges; `group` pulses, then as long a rest."""
    beat = t * rate_hz
    gate = ((beat % 1.0) < duty).astype(float)
    if group:
        gate *= (beat % (2 * group)) < group
    edge = np.ones(int(0.003 * SAMPLE_RATE))
    return np.asarray(signal.fftconvolve(gate, edge / len(edge), mode="same"))


def alarm(rng: Rng) -> Float64:
    """Beeps of a clock, smoke detector or reversing lorry."""
    t = _time()
    tone = _oscillate(np.full_like(t, rng.choice([rng.uniform(600, 1500), rng.uniform(1800, 3600)])), rng)
    gate = _pulses(t, rng.uniform(1.5, 9.0), rng.uniform(0.3, 0.7), int(rng.choice([0, 0, 3, 4])))
    return tone * gate


def telephone(rng: Rng) -> Float64:
    """A ringer: two bells struck about 20 times a second, or an electronic warble; one or two seconds of every few."""
    t = _time()
    first, second = rng.uniform(420, 1600) * np.array([1.0, rng.uniform(1.08, 1.3)])
    warble = (np.floor(t * rng.uniform(14, 26)) % 2).astype(float)
    tone = _oscillate(np.where(warble > 0, first, second), rng)
    tone = tone + rng.uniform(0, 0.6) * _oscillate(np.full_like(t, first * 2.7), rng)
    return tone * _pulses(t, rng.uniform(0.3, 0.9), rng.uniform(0.4, 0.8))


def car_horn(rng: Rng) -> Float64:
    """Two reeds a third apart, pressed once to three times."""
    t = _time(rng.uniform(0.4, 2.5))
    base = rng.uniform(300, 480)
    phase = 2 * np.pi * base * t
    reeds: Float64 = signal.sawtooth(phase) + signal.sawtooth(phase * rng.uniform(1.19, 1.27))
    b, a = signal.butter(2, [base * 1.5, min(base * 12, 9000)], "bandpass", fs=SAMPLE_RATE)
    return np.asarray(signal.lfilter(b, a, reeds)) * _pulses(t + 0.01, rng.uniform(0.3, 2.0), rng.uniform(0.5, 0.9))


def bell(rng: Rng) -> Float64:
    """Inharmonic partials that die away, struck one to six times (partials of a church bell: hum, prime, tierce …)."""
    t = _time()
    prime = rng.uniform(250, 2400)
    ratios = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.67, 3.0, 4.0, 5.4]) * rng.uniform(0.99, 1.01, 10)
    decay_s = rng.uniform(0.15, 2.5) / np.sqrt(ratios)
    out = np.zeros_like(t)
    starts = np.sort(rng.uniform(0, CLIP_S * 0.8, rng.integers(1, 7)))
    weights = rng.uniform(0.1, 1.0, 10) / np.sqrt(ratios)
    strike = sum(w * np.sin(2 * np.pi * prime * r * t + 6 * rng.uniform()) * np.exp(-t / d)
                 for w, r, d in zip(weights, ratios, decay_s, strict=True) if prime * r < 20000)  # fmt: skip
    for start in starts:
        at = int(start * SAMPLE_RATE)
        out[at:] += rng.uniform(0.5, 1.0) * np.asarray(strike)[: len(t) - at]
    return out


def wind(rng: Rng) -> Float64:
    """Noise through a resonance whose pitch and loudness wander slowly."""
    t = _time()
    noise = rng.standard_normal(len(t))
    drift = np.interp(t, np.linspace(0, CLIP_S, 8), rng.uniform(0.15, 1.0, 8))
    low, high = rng.uniform(60, 200), rng.uniform(400, 1500)
    b, a = signal.butter(1, [low, high], "bandpass", fs=SAMPLE_RATE)
    return np.asarray(signal.lfilter(b, a, noise)) * drift**2


def noise(rng: Rng) -> Float64:
    """What belongs to no class: noise of a random slope and a few broad humps, swelling and fading at random, half of
    the time with a hum and its harmonics, as fans, motors and rooms make it."""
    t = _time()
    frequency_hz = np.fft.rfftfreq(len(t), 1 / SAMPLE_RATE)
    octave = np.log2(np.maximum(frequency_hz, 20.0) / 1000)
    gain_db = -rng.uniform(-1, 9) * octave
    for _ in range(rng.integers(1, 5)):
        centre, spread = rng.uniform(-4, 4), rng.uniform(0.15, 1.2)
        gain_db += rng.uniform(-15, 20) * np.exp(-0.5 * ((octave - centre) / spread) ** 2)
    spectrum = np.fft.rfft(rng.standard_normal(len(t))) * 10 ** (gain_db / 20)
    out: Float64 = np.fft.irfft(spectrum, n=len(t))
    out /= np.sqrt(np.mean(np.square(out))) + 1e-9
    if rng.random() < 0.5:
        base = rng.uniform(40, 240) * (1 + 0.02 * np.interp(t, np.linspace(0, CLIP_S, 6), rng.standard_normal(6)))
        out += rng.uniform(0.1, 1.2) * _oscillate(base, rng)
    depth = rng.choice([0.0, 0.5, 0.95])
    points = int(rng.choice([6, 20, 80]))
    return out * (1 - depth * np.interp(t, np.linspace(0, CLIP_S, points), rng.uniform(0, 1, points)))


MAKERS: dict[str, Callable[[Rng], Float64]] = {
    "siren": siren, "alarm": alarm, "telephone": telephone, "car horn": car_horn, "bell": bell, "wind": wind,
    NAMELESS: noise,
}  # fmt: skip
CLIPS_PER_CLASS = 40
NOISE_CLIPS = 240


def _finish(make: Callable[[Rng], Float64], rng: Rng) -> npt.NDArray[np.int16]:
    made = make(rng)
    return np.asarray(made / (np.abs(made).max() + 1e-9) * 16000, np.int16)


def procedural_recordings(seed: int = 7) -> tuple[list[Recording], dict[str, npt.NDArray[np.int16]]]:
    """Recordings and their int16 samples by file name; the same for the same seed."""
    recordings: list[Recording] = []
    arrays: dict[str, npt.NDArray[np.int16]] = {}
    for number, (label, make) in enumerate(MAKERS.items()):
        draw = partial(_finish, make)
        for take in range(NOISE_CLIPS if label == NAMELESS else CLIPS_PER_CLASS):
            file = f"procedural/{label.replace(' ', '_') or 'noise'}_{take}"
            arrays[file] = draw(np.random.default_rng([seed, number, take]))
            seconds = len(arrays[file]) / SAMPLE_RATE
            named = (label,) if label else ()
            recordings.append(Recording(file, label, named, PROCEDURAL, "Apache-2.0", "", SAMPLE_RATE, seconds))
    return recordings, arrays
