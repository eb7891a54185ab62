"""The page in WebKit, the engine of Safari: WebKitGTK's own driver (W3C WebDriver), without any client library."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.streaming.browser import page_server

DRIVER, SCREEN = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
MINI_BROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), None)
WITHIN_S = 40.0
OURS = ("javascript error", "no such element", "invalid argument", "invalid selector")
TRIES = 3
"""WebKit's own processes sometimes end by themselves in a container; a page that ends them is found by all tries."""

pytestmark = pytest.mark.skipif(
    not (DRIVER and SCREEN and MINI_BROWSER),
    reason="WebKit is not installed (apt-get install webkit2gtk-driver xvfb): no WebKit test",
)


class WebDriverError(Exception):
    """What the driver answered in place of a value."""


class BrowserEnded(WebDriverError):
    """The browser is no longer there."""


class WebKit:
    """One session of the driver."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        options = {"binary": str(MINI_BROWSER), "args": ["--automation"]}
        wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        self._session = f"/session/{self._call('POST', '/session', wanted)['sessionId']}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=50) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as refused:
            told = json.load(refused)["value"]
            # One of WebKit's processes that ends in the middle of a command is told as anything but a script's error.
            kind = WebDriverError if told["error"] in OURS else BrowserEnded
            raise kind(f"{method} {path} {body}: {told['error']}: {told['message']}") from refused
        except (OSError, http.client.HTTPException) as gone:
            raise BrowserEnded(f"{method} {path} {body}: {gone!r}") from gone

    def open(self, url: str) -> None:
        """Load a page."""
        self._call("POST", f"{self._session}/url", {"url": url})

    def evaluate(self, expression: str) -> Any:
        """The value of an expression."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": f"return {expression}", "args": []})

    def until(self, expression: str) -> None:
        """Ask until it is true."""
        limit_s = time.monotonic() + WITHIN_S
        while not self.evaluate(expression):
            told = "[window.winnow?.state, window.winnow?.graph.context?.state]"
            assert time.monotonic() < limit_s, f"not within {WITHIN_S:g} s: {expression}; {self.evaluate(told)}"
            time.sleep(0.1)

    def click(self, selector: str) -> None:
        """A person's click: sound begins with nothing less."""
        found = self._call("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        (element,) = found.values()
        self._call("POST", f"{self._session}/element/{element}/click", {})

    def close(self) -> None:
        """End the browser."""
        self._call("DELETE", self._session)


@contextmanager
def webkit_on_a_screen() -> Iterator[WebKit]:
    """A WebKit on a screen of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    display, screen_ready = os.pipe()
    screen = subprocess.Popen(
        [str(SCREEN), "-displayfd", str(screen_ready), "-screen", "0", "1280x800x24"],
        pass_fds=(screen_ready,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(screen_ready)
    with os.fdopen(display) as told:
        name = f":{told.readline().strip()}"
    # The sandbox needs rights that a container does not give.
    more = {"DISPLAY": name, "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1", "LIBGL_ALWAYS_SOFTWARE": "1"}
    driver = subprocess.Popen(
        [str(DRIVER), f"--port={port}"], env={**os.environ, **more}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port)
        running = WebKit(port)
        yield running
        running.close()
    finally:
        for process in (driver, screen):
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    limit_s = time.monotonic() + WITHIN_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < limit_s, "the driver did not start"
            time.sleep(0.05)


@pytest.mark.timeout(300)
def test_the_demo_scene_runs_in_webkit() -> None:
    for left in reversed(range(TRIES)):
        try:
            with page_server() as server, webkit_on_a_screen() as webkit:
                play_the_demo_scene(webkit, server.url)
            return
        except BrowserEnded as ended:
            if not left:
                raise
            sys.stdout.write(f"WebKit ended, once more in a new one: {ended}\n")


def play_the_demo_scene(webkit: WebKit, url: str) -> None:
    webkit.open(url)
    webkit.until("document.documentElement.dataset.ready === 'true'")
    webkit.evaluate(
        "(window.trouble = [], addEventListener('error', e => trouble.push(e.message)),"
        " addEventListener('unhandledrejection', e => trouble.push(String(e.reason))),"
        " winnow.on('measured', ({ recorded }) => { window.recorded = recorded; }), 1)"
    )
    webkit.click("#source input[value=demo]")
    webkit.until("['live', 'late'].includes(winnow.state)")
    webkit.until("Object.values(window.recorded ?? {}).filter(({ seconds }) => seconds > 0.5).length === 2")
    webkit.until("Number(document.querySelector('#tot').innerText) > 20")
    assert webkit.evaluate("trouble") == []
