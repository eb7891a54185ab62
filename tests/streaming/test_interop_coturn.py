"""A peer that can only be reached through a relay: Debian's coturn, with the passwords that this server mints."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aioice.ice import get_host_addresses
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from engine.bundle import Bundle
from tests.streaming.browser import CHROMIUM, QUIET, WITHIN_S, need_chromium
from tests.streaming.live import PATIENCE_S, house
from tests.streaming.rtc import Client, Tone, client

SECRET = "a-secret-of-the-tests"

pytestmark = pytest.mark.skipif(shutil.which("turnserver") is None, reason="coturn is not installed (apt: coturn)")


@asynccontextmanager
async def relay(folder: Path) -> AsyncIterator[str]:
    """A running coturn; the URL of it."""
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        pytest.skip("this machine has no IPv4 address but loopback's")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((addresses[0], 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        "turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-multicast-peers", "--use-auth-secret",
        f"--static-auth-secret={SECRET}", "--realm=winnow.test", f"--listening-ip={addresses[0]}",
        f"--relay-ip={addresses[0]}", f"--listening-port={port}", "--log-file=stdout", "--verbose",
        f"--pidfile={folder / 'pid'}", f"--userdb={folder / 'db'}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
    )  # fmt: skip
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(PATIENCE_S):
        while b"UDP listener opened" not in said:
            line = await process.stdout.readline()
            assert line, said.decode(errors="replace")
            said += line
    reading = asyncio.create_task(process.stdout.read())
    try:
        yield f"turn:{addresses[0]}:{port}?transport=udp"
    finally:
        process.terminate()
        await process.wait()
        await reading


def relayed_only(peer: Client, links: list[str], *, spoil: str = "") -> None:
    """Give a client a connection that knows no path but the relay's."""
    (link,) = links
    url, _, rest = link.removeprefix("<").partition(">")
    fields = dict(part.strip().split("=", 1) for part in rest.split(";") if part.strip())
    server = RTCIceServer(url, fields["username"].strip('"'), spoil + fields["credential"].strip('"'))
    peer.connection = RTCPeerConnection(RTCConfiguration([server], RTCIceTransportPolicy.RELAY))


async def test_sound_goes_and_comes_through_the_relay(identity: Bundle, tmp_path: Path) -> None:
    async with relay(tmp_path) as url, house(identity, ice_servers=url, turn_secret=SECRET) as home:
        async with client(home) as peer:
            links = (await peer.http.options("/v1/whip")).headers.get_list("link")
            relayed_only(peer, links)
            heard = peer.speak(Tone())
            offer = await peer.offer()
            assert "typ relay" in offer
            assert "typ host" not in offer
            answer = await peer.post("/v1/whip?prompt=speech")
            assert answer.status_code == 201
            assert answer.headers.get_list("link") != links, "each session gets a password of its own"
            await heard.loud()


async def test_the_relay_refuses_what_the_server_did_not_mint(identity: Bundle, tmp_path: Path) -> None:
    async with relay(tmp_path) as url, house(identity, ice_servers=url, turn_secret=SECRET) as home:
        async with client(home) as peer:
            relayed_only(peer, (await peer.http.options("/v1/whip")).headers.get_list("link"), spoil="x")
            peer.speak(Tone())
            assert "typ relay" not in await peer.offer()


RELAYED = """globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(given) { super({ ...given, iceTransportPolicy: "relay" }); }
};"""


async def test_a_listener_in_a_browser_is_told_of_the_relay(identity: Bundle, tmp_path: Path) -> None:
    need_chromium()
    from playwright.async_api import async_playwright, expect

    async with relay(tmp_path) as url, house(identity, ice_servers=url, turn_secret=SECRET) as home:
        async with client(home) as peer, async_playwright() as driver:
            peer.speak(Tone())
            await peer.post("/v1/whip?prompt=speech")
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            page = await browser.new_page()
            await page.add_init_script(RELAYED)
            await page.goto(f"{home.http}/listen#session={peer.session}&track=0&name=tone")
            await page.get_by_role("button", name="Listen").click()
            await expect(page.locator("#say")).to_have_text("You hear it live.", timeout=WITHIN_S * 1e3)
            loud = "() => Number(document.querySelector('#level').getAttribute('aria-valuenow')) > -30"
            await page.wait_for_function(loud)
            await browser.close()


async def test_the_server_itself_may_be_behind_the_relay(identity: Bundle, tmp_path: Path) -> None:
    async with relay(tmp_path) as url:
        async with house(identity, ice_servers=url, turn_secret=SECRET, ice_gather="relay") as home:
            async with client(home) as peer:
                heard = peer.speak(Tone())
                answer = await peer.post("/v1/whip?prompt=speech")
                assert "typ relay" in answer.text
                assert "typ host" not in answer.text
                await heard.loud()
