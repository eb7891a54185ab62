"""Publishing by WHIP, with a real peer: status codes, headers, session URL, and sound that comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest

from engine.bundle import Bundle
from streaming.errors import BadMessage
from streaming.whip import read_wish
from tests.streaming.live import House, house
from tests.streaming.rtc import FRAGMENT, SDP, Client, Tone, client

KEY = "a-key-of-the-tests-0001"
OTHER = "a-key-of-the-tests-0002"


async def test_a_publisher_hears_its_target_and_residual(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        target, residual = peer.speak(Tone()), peer.listen()
        peer.talk()
        answer = await peer.post("/v1/whip?prompt=speech")
        assert answer.status_code == 201
        started = await peer.told("started")
        assert started["session"] == peer.session
        assert started["audio"]["encoding"] == "opus"
        assert [track["mid"] for track in started["tracks"]] == ["0", "1"]
        await target.loud()
        await residual.at_least(0.2)
        assert np.abs(residual.sound).max() < 0.01


async def test_the_residual_may_come_first(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        heard = peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech&output=residual")
        await heard.at_least(0.3)
        assert np.abs(heard.sound).max() < 0.01


async def test_created_has_all_headers_of_the_rfc(identity: Bundle) -> None:
    servers = {"ice_servers": "stun:stun.example:3478,turn:turn.example:3478?transport=udp", "turn_secret": "t" * 16}
    async with house(identity, **servers) as home, client(home) as peer:
        peer.speak(Tone(), "sendonly")
        answer = await peer.post("/v1/whip?prompt=speech")
        assert answer.headers["content-type"].startswith("application/sdp")
        assert answer.headers["location"].startswith(f"/v1/sessions/{peer.session}.")
        assert len(answer.headers["location"]) > 40
        assert answer.headers["etag"].startswith('"')
        stun, turn = answer.headers.get_list("link")
        assert stun == '<stun:stun.example:3478>; rel="ice-server"'
        assert turn.startswith('<turn:turn.example:3478?transport=udp>; rel="ice-server"; username="')
        assert f':{peer.session}"' in turn
        assert turn.endswith('; credential-type="password"')
        assert "a=candidate:" in answer.text
        assert "a=recvonly" in answer.text
        assert "useinbandfec=1" in answer.text


async def test_delete_ends_the_session_and_its_url(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech")
        await peer.connected()
        assert (await peer.http.get(peer.location)).status_code == 204
        # `If-Match` says nothing to a DELETE.
        gone = await peer.http.delete(peer.location, headers={"If-Match": '"other"'})
        assert gone.status_code == 200
        await home.empty()
        await peer.state("closed")
        after = await peer.http.delete(peer.location)
        assert after.status_code == 404
        assert "the client ended it" in after.json()["detail"]


async def test_the_session_url_needs_its_secret(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech")
        for handle in (peer.session, f"{peer.session}.", f"{peer.session}.guess", "nobody.at-all"):
            assert (await peer.http.delete(f"/v1/sessions/{handle}")).status_code == 404
        assert peer.session in home.live.sessions


# --- trickle ----------------------------------------------------------------------------------------------------


def without_candidates(sdp: str) -> tuple[str, list[str]]:
    """An offer as a trickling client sends it, and its candidates."""
    lines = sdp.split("\r\n")
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    return "\r\n".join(line for line in lines if "candidate" not in line), candidates


def fragment(sdp: str, candidates: list[str], *more: str) -> str:
    """A trickle fragment of an offer's ICE agent."""
    agent = [line for line in sdp.split("\r\n") if line.startswith(("a=ice-ufrag:", "a=ice-pwd:"))][:2]
    return "\r\n".join([*agent, "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", *candidates, *more]) + "\r\n"


async def offered(peer: Client) -> tuple[httpx.Response, str, list[str]]:
    """A session whose offer had no candidates."""
    from aiortc import RTCSessionDescription

    whole = await peer.offer()
    bare, candidates = without_candidates(whole)
    answer = await peer.http.post("/v1/whip?prompt=speech", content=bare, headers=SDP)
    assert answer.status_code == 201
    await peer.connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    return answer, whole, candidates


