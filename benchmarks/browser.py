"""Microphone to target in a real browser: how long after a click went into the page does it come out of it?

Regime: headless Chromium with a fake microphone that plays clicks at uneven intervals; the real server in its own
process with the identity model (what goes in comes out, after the model's own latency, so that every click can be found
again; `--model` takes another one). Over the WebSocket it is the page itself that runs, as a person uses it; over
WebRTC a WHIP publisher with `sendrecv`, played by Chromium's own receiver. An AudioWorklet records the microphone's
node and the node that is heard, sample by sample on one clock; a click's delay is where the two agree best. What sound
devices add before and after is not counted: there are none here. `picture` is what the page says of its own drawing,
painted without a graphics card here.

Floor: the model's latency, which `beyond_model_ms` leaves out. Chromium's own WebRTC receiver holds 30 to 40 ms.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.server_process import ServerProcess, running_server

NAME = "browser"
RATE = 48000
CLICK_S = 0.004
SEARCH_S = 0.6
SCRIPT = Path(__file__).with_name("browser.js")
SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="recorded, for each transport")
    parser.add_argument("--settle", type=float, default=6.0, help="seconds before that")
    parser.add_argument("--model", default="identity")
    parser.add_argument("--packet-ms", type=int, choices=(10, 20), default=20, help="of what WebRTC sends back")
    parser.add_argument("--only", choices=("websocket", "webrtc"), help="one transport")
    return parser


def write_clicks(path: Path, seconds: float = 60.0) -> None:
    """Bursts of noise 4 ms long, 0.35 to 0.65 s apart, over silence."""
    random = np.random.default_rng(7)
    samples = np.zeros(int(seconds * RATE))
    length = int(CLICK_S * RATE)
    fade = np.hanning(length)
    at = RATE // 4
    while at + length < len(samples):
        samples[at : at + length] = 0.5 * fade * random.standard_normal(length).clip(-2, 2)
        at += int(random.uniform(0.35, 0.65) * RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(samples.clip(-1, 1) * 32767).astype("<i2").tobytes())


def click_delays_s(sent: NDArray[np.float32], heard: NDArray[np.float32], rate: int) -> tuple[list[float], int]:
    """The delay of each click of `(n,)` sent in `(n,)` heard, and how many were sent.

    A click that came back is where the normalised correlation peaks above 0.5.
    """
    length, search = int(2 * CLICK_S * rate), int(SEARCH_S * rate)
    loud = np.flatnonzero(np.abs(sent) > 0.25 * np.abs(sent).max())
    begins = loud[np.flatnonzero(np.diff(loud, prepend=-rate) > rate // 5)] - length // 4
    begins = begins[(begins > 0) & (begins + search + length < len(sent))]
    delays = []
    for begin in begins:
        click, after = sent[begin : begin + length], heard[begin : begin + search + length]
        energy = np.convolve(after**2, np.ones(length, np.float32), "valid")
        match = np.correlate(after, click, "valid") / np.sqrt(energy * np.dot(click, click) + 1e-12)
        if match.max() > 0.5:
            delays.append(float(match.argmax()) / rate)
    return delays, len(begins)


def judged(told: dict[str, Any], model_ms: float) -> dict[str, Any]:
    """What a recording says, printed and as a record."""
    tracks = [np.frombuffer(base64.b64decode(told[name]), np.float32) for name in ("input", "output")]
    delays_s, sent = click_delays_s(tracks[0], tracks[1], int(told["rate"]))
    found = report.percentiles(delays_s, digits=2)
    result: dict[str, Any] = {
        "clicks_sent": sent,
        "clicks_heard": len(delays_s),
        "rate": told["rate"],
        "model_ms": round(model_ms, 2),
        "microphone_to_heard_ms": found,
        "beyond_model_ms": {name: round(value - model_ms, 2) for name, value in found.items()},
        **{
            name: round(told[name], 1)
            for name in ("connected_ms", "browser_buffer_ms", "delay_page_ms")
            if name in told
        },
    }
    if told.get("picture"):
        result["picture"] = {name: round(value, 2) for name, value in told["picture"].items()}
        print(f"  pictures a second, ms to draw one: {result['picture']}")
    print(f"  {len(delays_s)} of {sent} clicks; to the ear {report.shown(found, 'ms')}")
    print(f"  beyond the model's {model_ms:.1f} ms: {report.shown(result['beyond_model_ms'], 'ms')}")
    return result


def measure(server: ServerProcess, clicks: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Both transports, one after the other."""
    from playwright.sync_api import sync_playwright

    url, script = f"http://127.0.0.1:{server.port}/", SCRIPT.read_text(encoding="utf-8")
    result: dict[str, Any] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*SWITCHES, f"--use-file-for-fake-audio-capture={clicks}"]
        )
        result["chromium"] = browser.version
        page = browser.new_context(bypass_csp=True).new_page()
        page.set_default_timeout(60000)
        page.goto(url)
        page.wait_for_function("() => document.documentElement.dataset.ready === 'true'")
        page.evaluate(script)
        if asked.only != "webrtc":
            print("WebSocket, the page itself")
            page.fill("#prompt", "speech")
            page.press("#prompt", "Enter")
            page.locator("#source label", has_text="Microphone").click()
            page.wait_for_function("() => ['live', 'late'].includes(winnow.state)")
            page.wait_for_timeout(1000 * asked.settle)
            told = page.evaluate("seconds => overWebSocket(seconds)", asked.seconds)
            result["websocket"] = judged(told, told["model_ms"])
            page.locator("#source label", has_text="Demo scene").click()
        if asked.only != "websocket":
            print("WebRTC, WHIP with sendrecv")
            told = page.evaluate(
                "([url, seconds, settle]) => overWebRtc(url, seconds, settle)",
                [f"{url}v1/whip?prompt=speech", asked.seconds, asked.settle],
            )
            if "refused" in told:
                print(f"  refused: {told['refused']} {told['why'][:200]}")
                result["webrtc"] = None
            else:
                models = json.loads(server.get("/v1/models"))
                (running,) = [model for model in models["models"] if model["name"] == models["running"]]
                result["webrtc"] = judged(told, running["latency_ms"])
        browser.close()
    return result


def main() -> None:
    """Measure and print."""
    asked = options().parse_args()
    if shutil.which("chromium") is None:
        sys.exit("chromium is not installed (apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder:
        clicks = Path(folder) / "clicks.wav"
        write_clicks(clicks)
        settings = {"WINNOW_OPUS_FRAME_MS": str(asked.packet_ms)}
        with running_server(asked.model, core=0, settings=settings) as server:
            result = measure(server, clicks, asked)
    report.finish(NAME, {"model": asked.model, "packet_ms": asked.packet_ms, **result}, asked)


if __name__ == "__main__":
    report.run(main)
