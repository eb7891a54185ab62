"""How long after `update` was sent does the sound that arrives change?

Regime: the real server over loopback, framed mode, the demo scene in 10 ms chunks at real-time pace, 32-bit float both
ways. Every half second or so, at a random moment within a hop, an `update` swaps the prompt. What came back is
compared afterwards with the scene separated offline under either prompt: the effect is the receipt of the first hop
that has left the old output for the new (a tenth of the energy between them; the crossfade lasts one hop), and `whole`
is the receipt of the first hop that is the new output alone. The new prompt has heard the last second before it
speaks, so that time includes running the model over a hundred hops.

Floor: a change can only leave with a hop. One comes every hop length, so half a hop on average is waited for the next
sound, whatever the computer does.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from benchmarks import report
from benchmarks.load import go_first_on
from benchmarks.server_process import running_server
from engine.bundle import load_bundle
from engine.frames import Samples
from engine.offline import separate
from engine.prompt import Target
from streaming.protocol import HEADER_BYTES, pack_header, unpack_header
from streaming.scene import load_scene

NAME = "prompt_to_effect"
LEFT_OLD = 0.1
"""Share of the energy between the two outputs that counts as a change: a quarter of the crossfade."""

ARRIVED = 0.9


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--prompts", nargs=2, default=["man speaking", "rain"])
    parser.add_argument("--model", default="default")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--busy-machine", action="store_true", help="run the server before other programs (root)")
    parser.add_argument("--seed", type=int, default=3)
    return parser


@dataclass(slots=True)
class Heard:
    """What came back: hops as (time of receipt, pts, samples), and times of `updated`."""

    hops: list[tuple[float, int, Samples]] = field(default_factory=list)
    updated_s: list[float] = field(default_factory=list)

    def read(self, link: ClientConnection) -> None:
        """Stamp and keep everything until the server closes."""
        try:
            while True:
                message = link.recv()
                now_s = time.perf_counter()
                if isinstance(message, str):
                    if json.loads(message)["type"] == "updated":
                        self.updated_s.append(now_s)
                    continue
                samples = np.frombuffer(message, "<f4", offset=HEADER_BYTES)
                self.hops.append((now_s, unpack_header(message).pts, samples[None]))
        except ConnectionClosed:
            return


def targets_message(kind: str, prompt: str, **more: Any) -> str:
    """`start` or `update` with one target."""
    return json.dumps({"type": kind, "targets": [{"id": "kept", "prompt": prompt}], **more})


def play(port: int, sound: Samples, rate: int, prompts: list[str], moments_s: list[float]) -> tuple[Heard, list[float]]:
    """One session over all of `sound`, its prompt swapped at `moments_s`; when each update was really sent."""
    chunk = rate // 100
    heard, sent_s = Heard(), list[float]()
    audio = {"encoding": "pcm_f32le", "sample_rate": rate, "channels": 1}
    with connect(f"ws://127.0.0.1:{port}/v1/live", compression=None, max_size=None) as link:
        link.send(targets_message("start", prompts[0], audio=audio))
        link.recv()
        reader = threading.Thread(target=heard.read, args=(link,))
        reader.start()
        begun_s = time.perf_counter()
        waiting = list(moments_s)
        for index in range(sound.shape[1] // chunk):
            due_s = index * chunk / rate
            while waiting and waiting[0] < due_s:
                time.sleep(max(begun_s + waiting.pop(0) - time.perf_counter(), 0.0))
                message = targets_message("update", prompts[(len(sent_s) + 1) % 2])
                sent_s.append(time.perf_counter())
                link.send(message)
            time.sleep(max(begun_s + due_s - time.perf_counter(), 0.0))
            payload = sound[0, index * chunk : (index + 1) * chunk].astype("<f4").tobytes()
            link.send(pack_header(0, 0, index, index * chunk) + payload)
        link.send('{"type":"end"}')
        reader.join(20)
    return heard, sent_s


def effects(heard: Heard, sent_s: list[float], outputs: list[Samples]) -> tuple[list[float], list[float]]:
    """Seconds from each update to the first changed hop, and to the first hop that is the new output alone."""
    first, whole = [], []
    for number, at_s in enumerate(sent_s):
        old, new = outputs[number % 2], outputs[(number + 1) % 2]
        until_s = sent_s[number + 1] if number + 1 < len(sent_s) else np.inf
        changed = False
        for received_s, pts, samples in heard.hops:
            if not at_s < received_s < until_s:
                continue
            here = slice(pts, pts + samples.shape[1])
            apart = float(np.sum(np.square(new[:, here] - old[:, here])))
            if apart < 1e-6:  # the scene is silent under both prompts: nothing can be told
                continue
            gone = float(np.sum(np.square(samples - old[:, here]))) / apart
            left = float(np.sum(np.square(samples - new[:, here]))) / apart
            if not changed and gone > LEFT_OLD:
                changed = True
                first.append(received_s - at_s)
            if changed and left < 1.0 - ARRIVED:
                whole.append(received_s - at_s)
                break
    return first, whole


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model, provider="cpu")
    hop_s = bundle.spec.audio.hop_s
    print(f"floor: half a hop, {500 * hop_s:g} ms, until the next sound leaves")
    scene = load_scene()
    rng = np.random.default_rng(asked.seed)
    moments_s = (1.5 + np.cumsum(rng.uniform(0.4, 0.7, asked.updates))).tolist()
    count = int((moments_s[-1] + 1.0) * scene.rate)
    sound = np.tile(scene.mixture, -(-count // scene.mixture.shape[1]))[:, :count]
    outputs = [
        separate(bundle, sound, scene.rate, (Target("kept", prompt),), residual=False).targets["kept"]
        for prompt in asked.prompts
    ]
    go_first_on(asked.load_core)
    with running_server(asked.model, asked.server_core, first=asked.busy_machine) as server:
        heard, sent_s = play(server.port, sound, scene.rate, asked.prompts, moments_s)
    first, whole = effects(heard, sent_s, outputs)
    answered = [after - before for before, after in zip(sent_s, heard.updated_s, strict=False)]
    measured = {"effect_ms": report.percentiles(first), "whole_ms": report.percentiles(whole)}
    measured["updated_ms"] = report.percentiles(answered)
    print(f"{len(sent_s)} updates, {len(first)} with an effect that could be told from the old output")
    for name, values in measured.items():
        print(f"  {name:12s} {report.shown(values, 'ms')}")
    counts = {"updates": len(sent_s), "effects": len(first)}
    report.finish(NAME, {"model": bundle.spec.name, "prompts": asked.prompts, **counts, **measured}, asked)


if __name__ == "__main__":
    report.run(main)
