"""Draw what a training mixture holds: which recordings, cut how, louder or softer, through which room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import signal

from export.train.cache import SampleStore
from export.train.concepts import NOISES, class_weights, too_near
from export.train.corpus import MAN, NAMELESS, PROCEDURAL, SAMPLE_RATE, SPEECH, WOMAN, Recording, origin
from export.train.mixtures import cut

Float32 = npt.NDArray[np.float32]
Rng = np.random.Generator

RUNNING_SPEECH_S = 5.0
"""Speech files at least this long are drawn two times of three, though they are few: single words teach no prosody."""
VOICE_SPEED, SOUND_SPEED = (0.85, 1.15), (0.6, 1.6)
"""Slowest and fastest that a recording is played; most classes have few recordings, but their pitch means little."""


@dataclass(frozen=True, slots=True)
class Source:
    """`samples [n]` of one source with mean square 1 where it sounds, and what it answers to."""

    samples: Float32
    label: str
    concepts: tuple[str, ...]
    band_hz: float
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Chances of the draw."""

    seconds: float = 2.0
    noisy_speech_share: float = 0.36
    """One voice and one or two noises, the voice -3…+18 dB above them: what a call or a recording outdoors is like."""
    speech_share: float = 0.35
    man_and_woman_share: float = 0.10
    events_share: float = 0.3
    """Sources that come and go, so that beginnings and ends are heard as often as what lies between."""
    sources: tuple[float, ...] = (0.08, 0.60, 0.26, 0.06)
    """Chance of 1, 2, 3, 4 sources."""


