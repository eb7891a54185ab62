"""Draw what a training mixture holds: which recordings, cut how, louder or softer, through which room. No sample is
touched here: `export.train.sound` makes them, on whatever device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from export.train.cache import SampleStore
from export.train.concepts import NOISES, class_weights, too_near
from export.train.corpus import MAN, NAMELESS, PROCEDURAL, SAMPLE_RATE, SPEECH, WOMAN, Recording, origin
from export.train.mixtures import Cut, cuts

Rng = np.random.Generator

RUNNING_SPEECH_S = 5.0
"""Speech files at least this long are drawn two times of three, though they are few: single words teach no prosody."""
VOICE_SPEED, SOUND_SPEED, NOISE_SPEED = (0.85, 1.15), (0.6, 1.6), (0.4, 2.2)
"""Slowest and fastest that a recording is played; most classes have few recordings, but their pitch means little. Least
of all in a noise that a voice has to be heard above: those are what noisy speech lacks most (`RUNS.md`)."""
_ONE_WAY = ("footsteps", "typing", "crowd")
"""Noises that are others when they are played backwards."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a recording and where it is laid down, in samples before the change of speed."""

    file: str
    cut: Cut


@dataclass(frozen=True, slots=True)
class Room:
    """A tail of exponentially decaying noise: seconds to -60 dB, and how far it lies below the direct sound."""

    decay_s: float
    below_db: float


@dataclass(frozen=True, slots=True)
class Source:
    """What one source is made of and what it answers to.

    `events` are the (begin, length) in samples in which it sounds; None: all the time.
    """

    label: str
    concepts: tuple[str, ...]
    band_hz: float
    pieces: tuple[Piece, ...] = ()
    speed: float = 1.0
    backwards: bool = False
    room: Room | None = None
    events: tuple[tuple[int, int], ...] | None = None
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Chances of the draw."""

    seconds: float = 2.0
    noisy_speech_share: float = 0.42
    """One voice and one to three noises, the voice -3…+18 dB above each: what a call or a street is like."""
    further_noise_share: float = 0.45
    """Chance of each noise, up to three, to have another beside it."""
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
        self._lengths = {recording.file: len(store[recording.file]) for recording in recordings}
        recorded: dict[str, dict[str, list[Recording]]] = defaultdict(lambda: defaultdict(list))
        made: dict[str, dict[str, list[Recording]]] = defaultdict(lambda: defaultdict(list))
        names = [origin(recording) for recording in recordings]
        for recording, name in zip(recordings, names, strict=True):
            side = made if recording.source == PROCEDURAL and recording.label != NAMELESS else recorded
            side[recording.label][name].append(recording)
        self._by_label = {
            label: (list(recorded[label].values()), list(made[label].values())) for label in {*recorded, *made}
        }
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
            more = self.recipe.further_noise_share
            noises = [self._noise(rng) for _ in range(1 + int(rng.random() < more) * (1 + int(rng.random() < more)))]
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
        """A noise made by formula, two times of five; else a recorded one. Half of them backwards."""
        if self._made_noises and (not self._noises or rng.random() < 0.4):
            noise = self._played(self._made_noises[int(rng.integers(len(self._made_noises)))], rng, NOISE_SPEED)
        else:
            noise = self._of_label(self._noises[int(rng.integers(len(self._noises)))], rng, NOISE_SPEED)
        return replace(noise, backwards=noise.label not in _ONE_WAY and rng.random() < 0.5)

    def _sound(self, rng: Rng, beside: Sequence[str]) -> Source:
        for _ in range(30):
            label = self._labels[int(rng.choice(len(self._labels), p=self._weights))]
            if not any(too_near(label, other) for other in beside):
                break
        return self._of_label(label, rng)

    def _of_label(self, label: str, rng: Rng, speeds: tuple[float, float] = SOUND_SPEED) -> Source:
        """One origin is as likely as another, but at least half of the time one that was recorded, where there is any:
        what is made by formula comes in many kinds and would drown it."""
        recorded, made = self._by_label[label]
        share = max(0.5 if recorded else 0.0, len(recorded) / (len(recorded) + len(made)))
        origins = recorded if rng.random() < share else made
        recordings = origins[int(rng.integers(len(origins)))]
        return self._played(recordings[int(rng.integers(len(recordings)))], rng, speeds)

    def _played(self, recording: Recording, rng: Rng, speeds: tuple[float, float]) -> Source:
        """A recording as it is, once or a few times."""
        speed = _speed(speeds, rng)
        found = cuts(self._lengths[recording.file], int(self.length * speed) + 2, rng)
        return self._finish([Piece(recording.file, one) for one in found], speed, recording, rng)

    def _voice(self, rng: Rng, sex: str = "") -> Source:
        pool = self._running if self._running and (rng.random() < 2 / 3 or not self._words) else self._words
        for _ in range(200):
            recording = pool[int(rng.integers(len(pool)))]
            if not sex or sex in recording.concepts:
                break
        speed = _speed(VOICE_SPEED, rng)
        pieces = self._strung_together(recording, int(self.length * speed) + 2, rng)
        return self._finish(pieces, speed, recording, rng)

    def _strung_together(self, first: Recording, length: int, rng: Rng) -> list[Piece]:
        """A piece of running speech, or words of one voice (or crowd) with pauses between."""
        if self._lengths[first.file] >= length:
            return [Piece(first.file, one) for one in cuts(self._lengths[first.file], length, rng)]
        voice = self._by_voice[first.speaker, first.concepts]
        pieces = []
        at = int(rng.integers(length // 3)) if rng.random() < 0.5 else 0
        recording = first
        while at < length:
            count = min(self._lengths[recording.file], length - at)
            pieces.append(Piece(recording.file, Cut(0, at, count)))
            at += count + int(rng.integers(SAMPLE_RATE // 2))
            recording = voice[int(rng.integers(len(voice)))]
            if rng.random() < 0.15:
                break
        return pieces

    def _finish(self, pieces: Sequence[Piece], speed: float, recording: Recording, rng: Rng) -> Source:
        room = Room(rng.uniform(0.1, 0.5), rng.uniform(0, 12)) if rng.random() < 0.15 else None
        events = _events(self.length, rng) if rng.random() < self.recipe.events_share else None
        band_hz = recording.native_sr_hz / 2
        return Source(recording.label, recording.concepts, band_hz, tuple(pieces), speed, room=room, events=events)


def _speed(span: tuple[float, float], rng: Rng) -> float:
    return rng.uniform(*span) if rng.random() < 0.6 else 1.0


def _events(length: int, rng: Rng) -> tuple[tuple[int, int], ...]:
    """Stretches of 0.15–1.5 s with silence for 0.2–1.2 s between."""
    found = []
    at = int(rng.uniform(0.0, 1.2) * SAMPLE_RATE) if rng.random() < 0.7 else 0
    while at < length:
        found.append((at, int(rng.uniform(0.15, 1.5) * SAMPLE_RATE)))
        at += found[-1][1] + int(rng.uniform(0.2, 1.2) * SAMPLE_RATE)
    return tuple(found)
