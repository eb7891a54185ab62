"""Can the places be heard where one hop ends and the next begins?

Regime: the engine alone, offline and in live chunks, 48 kHz mono unless said otherwise. Six questions, each with what
a perfect answer would be:

* transparency: the identity model against its input, every chunking (0; float32 rounding of two transforms is 1e-6);
* exactness: target + residual against the input, several client rates (at most 1e-6);
* streamed against offline: the same sound in chunks of 1, 10, random milliseconds against all at once (at most 1e-5);
* seam ratio: energy of the output's second difference within ±1 ms of hop boundaries over the same elsewhere, divided
  by that of the input (1.0: no seam), and the same where an update changes nothing (same prompt, crossfaded);
* modulation at the hop rate: of a steady tone's power (below −60 dB nobody hears it), and of noise, as a peak over its
  surroundings against that of the input (0 dB); and the tone's largest phase jump from hop to hop, in degrees (0);
* level dip in the middle of a crossfade, when neighbouring windows agree (0 dB) and when they have nothing in common
  (3 dB for any fades whose weights sum to one: the price of not pumping when they agree).

Floor: the identity model through the same path, printed beside the model.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from engine.batcher import Batcher
from engine.bundle import Bundle, load_bundle
from engine.config import SessionConfig
from engine.frames import Samples
from engine.overlap_add import OverlapAdd, linear_fades, root_hann
from engine.prompt import Target
from engine.session import Session

NAME = "stitching"
NEAR_S = 0.001


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--prompt", default="speech")
    parser.add_argument("--seconds", type=float, default=8.0)
    return parser


def voice_and_noise(seconds: float, rate: int) -> Samples:
    """A voice-like sound (glottal pulses through two resonances, with pauses) in noise, `(1, n)`."""
    rng = np.random.default_rng(8)
    time_s = np.arange(int(seconds * rate)) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    harmonics: NDArray[np.float64] = np.zeros_like(time_s)
    for number in range(1, 30):
        formants = np.exp(-(((number * 120 - 600) / 400) ** 2)) + 0.5 * np.exp(-(((number * 120 - 1500) / 500) ** 2))
        harmonics += formants * np.sin(number * phase)
    gate = np.clip(3 * np.sin(2 * np.pi * 2.3 * time_s), 0, 1)
    made: Samples = (0.1 * gate * harmonics + 0.03 * rng.standard_normal(len(time_s)))[None].astype(np.float32)
    return made


def tone(seconds: float, rate: int) -> Samples:
    """A steady 997 Hz tone `(1, n)`: no whole number of periods in a hop."""
    return (0.25 * np.sin(2 * np.pi * 997.0 * np.arange(int(seconds * rate)) / rate))[None].astype(np.float32)


def noise(seconds: float, rate: int) -> Samples:
    """Steady white noise `(1, n)`."""
    return (0.1 * np.random.default_rng(9).standard_normal((1, int(seconds * rate)))).astype(np.float32)


def chunks(count: int, rule: str, rate: int) -> Iterator[tuple[int, int]]:
    """Bounds of the chunks: `whole`, `1 ms`, `10 ms` or `random`."""
    rng = np.random.default_rng(10)
    start = 0
    while start < count:
        length = {"whole": count, "1 ms": rate // 1000, "10 ms": rate // 100}.get(rule) or int(rng.integers(1, 4000))
        yield start, min(start + length, count)
        start += length


def streamed(
    bundle: Bundle, sound: Samples, prompt: str, rule: str = "10 ms", rate: int = 48000, update_at: float = -1.0
) -> dict[str, Samples]:
    """Track name → all of it, from a session fed in chunks; at `update_at` seconds the same prompt is set again."""
    session = Session(bundle, SessionConfig(rate, len(sound), (Target("kept", prompt),), residual=True))
    batcher = Batcher(bundle.program, time.perf_counter)
    batcher.add(session)
    parts: dict[int, list[Samples]] = {track.index: [] for track in session.tracks}
    updated = update_at < 0

    def drain() -> None:
        batcher.ready(session)
        while batcher.step():
            pass
        for piece in session.take():
            parts[piece.track].append(piece.samples)

    for start, end in chunks(sound.shape[1], rule, rate):
        if not updated and start >= update_at * rate:
            session.update((Target("kept", prompt, gain_db=0.0),))
            updated = True
        session.feed_audio(sound[:, start:end], 0.0)
        drain()
    session.flush(0.0, last=True)
    while not session.finished:
        drain()
    names = {track.index: track.name for track in session.tracks}
    session.close()
    return {names[index]: np.concatenate(found, axis=1) for index, found in parts.items()}


def seam_ratio(samples: Samples, hop: int, rate: int) -> float:
    """Energy of the second difference near multiples of `hop` over that elsewhere."""
    bend = np.square(np.diff(samples[0].astype(np.float64), n=2))
    place = (np.arange(len(bend)) + 1) % hop
    near = np.minimum(place, hop - place) <= NEAR_S * rate
    return float(bend[near].mean() / (bend[~near].mean() + 1e-30))


def hop_rate_spectrum(samples: Samples, hop: int, rate: int) -> tuple[NDArray[np.float64], int]:
    """Magnitude spectrum of the squared envelope without the first half second, and the bin of the hop rate."""
    envelope = np.square(samples[0, rate // 2 :].astype(np.float64))
    envelope = envelope[: len(envelope) // hop * hop]
    spectrum: NDArray[np.float64] = np.abs(np.fft.rfft(envelope * np.hanning(len(envelope))))
    return spectrum, round(len(envelope) / hop)


def modulation_depth_db(samples: Samples, hop: int, rate: int) -> float:
    """Modulation of a steady tone's power at the hop rate, relative to that power, dB."""
    spectrum, at = hop_rate_spectrum(samples, hop, rate)
    return float(20 * np.log10((2 * spectrum[at - 1 : at + 2].max() + 1e-30) / (spectrum[0] + 1e-30)))


