"""Does an hour of SAM Audio stream on, without seams and without growing?

Regime: one live session of a `flow_audio` bundle, fed with noise in chunks of 100 ms as fast as the machine takes them,
on the engine alone (no server). Without `--model` it runs the tiny bundle of the tests (random weights): sizes are not
real, but the whole path is, codec at 48 kHz included.

Floor, printed first: what one window is and how often each second of sound is worked on. Then: milliseconds of each
window and of each graph call (after which others have their turn), the real-time factor, memory of the process after a
tenth of the stream and at its end, and the seams, two ways. Agreement: what a window makes of the samples of a
crossfade against what the one before made of them, in dB of the sound over the difference; two unrelated sounds stand
at 0 to 2. Borders: the energy of the change from sample to sample within half a millisecond of each end of a crossfade
over that elsewhere, in dB; it shows holes and clicks, not a cut from one noise to another.
"""

from __future__ import annotations

import argparse
import os
import time
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from engine.batcher import Batcher
from engine.bundle import Bundle, load_bundle
from engine.config import SessionConfig
from engine.frames import Samples
from engine.programs import flow_step
from engine.programs.flow_solver import EVALUATIONS
from engine.prompt import Target
from engine.session import Session

NAME = "sam_audio_stream"
TINY = Path(__file__).parents[1] / "tests" / "data" / "sam_audio" / "bundle"
CHUNK_S = 0.1


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--model", default=str(TINY), help="folder of a bundle")
    parser.add_argument("--mode", default=None)
    parser.add_argument("--provider", default="auto")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the stream")
    parser.add_argument("--channels", type=int, default=1, choices=(1, 2))
    parser.add_argument("--prompt", default="man speaking")
    return parser


class Overlaps:
    """Listens in where windows are joined, while it is entered."""

    def __init__(self) -> None:
        self.agreement_db = array("d")
        self._place = vars(flow_step)

    def __enter__(self) -> Overlaps:
        self._join = self._place["joined"]
        self._place["joined"] = self._heard
        return self

    def __exit__(self, *_: object) -> None:
        self._place["joined"] = self._join

    def _heard(self, tail: Samples, head: Samples) -> Samples:
        own, apart = float(np.sum(np.square(head))), float(np.sum(np.square(tail - head)))
        if own > 0:
            self.agreement_db.append(10.0 * np.log10(own / max(apart, 1e-12 * own)))
        sound: Samples = self._join(tail, head)
        return sound


class Seams:
    """Energy of the change from sample to sample, at both ends of crossfades and elsewhere, of a stream in pieces."""

    def __init__(self, hop: int, crossfade: int, rate: int) -> None:
        self._hop, self._crossfade, self._around = hop, crossfade, rate // 2000
        self._last: float | None = None
        self._at = 0
        self._energy = np.zeros(2)
        self._count = np.zeros(2)

    def add(self, samples: Samples) -> None:
        """The next samples, `(channels, n)`; the first channel counts."""
        line = samples[0].astype(np.float64)
        joined = line if self._last is None else np.concatenate([[self._last], line])
        change = np.diff(joined) ** 2
        first = self._at + (self._last is None)
        place = first + np.arange(len(change))
        after = place % self._hop
        begins = (after <= self._around) | (after >= self._hop - self._around)
        border = begins | (np.abs(after - self._crossfade) <= self._around)
        counted = place > self._hop // 2  # before the first hop there is no seam
        for side, where in enumerate((border & counted, ~border & counted)):
            self._energy[side] += change[where].sum()
            self._count[side] += where.sum()
        self._last, self._at = float(line[-1]), self._at + len(line)

    @property
    def db(self) -> float:
        """Borders over elsewhere."""
        border, elsewhere = self._energy / np.maximum(self._count, 1)
        return float(10.0 * np.log10(max(border, 1e-20) / max(elsewhere, 1e-20)))