async def test_candidates_may_trickle(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        target = peer.speak(Tone())
        answer, whole, candidates = await offered(peer)
        nonsense = [
            "a=candidate:1 1 tcp 1 192.0.2.7 9 typ host",
            "a=candidate:rubbish",
            "a=candidate:2 1 udp x y z w v",
        ]
        body = fragment(whole, [*nonsense, *candidates], "a=end-of-candidates")
        match = {"If-Match": answer.headers["etag"]}
        patched = await peer.http.patch(answer.headers["location"], content=body, headers={**FRAGMENT, **match})
        assert patched.status_code == 204
        assert patched.content == b""
        assert "etag" not in patched.headers
        await target.loud()


async def test_trickle_is_refused_by_the_letter(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        answer, whole, candidates = await offered(peer)
        url, etag = answer.headers["location"], answer.headers["etag"]
        good = fragment(whole, candidates)
        other = good.replace("a=ice-ufrag:", "a=ice-ufrag:zz")

        async def patch(body: str | bytes, headers: dict[str, str]) -> int:
            response = await peer.http.patch(url, content=body, headers=headers)
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["status"] == response.status_code
            return response.status_code

        assert await patch(good, FRAGMENT) == 428
        assert await patch(good, {**FRAGMENT, "If-Match": '"stale"'}) == 412
        assert await patch(good, {**SDP, "If-Match": etag}) == 415
        assert await patch("no fragment", {**FRAGMENT, "If-Match": etag}) == 400
        assert await patch(b"\xff\xfe", {**FRAGMENT, "If-Match": etag}) == 400
        assert await patch("a=candidate:1\r\n", {**FRAGMENT, "If-Match": etag}) == 400
        assert await patch("x" * 140_000, {**FRAGMENT, "If-Match": etag}) == 413
        # ICE restart: not done here, and the session stays.
        assert await patch(other, {**FRAGMENT, "If-Match": "*"}) == 422
        assert await patch(other, {**FRAGMENT, "If-Match": etag}) == 422
        assert peer.session or home.only_session()


# --- what is refused --------------------------------------------------------------------------------------------


async def refused(peer: Client, url: str, body: str | bytes, **headers: str) -> httpx.Response:
    """A POST that gets a problem."""
    response = await peer.http.post(url, content=body, headers={**SDP, **headers})
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert problem["detail"]
    return response


async def test_requests_that_are_no_offers(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        offer = await peer.offer()
        url = "/v1/whip?prompt=speech"
        assert (await refused(peer, url, offer, **{"Content-Type": "text/plain"})).status_code == 415
        assert (await refused(peer, url, offer, Accept="text/html")).status_code == 406
        assert (await refused(peer, url, "nonsense")).status_code == 400
        assert (await refused(peer, url, b"v=0\r\n\xff")).status_code == 400
        assert (await refused(peer, url, b"v=0\r\n" + b"a=x\r\n" * 40_000)).status_code == 413
        for method in ("PUT", "DELETE", "PATCH"):
            response = await peer.http.request(method, url)
            assert response.status_code == 405
            assert "POST" in response.headers["allow"]
        assert home.live.sessions == {}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("prompt=xyzzyplugh", 422, "unknown_prompt"),
        ("prompt=speech&colour=red", 400, "bad_message"),
        ("prompt=speech&prompt=music", 400, "bad_message"),
        ("prompt=speech&channels=3", 400, "bad_message"),
        ("prompt=speech&output=both", 400, "bad_message"),
        ("prompt=speech&model=other", 400, "bad_message"),
        ("prompt=" + "x" * 2001, 400, "bad_message"),
    ],
)
async def test_wishes_that_cannot_be_granted(identity: Bundle, query: str, status: int, code: str) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        response = await refused(peer, f"/v1/whip?{query}", await peer.offer())
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert home.live.sessions == {}
        if code == "unknown_prompt":
            assert len(response.json()["suggestions"]) == 3


def test_the_wish_in_a_url() -> None:
    assert read_wish("").prompt is None
    wish = read_wish("prompt=man%20speaking&output=residual&channels=2")
    assert (wish.prompt, wish.output, wish.channels) == ("man speaking", "residual", 2)
    with pytest.raises(BadMessage):
        read_wish("token=secret")


async def test_full_server_says_when_to_come_back(identity: Bundle) -> None:
    async with house(identity, max_sessions=1) as home, client(home) as first, client(home) as second:
        first.speak(Tone())
        assert (await first.post("/v1/whip?prompt=speech")).status_code == 201
        second.speak(Tone())
        response = await refused(second, "/v1/whip?prompt=speech", await second.offer())
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1


async def test_two_offers_at_once_are_two_sessions(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as first, client(home) as second:
        heard = [first.speak(Tone()), second.speak(Tone())]
        await asyncio.gather(first.post("/v1/whip?prompt=speech"), second.post("/v1/whip?prompt=speech"))
        assert first.location != second.location
        await asyncio.gather(*(one.loud() for one in heard))
        # A second offer for a session that runs is none of WHIP's.
        again = await first.http.post(first.location, content="v=0", headers=SDP)
        assert again.status_code == 405
        assert len(home.live.sessions) == 2


async def test_too_many_requests_wait(identity: Bundle) -> None:
    async with house(identity, signalling_burst=2, signalling_per_s=0.01) as home, client(home) as peer:
        statuses = [(await peer.http.post("/v1/whip", content="x", headers=SDP)).status_code for _ in range(3)]
        assert statuses == [400, 400, 429]
        response = await peer.http.delete("/v1/sessions/any.one")
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1
        assert (await peer.http.options("/v1/whip")).status_code == 204


# --- who may ----------------------------------------------------------------------------------------------------


async def test_keys_and_tokens(identity: Bundle) -> None:
    async with house(identity, api_keys=f"{KEY},{OTHER}") as home, client(home) as peer:
        target = peer.speak(Tone())
        url, offer = "/v1/whip?prompt=speech", await peer.offer()
        nobody = await refused(peer, url, offer)
        assert nobody.status_code == 401
        assert nobody.headers["www-authenticate"] == "Bearer"
        assert (await refused(peer, url, offer, Authorization="Bearer wrong")).status_code == 401
        minted = await peer.http.post(
            "/v1/tokens", json={"scopes": ["listen"]}, headers={"Authorization": f"Key {OTHER}"}
        )
        bearer = f"Bearer {minted.json()['token']}"
        assert (await refused(peer, url, offer, Authorization=bearer)).status_code == 403
        # A WHIP client has no other word than Bearer for its key.
        answer = await peer.post(url, Authorization=f"Bearer {KEY}")
        assert answer.status_code == 201
        await target.loud()
        assert (await peer.http.delete(peer.location)).status_code == 401
        stranger = await peer.http.delete(peer.location, headers={"Authorization": f"Key {OTHER}"})
        assert stranger.status_code == 404
        assert (await peer.http.delete(peer.location, headers={"Authorization": f"Key {KEY}"})).status_code == 200


async def test_a_token_publishes_once_and_ends_its_session(identity: Bundle) -> None:
    async with house(identity, api_keys=KEY) as home, client(home) as peer, client(home) as second:
        minted = await peer.http.post(
            "/v1/tokens", json={"scopes": ["publish"]}, headers={"Authorization": f"Key {KEY}"}
        )
        bearer = {"Authorization": f"Bearer {minted.json()['token']}"}
        peer.speak(Tone())
        assert (await peer.post("/v1/whip?prompt=speech", **bearer)).status_code == 201
        second.speak(Tone())
        assert (await refused(second, "/v1/whip?prompt=speech", await second.offer(), **bearer)).status_code == 401
        assert (await peer.http.delete(peer.location, headers=bearer)).status_code == 200


async def preflight(home: House, origin: str) -> Any:
    """What a browser asks before it posts."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    async with home.web() as http:
        return await http.options("/v1/whip", headers=headers)


async def test_pages_of_allowed_origins_may_publish(identity: Bundle) -> None:
    async with house(identity, api_keys=KEY, allowed_origins="https://studio.example") as home, client(home) as peer:
        allowed = await preflight(home, "https://studio.example")
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == "https://studio.example"
        assert allowed.headers["accept-post"] == "application/sdp"
        assert "If-Match" in allowed.headers["access-control-allow-headers"]
        assert "POST" in allowed.headers["access-control-allow-methods"]
        assert "link" not in allowed.headers
        assert "access-control-allow-origin" not in (await preflight(home, "https://evil.example")).headers
        peer.speak(Tone())
        origin = {"Origin": "https://studio.example", "Authorization": f"Key {KEY}"}
        answer = await peer.post("/v1/whip?prompt=speech", **origin)
        assert answer.status_code == 201
        assert "Location" in answer.headers["access-control-expose-headers"]
        evil = await refused(peer, "/v1/whip?prompt=speech", "", Origin="https://evil.example")
        assert (evil.status_code, evil.json()["code"]) == (403, "origin_refused")


async def test_get_and_head_are_reserved(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        for method in ("GET", "HEAD"):
            response = await peer.http.request(method, "/v1/whip")
            assert (response.status_code, response.content) == (204, b"")
