"""The page in a real Firefox, before the real server with the real embedded model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.streaming.browser import PageServer, page_server
from tests.streaming.firefox import Firefox, firefox, need_firefox

need_firefox()

pytestmark = pytest.mark.timeout(150)  # a wait has its own, shorter limit

WATCH = """(globalThis.trouble = [], addEventListener('error', e => trouble.push(e.message)),
    addEventListener('unhandledrejection', e => trouble.push(String(e.reason))),
    winnow.on('measured', ({ recorded }) => { globalThis.recorded = recorded; }), 1)"""
LIVE = "['live', 'late'].includes(winnow.state)"
TARGET_AND_RESIDUAL = "Object.values(globalThis.recorded ?? {}).filter(({ seconds }) => seconds > 0.5).length === 2"


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    """A server with the embedded model."""
    with page_server() as running:
        yield running


@pytest.fixture
def browser(server: PageServer) -> Iterator[Firefox]:
    """A Firefox with the page open; in the end nothing may have gone wrong on it."""
    with firefox() as running:
        running.open(server.url)
        running.until("document.documentElement.dataset.ready === 'true'")
        running.evaluate(WATCH)
        yield running


def test_the_demo_scene_runs_and_a_listener_hears_it(browser: Firefox) -> None:
    browser.click("#source label:has(input[value=demo])")
    browser.until(LIVE)
    browser.until(TARGET_AND_RESIDUAL)
    browser.until("Number(document.querySelector('#tot').innerText) > 20")
    browser.until("!document.querySelector('#open-listen').hidden")
    link = browser.evaluate("document.querySelector('#share').value")
    assert browser.evaluate("trouble") == []
    browser.new_tab()
    browser.open(link)
    browser.until("document.querySelector('#what').textContent === 'man speaking'")
    browser.click("#listen")
    browser.until("document.querySelector('#say').textContent === 'You hear it live.'")
    browser.until("Number(document.querySelector('#level').getAttribute('aria-valuenow')) > -50")


def test_the_microphone_runs(browser: Firefox) -> None:
    browser.evaluate("winnow.ask('speech')")
    browser.click("#source label:has(input[value=mic])")
    browser.until(LIVE)
    browser.until(TARGET_AND_RESIDUAL)
    assert browser.evaluate("winnow.source.kind") == "mic"
    assert browser.evaluate("trouble") == []
