"""Chromium publishes its microphone and camera by WHIP, hears the target in the same connection, and talks.

Its microphone plays a file with a tone; the identity model gives the tone back as the target, and silence as the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.streaming.browser import (
    FAKE_MICROPHONE,
    WITHIN_S,
    Browsers,
    PageServer,
    need_chromium,
    page_server,
)

need_chromium()

pytestmark = pytest.mark.timeout(150)  # a wait has its own, shorter limit

from playwright.sync_api import Page  # noqa: E402

RATE, TONE_HZ = 48000, 1000
SCRIPT = Path(__file__).with_name("whip_publisher.js")
HEARS_THE_TONE = f"ear => {{ const {{ db, hz }} = ear; return db > -40 && Math.abs(hz - {TONE_HZ}) < 20; }}"


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    """A server with the identity model."""
    with page_server(WINNOW_MODEL="identity", WINNOW_STATS_S="0.2") as running:
        yield running


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears, again and again; whole periods, so that no click is in it."""
    path: Path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * TONE_HZ * np.arange(10 * RATE) / RATE), RATE, subtype="PCM_16")
    return path


@pytest.fixture
def page(chromiums: Browsers, server: PageServer, tone: Path) -> Iterator[Page]:
    """A page of the server's origin, with the script in it and the file as its microphone."""
    browser = chromiums(
        *FAKE_MICROPHONE, f"--use-file-for-fake-audio-capture={tone}", "--autoplay-policy=no-user-gesture-required"
    )
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(WITHIN_S * 1e3)
    page.goto(f"{server.url}listen")
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    yield page
    context.close()


def hears(page: Page, ear: str) -> None:
    """Wait until an ear (an expression) hears the tone."""
    page.wait_for_function(f"() => ({HEARS_THE_TONE})({ear})")


def told(page: Page, kind: str) -> dict[str, Any]:
    """Wait for a text of a type; the newest one."""
    page.wait_for_function("kind => texts.some(({ type }) => type === kind)", arg=kind)
    text: dict[str, Any] = page.evaluate("kind => texts.findLast(({ type }) => type === kind)", kind)
    return text


def test_microphone_and_camera_come_back_and_words_go_both_ways(page: Page, server: PageServer) -> None:
    page.evaluate("url => publish(url, { lines: 2, video: true })", f"{server.url}v1/whip?prompt=speech")
    mids = {track["name"]: track["mid"] for track in told(page, "started")["tracks"]}
    hears(page, f"heard({mids['target/target']})")
    page.wait_for_function("async () => await pictures() >= 10")
    assert page.evaluate(f"heard({mids['residual']}).db") < -70
    page.evaluate("say({ type: 'update', targets: [{ id: 'more', prompt: 'music' }] })")
    updated = {track["name"]: track["mid"] for track in told(page, "updated")["tracks"]}
    hears(page, f"heard({updated['more/target']})")
    page.wait_for_function("() => texts.some(({ type, network }) => type === 'stats' && network.received > 50)")
    page.evaluate("say({ type: 'update', targets: [{ id: 'no', prompt: 'xyzzyplugh' }] })")
    assert len(told(page, "error")["suggestions"]) == 3
    page.evaluate("say({ type: 'end' })")
    assert told(page, "ended")["audio_seconds"] > 0


def test_a_viewer_and_a_captioner_hear_the_same_target(page: Page, server: PageServer) -> None:
    name = page.evaluate("url => publish(url)", f"{server.url}v1/whip?prompt=speech")
    hears(page, "heard(0)")
    page.evaluate("url => play(url)", f"{server.url}v1/whep/{name}/target")
    hears(page, "played()")
    socket = server.url.replace("http", "ws")
    page.evaluate("url => caption(url)", f"{socket}v1/live/{name}?track=0&sample_rate=16000")
    page.wait_for_function("() => captioned().count > 8000 && captioned().rms > 0.05")
    assert page.evaluate("hangUp()") == 200
    page.wait_for_function("async () => !(await (await fetch('/v1/sessions')).json()).sessions.length")
