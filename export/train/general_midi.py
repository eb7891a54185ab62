"""Instruments, choirs and effects from a General MIDI soundfont: notes, tunes, chords and strokes for rare classes.

Played by FluidSynth (`apt install libfluidsynth3`, `pip install pyfluidsynth`). The soundfont is the user's to name;
ours are trained with FluidR3 (Frank Wen and others, MIT licence; Debian's `fluid-soundfont-gm`). What it plays is
trained on and never held out. Programs and keys are those of the General MIDI 1 sound set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from export.train.corpus import PROCEDURAL, SAMPLE_RATE, Recording
from export.train.procedural.signals import PEAK
from export.train.progress import counted

Rng = np.random.Generator
CLIP_S = 5.0
CLIPS_PER_PROGRAM = 10
DRUM_BANK, DRUM_CHANNEL = 128, 9
MAJOR = (0, 2, 4, 5, 7, 9, 11)
STEPS = (0, 1, 1, 2, 2, 3, 5)
"""Sizes of a tune's steps, in degrees of the scale; up and down."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A program of a bank, what it answers to, and the MIDI keys it is played at."""

    name: str
    label: str
    program: int
    lowest: int
    highest: int


def _family(label: str, lowest: int, highest: int, names: dict[int, str]) -> list[Instrument]:
    return [Instrument(name, label, program, lowest, highest) for program, name in names.items()]


INSTRUMENTS: tuple[Instrument, ...] = (
    *_family("piano", 33, 96, {0: "grand", 1: "bright", 3: "honky tonk"}),
    *_family("electric piano", 36, 90, {4: "tine", 5: "fm"}),
    *_family("bell", 60, 96, {9: "glockenspiel", 10: "music box", 14: "tubular", 98: "crystal", 112: "tinkle"}),
    *_family("guitar", 40, 80, {
        24: "nylon", 25: "steel", 26: "jazz", 27: "clean", 28: "muted", 29: "overdriven", 30: "distorted",
        31: "harmonics", 105: "banjo",
    }),
    *_family("bass", 28, 55, {32: "acoustic", 33: "fingered", 34: "picked", 35: "fretless", 36: "slap", 38: "synth"}),
    *_family("strings", 43, 88, {
        40: "violin", 41: "viola", 42: "cello", 44: "tremolo", 45: "pizzicato", 48: "ensemble", 49: "slow ensemble",
        50: "synth", 46: "harp", 110: "fiddle",
    }),
    *_family("brass", 45, 80, {
        56: "trumpet", 57: "trombone", 58: "tuba", 59: "muted trumpet", 60: "horn", 61: "section", 62: "synth",
    }),
    *_family("saxophone", 46, 80, {64: "soprano", 65: "alto", 66: "tenor", 67: "baritone"}),
    *_family("woodwind", 48, 84, {68: "oboe", 69: "english horn", 70: "bassoon", 71: "clarinet", 111: "shanai"}),
    *_family("flute", 60, 96, {72: "piccolo", 73: "transverse", 74: "recorder", 75: "pan", 77: "shakuhachi"}),
    *_family("whistle", 72, 96, {78: "lips"}),
    *_family("synthesizer", 40, 88, {
        80: "square", 81: "saw", 82: "calliope", 84: "charang", 87: "bass lead", 88: "new age", 89: "warm",
        90: "polysynth", 95: "sweep",
    }),
    *_family("sitar", 48, 80, {104: "sitar"}),
    *_family("singing", 43, 81, {52: "aah", 53: "ooh", 54: "synth"}),
    *_family("drums", 36, 60, {47: "timpani", 116: "taiko", 117: "tom", 118: "synth"}),
    *_family("cymbal", 48, 72, {119: "reversed"}),
    *_family("sea waves", 40, 76, {122: "shore"}),
    *_family("birds", 48, 84, {123: "tweet"}),
    *_family("telephone", 54, 80, {124: "ring"}),
    *_family("helicopter", 40, 70, {125: "helicopter"}),
    *_family("clapping", 48, 72, {126: "applause"}),
    *_family("explosion", 40, 72, {127: "gunshot"}),
)  # fmt: skip