def modulation_peak_db(samples: Samples, hop: int, rate: int) -> float:
    """Peak of a noise's modulation at the hop rate over the median of its surroundings (±40 %), dB."""
    spectrum, at = hop_rate_spectrum(samples, hop, rate)
    around = np.concatenate([spectrum[int(0.6 * at) : int(0.95 * at)], spectrum[int(1.05 * at) : int(1.4 * at)]])
    return float(20 * np.log10((spectrum[at - 1 : at + 2].max() + 1e-30) / (np.median(around) + 1e-30)))


def phase_jump_degrees(samples: Samples, hop: int, rate: int) -> float:
    """Largest departure of a 997 Hz tone's phase from one hop to the next from what its frequency says."""
    skip = rate // 2
    count = (samples.shape[1] - skip) // hop - 4
    place = np.arange(skip, skip + count * hop)
    turned = samples[0, place] * np.exp(-2j * np.pi * 997.0 * place / rate) * np.tile(np.hanning(hop), count)
    phase = np.angle(turned.reshape(count, hop).sum(axis=1))
    steps = np.angle(np.exp(1j * np.diff(phase)))
    return float(np.degrees(np.abs(steps).max()))


def level_dip_db(weights: NDArray[np.float32], hop: int, crossfade: int, agree: bool) -> float:
    """Smallest level within a hop, relative to a lone window's flat part, over many frames of noise, dB."""
    count = 4000
    rng = np.random.default_rng(11)
    line = rng.standard_normal(count * hop + crossfade).astype(np.float32)
    if agree:
        frames = np.lib.stride_tricks.sliding_window_view(line, hop + crossfade)[::hop][:count].copy()
    else:
        frames = rng.standard_normal((count, hop + crossfade)).astype(np.float32)
    made = OverlapAdd(1, hop, crossfade)
    out = made.add(np.array([0], np.intp), (frames * weights)[None])[0, hop:].reshape(-1, hop)
    power = np.square(out).mean(axis=0)
    middle = crossfade // 2
    return float(10 * np.log10(power[middle - 4 : middle + 4].mean()))


def exactness(bundle: Bundle, prompt: str, seconds: float) -> dict[str, float]:
    """Largest |target + residual − input| at several client rates."""
    found = {}
    for rate in (8000, 16000, 22050, 44100, 48000, 96000, 192000):
        sound = voice_and_noise(min(seconds, 3.0), rate)
        parts = streamed(bundle, sound, prompt, rate=rate)
        found[str(rate)] = float(np.abs(parts["kept/target"] + parts["residual"] - sound).max())
    return found


def questions(bundle: Bundle, asked: argparse.Namespace) -> dict[str, Any]:
    """The questions that depend on a model, answered for one."""
    audio = bundle.spec.audio
    rate, hop = audio.sample_rate, audio.hop
    voice = voice_and_noise(asked.seconds, rate)
    whole = streamed(bundle, voice, asked.prompt, "whole")["kept/target"]
    live = streamed(bundle, voice, asked.prompt)["kept/target"]
    again = streamed(bundle, voice, asked.prompt, update_at=asked.seconds / 2)["kept/target"]
    ton, rush = tone(asked.seconds, rate), noise(asked.seconds, rate)
    ton_out, rush_out = (streamed(bundle, sound, asked.prompt)["kept/target"] for sound in (ton, rush))
    differences = {
        rule: float(np.abs(streamed(bundle, voice, asked.prompt, rule)["kept/target"] - whole).max())
        for rule in ("1 ms", "10 ms", "random")
    }
    return {
        "streamed_against_offline": differences,
        "target_plus_residual": exactness(bundle, asked.prompt, asked.seconds),
        "against_input": float(np.abs(live - voice).max()),
        "seam_ratio": round(seam_ratio(live, hop, rate) / seam_ratio(voice, hop, rate), 3),
        "update_changes": float(np.abs(again - live).max()),
        "tone_modulation_db": round(modulation_depth_db(ton_out, hop, rate), 1),
        "noise_modulation_db": round(modulation_peak_db(rush_out, hop, rate) - modulation_peak_db(rush, hop, rate), 2),
        "tone_phase_jump_degrees": round(phase_jump_degrees(ton_out, hop, rate), 4),
    }


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    identity, bundle = load_bundle("identity"), load_bundle(asked.model)
    floor = questions(identity, asked)
    model = questions(bundle, asked)
    audio = bundle.spec.audio
    taper = np.square(root_hann(audio.window)) if audio.crossfade == audio.hop else None
    fades = {"linear": linear_fades(audio.hop, audio.crossfade)} | ({"hann": taper} if taper is not None else {})
    dips = {
        f"{name}, windows {'agree' if agree else 'differ'}": round(
            level_dip_db(weights, audio.hop, audio.crossfade, agree), 2
        )
        for name, weights in fades.items()
        for agree in (True, False)
    }
    print(f"{'':28s} floor (identity)   {bundle.spec.name}")
    for name, low in floor.items():
        print(f"  {name:26s} {low}\n  {'':26s} {model[name]}")
    print("  level in the middle of a crossfade, dB")
    for name, dip in dips.items():
        print(f"    {name:32s} {dip:6.2f}")
    report.finish(NAME, {"model": bundle.spec.name, "floor": floor, "measured": model, "level_dip_db": dips}, asked)


if __name__ == "__main__":
    report.run(main)
