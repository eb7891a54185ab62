"""A real Chromium before a real server: what the page's tests stand on."""

from __future__ import annotations

import base64
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.streaming.live import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
FAKE_MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")

WITHIN_S = PATIENCE_S

CALM: dict[str, Any] = {"viewport": {"width": 1100, "height": 700}, "reduced_motion": "reduce"}
"""Two pictures a second: sixty, painted without a GPU, leave a test machine little for the sound."""


def need_chromium() -> None:
    """Skip where the browser or its driver is not installed."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (apt-get install chromium): no browser tests")


class Browsers:
    """Debian's Chromium without a screen, started with the switches asked for; all end together."""

    def __init__(self, driver: Playwright) -> None:
        self._driver = driver
        self._running: dict[tuple[str, ...], Browser] = {}

    def __call__(self, *more: str) -> Browser:
        if more not in self._running:
            # Playwright mutes a browser without a screen; then a tab that is shared has no sound either.
            self._running[more] = self._driver.chromium.launch(
                executable_path=CHROMIUM, args=[*QUIET, *more], ignore_default_args=["--mute-audio"]
            )
        return self._running[more]

    def close(self) -> None:
        """End them."""
        for browser in self._running.values():
            browser.close()


@contextmanager
def browsers() -> Iterator[Browsers]:
    """The one driver that a thread may have."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = Browsers(driver)
        try:
            yield running
        finally:
            running.close()


ROOM_FOR = """
from streaming.capacity import Capacity
from streaming.cli import main
Capacity.most_rows = property(lambda self: {rows})
main()
"""


class PageServer:
    """`winnow serve` in a process of its own, on a port that stays its own through restarts.

    Args:
        rows: it has room for so many rows of the graph, whatever they cost.
        settings: of its environment.
    """

    def __init__(self, rows: int | None = None, **settings: str) -> None:
        self._program = ("-m", "streaming.cli") if rows is None else ("-c", ROOM_FOR.format(rows=rows))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        outside = {name: value for name, value in os.environ.items() if not name.startswith("WINNOW_")}
        # A busy test machine is no reason to refuse a session.
        inside = {"WINNOW_PORT": str(self.port), "WINNOW_CAPACITY_SHARE": "1e6", "WINNOW_DRAIN_S": "1",
                  "WINNOW_CONNECT_S": "40", "WINNOW_IDLE_S": "60", **settings}  # fmt: skip
        self._environment = outside | inside
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start, and return once it answers."""
        self._process = subprocess.Popen(
            [sys.executable, *self._program, "serve"], env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        limit_s = time.monotonic() + 40
        while time.monotonic() < limit_s and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}readyz", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        """Gone at once, as after a power cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def page_server(rows: int | None = None, **settings: str) -> Iterator[PageServer]:
    """A started server; gone in the end, however it went."""
    server = PageServer(rows, **settings)
    try:
        server.start()
        yield server
    finally:
        server.kill()


class Cable:
    """A TCP relay on loopback that can be cut: what a changing network does to a connection."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Of the page, through the cable."""
        return f"http://127.0.0.1:{self.port}/"

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            self._ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks; new ones are taken."""
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The end."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    one.close()


RECORD_BOTH = Path(__file__).with_name("record_both.js")


class Instrument:
    """The page, open: a few words for what a person does with it and sees on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.trouble: list[str] = []
        page.set_default_timeout(WITHIN_S * 1e3)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.trouble.append(f"{said.text} ({said.location['url']})")

    def open(self, url: str) -> Instrument:
        """Load, and wait until the page has met the server."""
        self.page.goto(url)
        self.page.wait_for_function("() => document.documentElement.dataset.ready === 'true'")
        return self

    def source(self, name: str) -> None:
        """Choose a source."""
        self.page.locator("#source label", has_text=name).click()

    def state(self, *names: str) -> None:
        """Wait until the page is in one of the states."""
        from playwright.sync_api import TimeoutError as TooLate

        try:
            self.page.wait_for_function("names => names.includes(winnow.state)", arg=list(names))
        except TooLate:
            told = self.page.evaluate("[winnow.state, JSON.stringify(winnow.detail), winnow.graph.context?.state]")
            raise AssertionError(f"waited for {names}, the page is in {told}; {self.trouble}") from None

    def live(self) -> None:
        """Wait until a session runs (`late` counts: the machine may be busy)."""
        self.state("live", "late")

    def ask(self, words: str) -> None:
        """Type and press Enter."""
        self.page.fill("#prompt", words)
        self.page.press("#prompt", "Enter")

    def recorded(self, track: str, seconds: float) -> None:
        """Wait until so much of a target (by its name) or of the residual has come back."""
        self.page.evaluate("""() => globalThis.told ??= (winnow.on("measured", ({ recorded }) => {
            globalThis.recorded = recorded;
        }), true)""")
        self.page.wait_for_function(
            """([name, seconds]) => {
                const strip = winnow.strips.all.find(one => one.name === name);
                return strip && (globalThis.recorded?.[strip.id]?.seconds ?? 0) >= seconds;
            }""",
            arg=[track, seconds],
        )  # fmt: skip

    def until(self, holds: Callable[[], bool]) -> None:
        """Ask until it holds; each time takes as long as the browser takes for it."""
        limit_s = time.monotonic() + WITHIN_S
        while not holds():
            assert time.monotonic() < limit_s, f"not within {WITHIN_S:g} s; {self.trouble}"

    def hearing(self, words: str) -> None:
        """Wait until the page says that this is audible."""
        self.page.wait_for_function("words => document.querySelector('#hearing').innerText === words", arg=words)

    def loudness(self) -> None:
        """Begin to measure what leaves the player: `globalThis.loud()` is its root mean square now."""
        self.page.evaluate("""() => {
            const { output } = winnow.graph.ends, tap = new AnalyserNode(winnow.graph.context, { fftSize: 8192 });
            const data = new Float32Array(8192);
            output.connect(tap);
            globalThis.loud = () => {
                tap.getFloatTimeDomainData(data);
                return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
            };
        }""")

    def both(self, seconds: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Input and output of the same quanta, `(n,)` each; the page's context must bypass its content policy."""
        tracks = self.page.evaluate(RECORD_BOTH.read_text(encoding="utf-8"), seconds)
        one, other = (np.frombuffer(base64.b64decode(track), np.float32) for track in tracks)
        return one, other

    def saved(self, name: str) -> tuple[Any, int]:
        """Save one track: its samples `(n, channels)` and its rate."""
        self.page.locator("#d-down").evaluate("section => { section.open = true; }")
        with self.page.expect_download() as waiting:
            self.page.get_by_role("button", name=name).click()
        path = waiting.value.path()
        samples, rate = soundfile.read(io.BytesIO(Path(path).read_bytes()), dtype="float32", always_2d=True)
        return samples, int(rate)


def colours_in(picture: bytes) -> int:
    """How many different colours a PNG shows; an empty lane has a handful."""
    from matplotlib.image import imread

    pixels = (imread(io.BytesIO(picture))[..., :3] * 255).astype(np.uint32)
    return len(np.unique(pixels @ np.array([65536, 256, 1], np.uint32)))