STROKES: dict[str, tuple[int, ...]] = {
    "drums": (35, 36, 37, 38, 40, 41, 43, 45, 47, 48, 50),
    "cymbal": (42, 44, 46, 49, 51, 52, 53, 55, 57, 59),
}
"""Keys of the drum channel by class."""

HITS: dict[str, tuple[int, ...]] = {"clapping": (39,), "whistle": (71, 72), "bell": (56, 80, 81)}
"""Keys of the standard kit for classes that are struck otherwise: hand clap, whistles, cowbell and triangles."""

KITS = {0: "standard", 8: "room", 16: "power", 24: "electronic", 32: "jazz", 40: "brush"}
BAND = ((0, 24, 25, 4), (48, 89, 61, 73), (32, 33, 34, 35))
"""Programs that play the chords, the tune and the bass of a piece of "music"."""


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """A key pressed on a channel at `begin_s` for `length_s`."""

    begin_s: float
    length_s: float
    channel: int
    key: int
    velocity: int


def tune(rng: Rng, channel: int, lowest: int, highest: int) -> list[Note]:
    """One of: long single notes, a tune of one voice, chords (plain or strummed)."""
    kind = rng.random()
    root = int(rng.integers(lowest, max(lowest + 1, highest - 12)))
    beat = rng.uniform(0.12, 0.5)
    loud = int(rng.integers(50, 120))
    at, degree, notes = rng.uniform(0, 0.5), int(rng.integers(0, 7)), list[Note]()
    while at < CLIP_S - 0.2:
        if kind < 0.3:
            length = rng.uniform(0.8, 3.0)
            keys = [int(rng.integers(lowest, highest + 1))]
        elif kind < 0.75:
            length = beat * float(rng.choice([1, 1, 1, 2, 2, 4]))
            degree += int(rng.choice(STEPS)) * int(rng.choice([-1, 1]))
            keys = [_key(root, degree, lowest, highest)]
        else:
            length = beat * float(rng.choice([2, 4, 8]))
            degree = int(rng.choice([0, 3, 4, 5]))
            keys = sorted({_key(root, degree + third, lowest, highest) for third in (0, 2, 4, 7)[: rng.integers(2, 5)]})
        strum = rng.uniform(0, 0.03)
        for number, key in enumerate(keys):
            velocity = int(np.clip(loud + rng.integers(-15, 16), 20, 127))
            notes.append(Note(at + number * strum, length * rng.uniform(0.6, 1.1), channel, key, velocity))
        at += length * (rng.uniform(1.0, 1.6) if rng.random() < 0.15 else 1.0)
    return notes


