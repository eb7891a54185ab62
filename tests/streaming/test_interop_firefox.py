"""Firefox publishes its microphone and camera by WHIP, hears the target in the same connection, and talks.

Its microphone hears a tone; the identity model gives it back as the target, and silence as the rest.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.streaming.browser import page_server
from tests.streaming.firefox import TONE_HZ, Firefox, firefox, need_firefox

need_firefox()

pytestmark = pytest.mark.timeout(150)  # a wait has its own, shorter limit

SCRIPT = Path(__file__).with_name("whip_publisher.js")


def hears(browser: Firefox, ear: str) -> None:
    """Wait until an ear (an expression) hears the tone."""
    browser.until(f"(({{ db, hz }}) => db > -50 && Math.abs(hz - {TONE_HZ}) < 20)({ear})")


def mids(browser: Firefox, kind: str) -> dict[str, str]:
    """The lines of the tracks, as the newest text of a type tells them."""
    browser.until(f"texts.some(({{ type }}) => type === '{kind}')")
    tracks = browser.evaluate(f"texts.findLast(({{ type }}) => type === '{kind}').tracks")
    return {track["name"]: track["mid"] for track in tracks}


def test_microphone_and_camera_come_back_and_words_go_both_ways() -> None:
    with page_server(WINNOW_MODEL="identity") as server, firefox() as browser:
        browser.open(f"{server.url}listen")
        browser.evaluate(f"(() => {{ {SCRIPT.read_text(encoding='utf-8')}\n return 1; }})()")
        url = json.dumps(f"{server.url}v1/whip?prompt=speech")
        name = browser.evaluate(f"publish({url}, {{ lines: 2, video: true }})")
        lines = mids(browser, "started")
        hears(browser, f"heard({lines['target/target']})")
        browser.until("pictures().then(count => count >= 10)")
        browser.evaluate("say({ type: 'update', targets: [{ id: 'more', prompt: 'music' }] })")
        hears(browser, f"heard({mids(browser, 'updated')['more/target']})")
        assert browser.evaluate(f"heard({lines['residual']}).db < -70")
        browser.evaluate(f"play({json.dumps(f'{server.url}v1/whep/{name}/0')})")
        hears(browser, "played()")
        assert browser.evaluate("hangUp()") == 200