def resident_mb() -> float:
    """Memory of this process that lies in RAM."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(bundle: Bundle, asked: argparse.Namespace) -> dict[str, Any]:
    """One stream, from its first sample to its last."""
    audio = bundle.spec.audio
    session = Session(bundle, SessionConfig(audio.sample_rate, asked.channels, (Target("a", asked.prompt),), True))
    batcher = Batcher(bundle.program, time.perf_counter)
    batcher.add(session)
    seams = Seams(audio.hop, audio.crossfade, audio.sample_rate)
    rng = np.random.default_rng(0)
    calls_s, windows_s = array("d"), array("d")  # a list of an hour's calls would be growth of its own
    memory_mb: list[float] = []
    count, sent, taken = int(CHUNK_S * audio.sample_rate), 0, 0
    total = int(60.0 * asked.minutes * audio.sample_rate)
    begun = time.perf_counter()
    spent_s = 0.0
    while sent < total:
        session.feed_audio(0.1 * rng.standard_normal((asked.channels, count), dtype=np.float32), time.perf_counter())
        sent += count
        batcher.ready(session)
        while batcher.pending:
            before = time.perf_counter()
            batcher.step()
            took = time.perf_counter() - before
            spent_s += took
            calls_s.append(took)
            if batcher.step_hops:
                windows_s.append(spent_s)
                spent_s = 0.0
        for piece in session.take():
            if piece.track == 0:
                seams.add(piece.samples)
                taken += piece.samples.shape[1]
        if session.failed is not None:
            raise session.failed
        if sent // (total // 10 or 1) > len(memory_mb):
            memory_mb.append(round(resident_mb(), 1))
            print(f"  {sent / audio.sample_rate / 60:.1f} min: {memory_mb[-1]} MB, seam {seams.db:+.2f} dB", flush=True)
    elapsed_s = time.perf_counter() - begun
    session.close()
    return {
        "stream_s": sent / audio.sample_rate,
        "out_s": round(taken / audio.sample_rate, 3),
        "real_time_factor": round(elapsed_s * audio.sample_rate / sent, 4),
        "window_ms": report.percentiles(windows_s),
        "call_ms": report.percentiles(calls_s),
        "memory_mb": memory_mb,
        "memory_growth_mb": round(memory_mb[-1] - memory_mb[0], 1),
        "memory_range_mb": round(max(memory_mb) - min(memory_mb), 1),
        "seam_db": round(seams.db, 3),
    }


def floor(bundle: Bundle) -> Mapping[str, float]:
    """What follows from the lengths alone."""
    audio, flow = bundle.spec.audio, bundle.spec.flow
    assert flow is not None, "a bundle of windows"
    mode = flow.modes[bundle.spec.mode or flow.default_mode]
    return {
        "latency_s": audio.latency_s,
        "window_s": audio.window / audio.sample_rate,
        "hop_s": audio.hop_s,
        "evaluations": mode.steps * EVALUATIONS[mode.solver],
        "times_worked_on": round(audio.window / audio.hop, 2),
    }


def main() -> None:
    """See the module."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model, provider=asked.provider, mode=asked.mode, warm_batch=1)
    follows = floor(bundle)
    print(f"{bundle.spec.name}, mode {bundle.spec.mode}, on {bundle.provider}: " + ", ".join(
        f"{name} {value:g}" for name, value in follows.items()
    ))  # fmt: skip
    with Overlaps() as overlaps:
        found = measure(bundle, asked)
    low_db, middle_db = (round(float(value), 1) for value in np.percentile(overlaps.agreement_db, (1, 50)))
    found["agreement_db_p1_p50"] = [low_db, middle_db]
    print(f"windows agree where they overlap: 1 % {low_db}, median {middle_db} dB")
    print(f"window: {report.shown(found['window_ms'], 'ms')}\ncall: {report.shown(found['call_ms'], 'ms')}")
    report.finish(NAME, {"model": bundle.spec.name, "mode": bundle.spec.mode, **follows, **found}, asked)


if __name__ == "__main__":
    report.run(main)
