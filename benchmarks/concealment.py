"""How near to what was sent is what is heard, when packets are lost?

Regime: the demo scene (speech, siren, rain, and their mixture; 16 s, mono, 48 kHz) coded by libopus in 20 ms packets,
independent random loss with fixed seeds, decoded in these ways:

* `zero_fill`: silence where a packet is missing, the decoder not told (what a stock aiortc receiver with pts gaps
  filled by silence gives);
* `repeat`: the last 20 ms again;
* `libopus`: the library's own concealment;
* `ours`: `streaming.rtc_audio_in.AudioReceiver`, the very code of the server: both sides of the gap, in-band FEC.

The reference is the same stream without loss, so the codec's own error does not count. SI-SDR over all 16 s, PESQ
(wide band, ITU-T P.862.2; package `pesq`, optional) on the speech. Senders: 96 kbit/s with and without the expected
loss that RTCP reports tell a browser, and a browser's voice mode with in-band FEC at 32 kbit/s.

Floor: silence in a share p of the signal gives 10 log10(1/p) dB: 15.2 dB at 3 %.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from benchmarks import report
from engine.frames import Samples
from engine.score import si_sdr_db
from streaming.opus import OpusDecoder, OpusEncoder, OpusSettings
from streaming.rtc_audio_in import AudioReceiver, ReceiveSettings
from streaming.scene import load_scene

NAME = "concealment"
FRAME = 960
_WARM_UP = 10
"""Packets at the beginning, and two at the end, that are never lost."""

SENDERS = {
    "96k": OpusSettings(channels=1, application="audio", complexity=10, expected_loss_percent=0),
    "96k, loss reported": OpusSettings(channels=1, application="audio", complexity=10, expected_loss_percent=5),
    "96k, ours": OpusSettings(channels=1),
    "voice 32k": OpusSettings(channels=1, application="voip", bitrate=32_000, complexity=10, expected_loss_percent=5),
    "voice 32k with FEC": OpusSettings(
        channels=1, application="voip", bitrate=32_000, complexity=10, in_band_fec=True, expected_loss_percent=5
    ),
}


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--loss", type=float, nargs="+", default=[0.03], help="share of packets that is lost")
    parser.add_argument("--seeds", type=int, default=3, help="loss patterns; scores are their mean")
    parser.add_argument("--no-pesq", action="store_true", help="leave PESQ out (it takes most of the time)")
    return parser


def packets_of(sound: Samples, settings: OpusSettings) -> list[bytes]:
    """Coded, 20 ms each."""
    encoder = OpusEncoder(settings)
    return [encoder.encode(sound[:, at : at + FRAME]) for at in range(0, sound.shape[1] - FRAME + 1, FRAME)]


def lost_ones(count: int, loss: float, seed: int) -> set[int]:
    """Which packets are lost."""
    drawn = np.flatnonzero(np.random.default_rng(seed).random(count) < loss)
    return {int(index) for index in drawn if _WARM_UP <= index < count - 2}


def zero_fill(packets: list[bytes], lost: set[int]) -> Samples:
    """Silence for what is missing."""
    decoder, silence = OpusDecoder(1), np.zeros((1, FRAME), np.float32)
    return _joined(silence if index in lost else decoder.decode(data) for index, data in enumerate(packets))


def repeat(packets: list[bytes], lost: set[int]) -> Samples:
    """The last packet's sound again."""
    decoder, heard = OpusDecoder(1), [np.zeros((1, FRAME), np.float32)]
    for index, data in enumerate(packets):
        heard.append(heard[-1] if index in lost else decoder.decode(data))
    return _joined(heard[1:])


def libopus(packets: list[bytes], lost: set[int]) -> Samples:
    """The library's concealment."""
    decoder = OpusDecoder(1)
    return _joined(
        decoder.conceal(FRAME) if index in lost else decoder.decode(data) for index, data in enumerate(packets)
    )


def ours(packets: list[bytes], lost: set[int]) -> Samples:
    """What the server hears."""
    now_s = 100.0
    heard: list[Samples] = []

    async def receive() -> None:
        nonlocal now_s
        receiver = AudioReceiver(
            lambda sound, pts: heard.append(sound), ReceiveSettings(channels=1), clock=lambda: now_s
        )
        for index, data in enumerate(packets):
            now_s += 0.02
            if index not in lost:
                receiver.take(1, index, index * FRAME, data)
        receiver.close()

    asyncio.run(receive())
    return _joined(heard)


def _joined(pieces: Any) -> Samples:
    return np.concatenate(list(pieces), axis=1)


METHODS: dict[str, Callable[[list[bytes], set[int]], Samples]] = {
    "zero_fill": zero_fill,
    "repeat": repeat,
    "libopus": libopus,
    "ours": ours,
}


def pesq_of(reference: Samples, heard: Samples) -> float | None:
    """Wide-band PESQ, or None where the package is absent."""
    try:
        from pesq import pesq
    except ImportError:
        return None
    pair = [resample_poly(sound[0].astype(np.float64), 1, 3) for sound in (reference, heard)]
    return float(pesq(16_000, pair[0], pair[1], "wb"))


def scores(sound: Samples, settings: OpusSettings, loss: float, seeds: int, with_pesq: bool) -> dict[str, Any]:
    """Mean SI-SDR (and PESQ) of every method; what `ours` costs per lost packet."""
    packets = packets_of(sound, settings)
    reference = zero_fill(packets, set())
    found: dict[str, Any] = {}
    for name, method in METHODS.items():
        ratios, qualities = [], []
        for seed in range(seeds):
            heard = method(packets, lost_ones(len(packets), loss, seed))
            ratios.append(si_sdr_db(heard, reference))
            if with_pesq and (quality := pesq_of(reference, heard)) is not None:
                qualities.append(quality)
        found[name] = {"si_sdr_db": round(float(np.mean(ratios)), 2)}
        if qualities:
            found[name]["pesq"] = round(float(np.mean(qualities)), 3)
    return found


def cost_ms(sound: Samples, settings: OpusSettings) -> float:
    """Milliseconds of processor time that one lost packet costs beyond a received one."""
    packets = packets_of(sound, settings)
    lost = lost_ones(len(packets), 0.1, 1)
    took = []
    for which in (set(), lost):
        begun = time.process_time()
        ours(packets, which)
        took.append(time.process_time() - begun)
    return round((took[1] - took[0]) / len(lost) * 1e3, 3)


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    scene = load_scene()
    sounds = {stem.name: stem.samples for stem in scene.stems} | {"mixture": scene.mixture}
    results: dict[str, Any] = {}
    for loss in asked.loss:
        print(f"loss {loss:.0%}: silence alone gives {-10 * np.log10(loss):.1f} dB where sound is even")
        for sender, settings in SENDERS.items():
            for name, sound in sounds.items():
                with_pesq = not asked.no_pesq and "speak" in name
                found = scores(sound, settings, loss, asked.seeds, with_pesq)
                results[f"{loss:g} | {sender} | {name}"] = found
                line = "  ".join(
                    f"{method} {score['si_sdr_db']:.1f}" + (f" ({score['pesq']:.2f})" if "pesq" in score else "")
                    for method, score in found.items()
                )
                print(f"  {sender:20} {name:14} {line}", flush=True)
    speech = next(sound for name, sound in sounds.items() if "speak" in name)
    costs = cost_ms(speech, SENDERS["96k, ours"])
    print(f"one lost packet costs {costs} ms more than a received one")
    report.finish(NAME, {"seeds": asked.seeds, "scores": results, "ms_per_lost_packet": costs}, asked)


if __name__ == "__main__":
    report.run(main)
