"""Bundles are opened once for all tests of the server; browsers and the page once for a file of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from engine.bundle import Bundle, load_bundle
from streaming import client, client_question, client_sending, rtc_publisher
from tests.streaming.browser import CALM, FAKE_MICROPHONE, Browsers, Instrument, PageServer, browsers, page_server
from tests.streaming.live import PATIENCE_S, House, house

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy test machine answers late: limits that no setting reaches are longer here."""
    monkeypatch.setattr(client_question, "_ANSWER_S", PATIENCE_S)
    monkeypatch.setattr(rtc_publisher, "_START_WITHIN_S", PATIENCE_S)
    for sending in (client, client_sending):
        monkeypatch.setattr(sending, "SEND_S", PATIENCE_S)


@pytest.fixture(scope="session")
def identity() -> Bundle:
    """The identity bundle: real program, real lengths, no model."""
    return load_bundle("identity")


@pytest.fixture
async def server(identity: Bundle) -> AsyncIterator[House]:
    """A server with the identity bundle."""
    async with house(identity) as running:
        yield running


@pytest.fixture(scope="module")
def page_host() -> Iterator[PageServer]:
    """A server with the embedded model."""
    with page_server() as running:
        yield running


@pytest.fixture(scope="module")
def chromiums() -> Iterator[Browsers]:
    """Chromiums, by their switches."""
    with browsers() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(chromiums: Browsers) -> Browser:
    """A Chromium that has a microphone and lets it be used."""
    return chromiums(*FAKE_MICROPHONE)


@pytest.fixture
def page(chromium: Browser, page_host: PageServer) -> Iterator[Instrument]:
    """The page, in a fresh profile; in the end nothing may have gone wrong on it."""
    context = chromium.new_context(**CALM)
    instrument = Instrument(context.new_page()).open(page_host.url)
    yield instrument
    context.close()
    assert instrument.trouble == []
