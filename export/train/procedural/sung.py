"""Singing made out of running speech: a voice of the training side, its pitch replaced by a tune and its vowels held.

WORLD (Morise, Yokomori & Ozawa 2016; `pip install pyworld`, MIT) takes speech apart into pitch, spectral envelope and
noisiness. The envelopes of voiced frames are stretched in time, a melody takes the place of the pitch, and WORLD puts
it together again. Optional: only `sung_recordings` needs pyworld.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal

from export.train.cache import SampleStore
from export.train.corpus import PROCEDURAL, SAMPLE_RATE, Recording
from export.train.procedural.kind import Float64, Rng
from export.train.procedural.signals import CLIP_S, clip_of
from export.train.procedural.singing import SCALES, pitch
from export.train.progress import counted

Int16 = npt.NDArray[np.int16]
RATE = 16_000
FRAME_S = 0.005
SHORTEST_SPEECH_S = 5.0
SPEECH_S = 3.2
"""Speech that one clip is made of: at 1.5 to 3 times its length it fills a clip."""
_LETTERS = str.maketrans("0123456789", "ghjklmnpqr")


def sung_recordings(
    voices: Sequence[Recording], store: SampleStore, seed: int = 9, clips: int = 80
) -> tuple[list[Recording], dict[str, Int16]]:
    """Recordings of sung speech and their int16 samples by file name, one voice after the other; the same for a seed.

    Of `voices`, those that speak for five seconds or more are used, one recording of a voice after the other.

    Raises:
        ImportError: pyworld is not installed.
        KeyError: a voice is not in `store`.
    """
    rng = np.random.default_rng(seed)
    recordings: list[Recording] = []
    arrays: dict[str, Int16] = {}
    turns = _turns([v for v in voices if v.seconds >= SHORTEST_SPEECH_S], rng)
    with counted("making sung sounds", clips) as tell:
        for take in range(2 * clips if turns else 0):
            if len(recordings) == clips:
                break
            voice = turns[take % len(turns)]
            made = sing(np.asarray(store[voice.file]), np.random.default_rng([seed, take]))
            if made is None:
                continue
            file = f"sung/{_singer(voice)}_{take}"
            arrays[file] = made
            seconds = len(made) / SAMPLE_RATE
            recordings.append(Recording(file, "singing", ("singing",), PROCEDURAL, voice.licence, "", RATE, seconds))
            tell(len(recordings))
    return recordings, arrays


def _singer(voice: Recording) -> str:
    """The voice in letters alone: trailing numbers would be stripped, and all voices made one origin."""
    named = voice.speaker and not voice.speaker.endswith("?")
    name = voice.speaker if named else voice.file.rsplit("/", 1)[-1].removesuffix(".opus")
    return "".join(c for c in name.lower().translate(_LETTERS) if c.isalpha())


def _turns(voices: Sequence[Recording], rng: Rng) -> list[Recording]:
    """Recordings in an order in which every voice has its first turn before any has its second."""
    order = [voices[k] for k in rng.permutation(len(voices))]
    seen: dict[str, int] = {}
    turn: list[int] = []
    for voice in order:
        turn.append(seen.setdefault(_singer(voice), 0))
        seen[_singer(voice)] += 1
    return [order[k] for k in np.argsort(turn, kind="stable")]


def sing(speech: Int16, rng: Rng) -> Int16 | None:
    """A stretch of speech at 48 kHz, sung; None where hardly anything in it is voiced.

    Raises:
        ImportError: pyworld is not installed.
    """
    import pyworld  # type: ignore[import-untyped, import-not-found, unused-ignore]  # optional

    longest = int(SPEECH_S * SAMPLE_RATE)
    begin = int(rng.integers(0, max(1, len(speech) - longest)))
    x = signal.resample_poly(speech[begin : begin + longest] / 32768.0, RATE, SAMPLE_RATE)
    x = np.ascontiguousarray(x, np.float64)
    f0, times = pyworld.dio(x, RATE, frame_period=FRAME_S * 1000)
    f0 = pyworld.stonemask(x, f0, times, RATE)
    voiced = f0 > 0
    if voiced.mean() < 0.2:
        return None
    envelope = pyworld.cheaptrick(x, f0, times, RATE)
    noisiness = pyworld.d4c(x, f0, times, RATE)
    read = _stretched(voiced, envelope.sum(1), rng)
    whole = np.minimum(np.round(read).astype(int), len(f0) - 1)
    tune = _tune(len(read), float(np.median(f0[voiced])), rng)
    sung_f0 = np.where(voiced[whole], tune, 0.0)
    y = pyworld.synthesize(
        np.ascontiguousarray(sung_f0), _between(envelope, read), _between(noisiness, read), RATE, FRAME_S * 1000
    )
    return clip_of(signal.resample_poly(y[: int(CLIP_S * RATE)], SAMPLE_RATE, RATE))


def _between(frames: Float64, read: Float64) -> Float64:
    """Frames at positions between them, by straight lines."""
    low = np.minimum(read.astype(int), len(frames) - 1)
    high = np.minimum(low + 1, len(frames) - 1)
    share = (read - low)[:, None]
    return np.ascontiguousarray(frames[low] * (1 - share) + frames[high] * share)


def _stretched(voiced: npt.NDArray[np.bool_], power: Float64, rng: Rng) -> Float64:
    """Where each frame of the song reads the speech: slowly where it is voiced, at its own pace elsewhere, through
    pauses in haste."""
    pace = np.where(voiced, rng.uniform(1.5, 3.0), rng.uniform(0.6, 1.1))
    pace = np.where(~voiced & (power < 1e-3 * power.max()), 0.3, pace)
    ends = np.cumsum(pace)
    length = int(min(ends[-1], CLIP_S / FRAME_S))
    return np.interp(np.arange(length), np.concatenate([[0], ends]), np.arange(len(voiced) + 1)).clip(
        0, len(voiced) - 1
    )


def _tune(frames: int, spoken_hz: float, rng: Rng) -> Float64:
    """A melody around and above the pitch that the voice speaks at: notes of 0.25–1.5 s, portamento, vibrato."""
    scale = np.array(SCALES[rng.integers(len(SCALES))])
    centre = 69 + 12 * np.log2(spoken_hz / 440) + rng.uniform(0, 7)
    keys = (scale[None] + 12 * np.arange(10)[:, None]).reshape(-1) + rng.uniform(0, 12)
    keys = keys[(keys > centre - 7) & (keys < centre + 8)]
    shortest = rng.uniform(0.25, 0.5)
    notes = int(frames * FRAME_S / shortest) + 2
    starts = np.concatenate([[0], np.cumsum(rng.uniform(shortest, shortest * rng.uniform(1.3, 3.0), notes))])
    degree = np.clip(len(keys) // 2 + np.cumsum(rng.integers(-2, 3, notes + 1)), 0, len(keys) - 1)
    t = np.arange(frames) * FRAME_S
    note = np.searchsorted(starts, t, side="right") - 1
    since = t - starts[note]
    glide = np.exp(-since / rng.uniform(0.015, 0.06))
    before = keys[degree[np.maximum(note - 1, 0)]]
    line = keys[degree[note]] * (1 - glide) + before * glide
    swing = np.sin(2 * np.pi * rng.uniform(5, 6.5) * t + rng.uniform(0, 6)) * np.clip((since - 0.25) / 0.25, 0, 1)
    drift = np.interp(t, np.linspace(0, t[-1] + 1, 24), rng.normal(0, 0.1, 24))
    return pitch(line + rng.uniform(0.1, 0.7) * swing + drift)