def _key(root: int, degree: int, lowest: int, highest: int) -> int:
    key = root + 12 * (degree // 7) + MAJOR[degree % 7]
    while key > highest:
        key -= 12
    while key < lowest:
        key += 12
    return key


def strokes(rng: Rng, keys: Sequence[int]) -> list[Note]:
    """Beats on a grid, some left out, on two or three of the keys."""
    picked = rng.permutation(np.array(keys))[: int(rng.integers(1, 4))]
    beat, notes = rng.uniform(0.1, 0.6), list[Note]()
    for at in np.arange(rng.uniform(0, 0.6), CLIP_S - 0.1, beat):
        if rng.random() < 0.7:
            key = int(picked[int(rng.integers(len(picked)))])
            notes.append(Note(float(at), 0.2, DRUM_CHANNEL, key, int(rng.integers(40, 127))))
    return notes


def band(rng: Rng) -> tuple[dict[int, int], list[Note]]:
    """Programs by channel, and the notes of chords, tune, bass and drums, of which one may be missing."""
    programs = {channel: int(rng.choice(choice)) for channel, choice in enumerate(BAND)}
    parts = [tune(rng, 0, 48, 76), tune(rng, 1, 60, 84), tune(rng, 2, 28, 48), strokes(rng, STROKES["drums"])]
    parts.append(strokes(rng, STROKES["cymbal"]))
    missing = int(rng.integers(len(parts) + 1))
    return programs, [note for number, part in enumerate(parts) if number != missing for note in part]


def midi_recordings(
    soundfont: Path, seed: int = 8, clips: int = CLIPS_PER_PROGRAM
) -> tuple[list[Recording], dict[str, npt.NDArray[np.int16]]]:
    """Recordings and their int16 samples by file name; the same for the same seed, soundfont and FluidSynth.

    Raises:
        ImportError: pyfluidsynth or the library behind it is not installed.
        OSError: the soundfont cannot be read.
    """
    player = _Player(soundfont)
    recordings: list[Recording] = []
    arrays: dict[str, npt.NDArray[np.int16]] = {}
    pieces = list(_pieces(seed, clips))
    with counted("making played sounds", len(pieces)) as tell:
        for number, (name, label, programs, notes) in enumerate(pieces):
            tell(number)
            played = player.play(programs, notes)
            peak = int(np.abs(played).max())
            if peak < 100:  # a soundfont need not have every program
                continue
            file = f"general_midi/{name.replace(' ', '_')}_{number}"
            arrays[file] = np.asarray(played * (PEAK / peak), np.int16)
            recordings.append(Recording(file, label, (label,), PROCEDURAL, "MIT", "", SAMPLE_RATE, CLIP_S))
    return recordings, arrays


def _pieces(seed: int, clips: int) -> Iterator[tuple[str, str, dict[int, int], list[Note]]]:
    for instrument in INSTRUMENTS:
        for take in range(clips):
            rng = np.random.default_rng([seed, instrument.program, take])
            notes = tune(rng, 0, instrument.lowest, instrument.highest)
            yield f"{instrument.label} {instrument.name}", instrument.label, {0: instrument.program}, notes
    for kit, kit_name in KITS.items():
        for kind, (label, keys) in enumerate(STROKES.items()):
            for take in range(clips):
                rng = np.random.default_rng([seed, 200 + kit, kind, take])
                yield f"{label} {kit_name}", label, {DRUM_CHANNEL: kit}, strokes(rng, keys)
    for kind, (label, keys) in enumerate(HITS.items()):
        for take in range(clips):
            rng = np.random.default_rng([seed, 250, kind, take])
            yield f"{label} hits", label, {DRUM_CHANNEL: 0}, strokes(rng, keys)
    for take in range(4 * clips):
        rng = np.random.default_rng([seed, 300, take])
        programs, notes = band(rng)
        yield "band", "music", {**programs, DRUM_CHANNEL: int(rng.choice(list(KITS)))}, notes


class _Player:
    def __init__(self, soundfont: Path) -> None:
        import fluidsynth  # type: ignore[import-not-found, import-untyped, unused-ignore]  # needed here alone

        self._synth: Any = fluidsynth.Synth(gain=0.4, samplerate=float(SAMPLE_RATE))
        self._font = self._synth.sfload(str(soundfont))
        if self._font < 0:
            raise OSError(f"{soundfont} is no soundfont that FluidSynth can read")
        for effect in ("reverb", "chorus"):
            self._synth.setting(f"synth.{effect}.active", 0)

    def play(self, programs: dict[int, int], notes: Sequence[Note]) -> npt.NDArray[np.float64]:
        """`[n]` samples of `CLIP_S` seconds, both channels' mean."""
        synth = self._synth
        synth.system_reset()
        for channel, program in programs.items():
            bank = DRUM_BANK if channel == DRUM_CHANNEL else 0
            synth.program_select(channel, self._font, bank, program)
        changes = [(note.begin_s, True, note) for note in notes]
        changes += [(note.begin_s + note.length_s, False, note) for note in notes]
        made, at = list[npt.NDArray[np.int16]](), 0
        for moment_s, pressed, note in sorted(changes):
            now = min(int(moment_s * SAMPLE_RATE), int(CLIP_S * SAMPLE_RATE))
            if now > at:
                made.append(synth.get_samples(now - at))
                at = now
            if pressed:
                synth.noteon(note.channel, note.key, note.velocity)
            else:
                synth.noteoff(note.channel, note.key)
        made.append(synth.get_samples(int(CLIP_S * SAMPLE_RATE) - at))
        return np.asarray(np.concatenate(made).reshape(-1, 2).mean(1))