class SceneMaker:
    """Draws the sources of a mixture from a set of recordings."""

    def __init__(self, recordings: Sequence[Recording], store: SampleStore, recipe: Recipe) -> None:
        self.recipe = recipe
        self.length = int(recipe.seconds * SAMPLE_RATE) + 480
        self._sound_length, self._voice_length = (int(self.length * s[1]) + 1 for s in (SOUND_SPEED, VOICE_SPEED))
        self._store = store
        self._by_label: dict[str, dict[str, list[Recording]]] = defaultdict(lambda: defaultdict(list))
        names = [origin(recording) for recording in recordings]
        for recording, name in zip(recordings, names, strict=True):
            self._by_label[recording.label][name].append(recording)
        self._noises = sorted({r.label for r in recordings if r.label in NOISES})
        self._made_noises = [r for r in recordings if r.label == NAMELESS and r.source == PROCEDURAL]
        weights = class_weights(recordings, names)
        self._labels = list(weights)
        self._weights = np.array(list(weights.values()))
        speech = [r for r in recordings if r.label == SPEECH]
        self._running = [r for r in speech if r.seconds >= RUNNING_SPEECH_S]
        self._words = [r for r in speech if r.seconds < RUNNING_SPEECH_S]
        self._by_voice: dict[tuple[str, tuple[str, ...]], list[Recording]] = defaultdict(list)
        for recording in speech:
            self._by_voice[recording.speaker, recording.concepts].append(recording)

    def draw(self, rng: Rng) -> list[Source]:
        """One to four sources with their gains; no two of them too near each other, save two voices."""
        if self._running and rng.random() < self.recipe.noisy_speech_share and (self._noises or self._made_noises):
            noises = [self._noise(rng) for _ in range(1 + int(rng.random() < 0.25))]
            return [replace(self._voice(rng), gain_db=rng.uniform(-3, 18)), *noises]
        sources = self._sources(rng)
        low, high = (-10, 15) if rng.random() < 0.2 else (-5, 5)
        return [replace(source, gain_db=rng.uniform(low, high)) for source in sources]

    def _sources(self, rng: Rng) -> list[Source]:
        if self._running and rng.random() < self.recipe.man_and_woman_share:
            sources = [self._voice(rng, MAN), self._voice(rng, WOMAN)]
        elif self._running and rng.random() < self.recipe.speech_share:
            sources = [self._voice(rng)]
        else:
            sources = [self._sound(rng, [])]
        wanted = 1 + int(rng.choice(len(self.recipe.sources), p=self.recipe.sources))
        while len(sources) < wanted:
            sources.append(self._sound(rng, [source.label for source in sources]))
        return sources

    def _noise(self, rng: Rng) -> Source:
        """A noise made by formula, two times of five; else a recorded one."""
        if self._made_noises and (not self._noises or rng.random() < 0.4):
            made = self._made_noises[int(rng.integers(len(self._made_noises)))]
            return self._finish(cut(self._store[made.file], self._sound_length, rng), made, rng)
        return self._of_label(self._noises[int(rng.integers(len(self._noises)))], rng)

    def _sound(self, rng: Rng, beside: Sequence[str]) -> Source:
        for _ in range(30):
            label = self._labels[int(rng.choice(len(self._labels), p=self._weights))]
            if not any(too_near(label, other) for other in beside):
                break
        return self._of_label(label, rng)

    def _of_label(self, label: str, rng: Rng) -> Source:
        origins = self._by_label[label]
        name = list(origins)[int(rng.integers(len(origins)))]
        recording = origins[name][int(rng.integers(len(origins[name])))]
        return self._finish(cut(self._store[recording.file], self._sound_length, rng), recording, rng)

    def _voice(self, rng: Rng, sex: str = "") -> Source:
        pool = self._running if self._running and (rng.random() < 2 / 3 or not self._words) else self._words
        for _ in range(200):
            recording = pool[int(rng.integers(len(pool)))]
            if not sex or sex in recording.concepts:
                break
        return self._finish(self._string_together(recording, self._voice_length, rng), recording, rng)

    def _string_together(self, first: Recording, length: int, rng: Rng) -> Float32:
        """`[length]`: a piece of running speech, or words of one voice (or crowd) with pauses between."""
        if first.seconds * SAMPLE_RATE >= length:
            return cut(self._store[first.file], length, rng)
        voice = self._by_voice[first.speaker, first.concepts]
        out = np.zeros(length, np.float32)
        at = int(rng.integers(length // 3)) if rng.random() < 0.5 else 0
        recording = first
        while at < length:
            piece = self._store[recording.file][: length - at]
            out[at : at + len(piece)] = piece.astype(np.float32) / 32768
            at += len(piece) + int(rng.integers(SAMPLE_RATE // 2))
            recording = voice[int(rng.integers(len(voice)))]
            if rng.random() < 0.15:
                break
        return out

    def _finish(self, samples: Float32, recording: Recording, rng: Rng) -> Source:
        speed = VOICE_SPEED if recording.label == SPEECH else SOUND_SPEED
        samples = _change_speed(samples, rng.uniform(*speed)) if rng.random() < 0.6 else samples
        samples = samples[: self.length]
        if rng.random() < 0.15:
            samples = _in_a_room(samples, rng)
        if rng.random() < self.recipe.events_share:
            samples = _in_events(samples, rng)
        return Source(_to_unit_power(samples), recording.label, recording.concepts, recording.native_sr_hz / 2)


def _in_events(samples: Float32, rng: Rng) -> Float32:
    """With silence for 0.2–1.2 s between stretches of 0.15–1.5 s, each with a fade of 5 ms at both ends."""
    fade = np.linspace(0, 1, SAMPLE_RATE // 200, dtype=np.float32)
    gain = np.zeros(len(samples), np.float32)
    at = int(rng.uniform(0.0, 1.2) * SAMPLE_RATE) if rng.random() < 0.7 else 0
    while at < len(samples):
        length = max(int(rng.uniform(0.15, 1.5) * SAMPLE_RATE), 2 * len(fade))
        stretch = np.ones(length, np.float32)
        stretch[: len(fade)], stretch[-len(fade) :] = fade, fade[::-1]
        gain[at : at + length] = stretch[: len(samples) - at]
        at += length + int(rng.uniform(0.2, 1.2) * SAMPLE_RATE)
    return samples * gain


def _change_speed(samples: Float32, factor: float) -> Float32:
    """Resampled (linear interpolation: its loss above 15 kHz is a mild shelf, one more augmentation)."""
    at = np.arange(int(len(samples) / factor), dtype=np.float64) * factor
    return np.asarray(np.interp(at, np.arange(len(samples)), samples), np.float32)


def _in_a_room(samples: Float32, rng: Rng) -> Float32:
    """With a tail of exponentially decaying noise, 0.1–0.5 s to -60 dB, 0–12 dB below the direct sound."""
    decay_s = rng.uniform(0.1, 0.5)
    t = np.arange(int(decay_s * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    tail = rng.standard_normal(len(t), dtype=np.float32) * np.exp(-6.9 * t / np.float32(decay_s))
    tail *= np.float32(10 ** (-rng.uniform(0, 12) / 20) / np.sqrt(np.sum(np.square(tail))))
    tail[0] += 1.0
    return np.asarray(signal.oaconvolve(samples, tail)[: len(samples)], np.float32)


def _to_unit_power(samples: Float32) -> Float32:
    """Scaled to a mean square of 1 over the 10 ms pieces within 40 dB of the loudest; silence stays silence."""
    power = np.mean(np.square(samples[: len(samples) // 480 * 480].reshape(-1, 480)), axis=1)
    loudest = float(power.max())
    if loudest < 1e-9:
        return np.zeros_like(samples)
    return samples / np.float32(np.sqrt(power[power > 1e-4 * loudest].mean()))
