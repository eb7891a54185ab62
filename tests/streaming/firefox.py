"""Firefox without a screen or a sound card, driven by WebDriver BiDi (W3C) over its own port, without a library."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.streaming.live import PATIENCE_S

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WITHIN_S = PATIENCE_S
TONE_HZ = 1000
"""What its microphone hears."""
_STARTS_WITHIN_S = 60.0
_PREFERENCES = {
    # A microphone and camera of its own, and no question whether they may be used.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.navigator.audio.fake_frequency": TONE_HZ,
    # Without a sound card its audio never begins; this one is made of a clock.
    "media.cubeb.force_mock_context": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "remote.active-protocols": 1,
}
_PORT_FILE = "WebDriverBiDiServer.json"


def need_firefox() -> None:
    """Skip where it is not installed."""
    if FIREFOX is None:
        pytest.skip("Firefox is not installed (apt-get install firefox-esr): no test with it", allow_module_level=True)


class Firefox:
    """One tab of one browser.

    Args:
        link: to the browser.
    """

    def __init__(self, link: ClientConnection) -> None:
        self._link = link
        self._numbers = itertools.count(1)
        self._call("session.new", capabilities={})
        (first, *_) = self._call("browsingContext.getTree")["contexts"]
        self._context = first["context"]

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._link.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._link.recv(timeout=WITHIN_S))
            if answer.get("id") == number:
                if answer["type"] == "error":
                    raise AssertionError(f"{method}: {answer['error']}: {answer['message']}")
                return answer["result"]

    def new_tab(self) -> None:
        """Go on in another tab; the ones before stay open."""
        self._context = self._call("browsingContext.create", type="tab")["context"]

    def open(self, url: str) -> None:
        """Load a page."""
        self._call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of the promise that it is, as JSON carries it."""
        told = self._call(
            "script.callFunction", functionDeclaration=f"async () => JSON.stringify(await ({expression}) ?? null)",
            target={"context": self._context}, awaitPromise=True, userActivation=True,
        )  # fmt: skip
        if told["type"] == "exception":
            raise AssertionError(told["exceptionDetails"]["text"])
        return json.loads(told["result"]["value"])

    def until(self, expression: str) -> None:
        """Wait until it is true: the page looks again with each of its frames."""
        found = self.evaluate(
            f"""new Promise(done => {{
                const limit = performance.now() + {1000 * WITHIN_S - 5000};
                const look = async () => {{
                    if (await ({expression})) return done(null);
                    if (performance.now() > limit)
                        return done([globalThis.winnow?.state, globalThis.winnow?.graph.context?.state]);
                    setTimeout(look, 50);
                }};
                look();
            }})"""
        )
        assert found is None, f"never: {expression}; the page is in {found}"

    def click(self, selector: str) -> None:
        """A person's click."""
        place = self.evaluate(
            f"(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        moves = [
            {"type": "pointerMove", "x": round(place[0]), "y": round(place[1])},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._call(
            "input.performActions", context=self._context,
            actions=[{"type": "pointer", "id": "mouse", "actions": moves}],
        )  # fmt: skip


@contextmanager
def firefox() -> Iterator[Firefox]:
    """A Firefox with a fresh profile; gone in the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items())
        (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
        process = subprocess.Popen(
            [str(FIREFOX), "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with connect(f"ws://127.0.0.1:{_port(process, profile)}/session", max_size=None) as link:
                yield Firefox(link)
        finally:
            process.terminate()
            process.wait()


def _port(process: subprocess.Popen[bytes], profile: Path) -> int:
    """Where it listens: it writes that into its profile."""
    limit_s = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < limit_s and process.poll() is None:
        try:
            return int(json.loads((profile / _PORT_FILE).read_text(encoding="utf-8"))["ws_port"])
        except (OSError, ValueError, KeyError):
            time.sleep(0.1)  # another process writes it: nothing tells us
    raise RuntimeError("Firefox did not start")
