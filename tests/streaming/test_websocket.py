"""The endpoint: who may connect, and raw and framed mode to the sample, against the identity bundle."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import connect

from engine.bundle import Bundle
from engine.resample import converted_count
from tests.fakes import ManualClock
from tests.streaming.live import (
    END,
    HEADER,
    PATIENCE_S,
    START,
    Heard,
    House,
    cut,
    framed_messages,
    house,
    listen,
    next_text,
    noise,
    talk,
)  # fmt: skip

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"


@pytest.mark.parametrize("header", [None, "Key wrong-key-entirely", f"Basic {KEY}"])
async def test_without_the_key_no_session(identity: Bundle, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    async with house(identity, api_keys=(KEY,)) as server:
        async with connect(f"{server.url}?prompt=speech", additional_headers=headers) as link:
            heard = await talk(link, [])
        async with server.web(headers=headers) as web:
            codes = {path: (await web.get(path)).status_code for path in ("/v1/models", "/v1/sessions", "/healthz")}
    assert (heard.close, heard.error["code"]) == (4401, "unauthorised")
    assert codes == {"/v1/models": 401, "/v1/sessions": 401, "/healthz": 200}


async def test_with_the_key_all_is_well(identity: Bundle) -> None:
    headers = {"Authorization": f"Key {KEY}"}
    async with house(identity, api_keys=(OTHER, KEY)) as server:
        async with connect(f"{server.url}?prompt=speech", additional_headers=headers) as link:
            assert (await talk(link, [END])).close == 1000
        async with server.web(headers=headers) as web:
            assert (await web.get("/v1/sessions")).status_code == 200


async def mint(web: httpx.AsyncClient, **body: Any) -> str:
    answer = await web.post("/v1/tokens", json=body)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    return str(answer.json()["token"])


async def with_token(server: House, token: str, query: str = "?prompt=speech") -> Heard:
    """A session that a browser would begin."""
    async with connect(f"{server.url}{query}", subprotocols=["winnow.v1", f"token.{token}"]) as link:  # type: ignore[list-item]
        assert link.subprotocol == "winnow.v1"
        return await talk(link, [END])


async def test_a_key_mints_a_token_and_the_token_starts_one_session(identity: Bundle) -> None:
    headers = {"Authorization": f"Key {KEY}"}
    async with house(identity, api_keys=(KEY,)) as server:
        async with server.web(headers=headers) as web:
            token, other, reader = await mint(web), await mint(web), await mint(web, scopes=["read"])
            assert (await web.post("/v1/tokens", json={"ttl": 5})).status_code == 400
            assert (await web.post("/v1/tokens", content=bytes(5000))).status_code == 413
        async with server.web() as web:
            refused = await web.post("/v1/tokens", headers={"Authorization": f"Bearer {token}"})
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthorised")
            assert (await web.get("/v1/models", headers={"Authorization": f"Bearer {reader}"})).status_code == 200
            assert (await web.get("/v1/models", headers={"Authorization": f"Bearer {token}"})).status_code == 403
            assert (await web.get("/v1/models", params={"token": reader})).status_code == 401
        assert (await with_token(server, token)).close == 1000
        heard = await with_token(server, token)
        assert (heard.close, heard.error["code"], heard.error["reason"]) == (4401, "unauthorised", "token_used")
        # An unknown word is no session: the token may try again.
        heard = await with_token(server, other, "?prompt=xyzzyplugh")
        assert heard.error["code"] == "unknown_prompt"
        await server.empty()
        async with connect(
            f"{server.url}?prompt=speech", additional_headers={"Authorization": f"Bearer {other}"}
        ) as link:
            assert (await talk(link, [END])).close == 1000
        heard = await with_token(server, reader)
        assert (heard.close, heard.error["code"]) == (1008, "forbidden")
        heard = await with_token(server, "abc")
        assert (heard.close, heard.error["reason"]) == (4401, "token_invalid")
        async with connect(f"{server.url}?prompt=speech&token={other}") as link:
            assert (await talk(link, [])).close == 4401


async def test_a_token_ends_when_it_says_and_limits_its_session(identity: Bundle) -> None:
    async with house(identity, idle_s=0.4) as server:
        now = server.live.gate.mint._clock = ManualClock(1.8e9)
        lasted = server.live.clock = ManualClock()
        async with server.web() as web:
            late, short = await mint(web), await mint(web, max_session_s=0.2)
        assert (await with_token(server, short, "")).close == 1000
        async with server.web() as web:
            short = await mint(web, max_session_s=0.2)
        async with connect(f"{server.url}?prompt=speech", subprotocols=["winnow.v1", f"token.{short}"]) as link:  # type: ignore[list-item]
            await next_text(link, "started")
            lasted.advance(0.3)
            heard = await talk(link, [])
        assert (heard.close, heard.error["code"]) == (4408, "over_time")
        now.advance(60.0)
        heard = await with_token(server, late)
        assert (heard.close, heard.error["reason"]) == (4401, "token_expired")


async def test_our_subprotocol_is_answered(identity: Bundle) -> None:
    async with house(identity) as server:
        async with connect(f"{server.url}?prompt=speech", subprotocols=["winnow.v1"]) as link:  # type: ignore[list-item]
            assert link.subprotocol == "winnow.v1"
            assert (await talk(link, [END])).close == 1000


@pytest.mark.parametrize(
    ("origin", "close"),
    [
        ("http://127.0.0.1:{port}", 1000),
        ("https://friend.example", 1000),
        ("http://evil.example", 1008),
        ("null", 1008),
    ],
)
async def test_origins(identity: Bundle, origin: str, close: int) -> None:
    async with house(identity, allowed_origins=("https://friend.example",)) as server:
        where = origin.format(port=server.port)
        async with connect(f"{server.url}?prompt=speech", origin=where) as link:  # type: ignore[arg-type]
            assert (await talk(link, [END])).close == close


@pytest.mark.parametrize("size", [1, 7, 961, 960, 16384])
async def test_any_chunking_gives_the_same_bytes(server: House, size: int) -> None:
    data = noise(4803).tobytes()
    async with server.raw() as link:
        heard = await talk(link, [*cut(data, size), b"", END])
    assert heard.close == 1000
    assert heard.sound == data
    assert next(text["type"] for text in heard.texts) == "started"
    ended = heard.of("ended")[0]
    assert ended["audio_seconds"] == pytest.approx(4803 / 48000, abs=1e-5)
    assert ended["video_frames"] == ended["dropped_frames"] == 0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
async def test_both_encodings_and_stereo(server: House, encoding: str, channels: int) -> None:
    sound = noise(2000, channels)
    data = sound.tobytes() if encoding == "pcm_s16le" else (sound / np.float32(32768)).astype("<f4").tobytes()
    async with server.raw(encoding=encoding, channels=channels) as link:
        heard = await talk(link, [*cut(data, 1001), END])
    kind = "<i2" if encoding == "pcm_s16le" else "<f4"
    returned = np.frombuffer(heard.sound, kind)
    assert len(heard.sound) == len(data)
    assert np.abs(returned - np.frombuffer(data, kind)).max() <= (1e-6 if kind == "<f4" else 1)


@pytest.mark.parametrize(("rate", "out"), [(16000, 16000), (44100, 16000), (48000, 44100), (8000, 48000)])
async def test_length_is_exact_at_any_rate(server: House, rate: int, out: int) -> None:
    count = rate // 3 + 17
    async with server.raw(sample_rate=rate, output_sample_rate=out) as link:
        heard = await talk(link, [*cut(noise(count).tobytes(), 700), END])
    assert heard.close == 1000
    assert len(heard.sound) == 2 * converted_count(count, rate, out)


async def test_the_residual_of_the_identity_is_silence(server: House) -> None:
    async with server.raw(output="residual") as link:
        heard = await talk(link, [noise(4800).tobytes(), END])
    assert np.abs(np.frombuffer(heard.sound, "<i2")).max() <= 1


async def test_no_sound_at_all_is_a_session_too(server: House) -> None:
    async with server.raw() as link:
        heard = await talk(link, [END])
    assert (heard.close, heard.sound) == (1000, b"")


async def test_half_a_sample_at_the_end_is_dropped_and_said(server: House) -> None:
    async with server.raw(channels=2) as link:
        heard = await talk(link, [noise(480, 2).tobytes() + b"abc", END])
    assert len(heard.sound) == 480 * 4
    assert [text["code"] for text in heard.of("warning")] == ["odd_bytes"]


async def test_nan_and_infinity_become_silence_and_are_told(server: House) -> None:
    sound = np.full(4800, 0.25, "<f4")
    sound[1000:1010] = np.nan
    sound[2000] = np.inf
    sound[3000] = -np.inf
    async with server.raw(encoding="pcm_f32le") as link:
        heard = await talk(link, [sound.tobytes(), END])
    returned = np.frombuffer(heard.sound, "<f4")
    assert np.isfinite(returned).all()
    assert np.abs(returned[[1005, 2000, 3000]]).max() < 1e-6
    assert heard.of("ended")[0]["nonfinite_samples"] == 12
    assert "nonfinite_samples" in [text["code"] for text in heard.of("warning")]


async def test_tracks_carry_pts_and_sequence(server: House) -> None:
    sound = noise(5000)
    async with server.framed() as link:
        heard = await talk(link, [json.dumps(START), *framed_messages(sound.tobytes(), 2), END])
    started = heard.of("started")[0]
    assert [(track["index"], track["name"]) for track in started["tracks"]] == [(0, "voice/target"), (1, "residual")]
    assert {"session", "resume_token", "audio", "latency", "targets"} <= started.keys()
    assert {"algorithmic_ms", "window", "hop", "lookahead", "crossfade"} <= started["latency"].keys()
    assert started["targets"][0]["understood"][0].keys() == {"label", "score", "status"}
    for index in (0, 1):
        payload, headers = heard.track(index)
        assert len(payload) == len(sound.tobytes())
        assert [header[4] for header in headers] == list(range(len(headers)))
        pts = 0
        for header, message in zip(headers, [m for m in heard.binary if m[2] == index], strict=True):
            assert header[:2] == (1, 0)
            assert header[5] == pts
            pts += (len(message) - 16) // 2
        assert [header[3] & 1 for header in headers] == [0] * (len(headers) - 1) + [1]
    target, residual = (np.frombuffer(heard.track(index)[0], "<i2").astype(int) for index in (0, 1))
    assert np.abs(target + residual - sound[:, 0]).max() <= 1


async def test_only_what_is_asked_for_comes_back(server: House) -> None:
    async with server.framed() as link:
        heard = await talk(
            link, [json.dumps({**START, "return": ["residual"]}), *framed_messages(noise(960).tobytes(), 2), END]
        )
    assert [track["name"] for track in heard.of("started")[0]["tracks"]] == ["residual"]
    assert {message[2] for message in heard.binary} == {heard.of("started")[0]["tracks"][0]["index"]}


async def test_a_gap_in_the_input_is_filled_and_a_long_one_restarts(server: House) -> None:
    data = noise(480).tobytes()
    messages = [json.dumps(START)]
    for index, pts in enumerate((0, 1440, 480_000)):
        messages.append(HEADER.pack(1, 0, 0, 0, index, pts) + data)  # type: ignore[arg-type]
    async with server.framed() as link:
        heard = await talk(link, [*messages, END])
    payload, headers = heard.track(0)
    assert len(payload) == 2 * (480 + 960 + 480 + 480)
    restarted = [header for header in headers if header[3] & 2]
    assert [header[5] for header in restarted] == [480_000]


async def test_update_and_remove_name_tracks_and_pts(server: House) -> None:
    second = {"type": "update", "targets": [{"id": "dog", "prompt": "dog"}]}
    async with server.framed() as link:
        await link.send(json.dumps(START))
        for message in framed_messages(noise(4800).tobytes(), 2):
            await link.send(message)
        await link.send(json.dumps(second))
        updated = await next_text(link, "updated")
        assert [track["name"] for track in updated["tracks"]] == ["voice/target", "residual", "dog/target"]
        assert updated["pts"] >= 0
        for message in framed_messages(noise(4800).tobytes(), 2, pts=4800):
            await link.send(message)
        await link.send('{"type":"remove","targets":["voice"]}')
        removed = await next_text(link, "updated")
        assert [track["name"] for track in removed["tracks"]] == ["residual", "dog/target"]
        await link.send(END)
        heard = await listen(link)
    assert heard.close == 1000


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "update", "targets": [{"id": "x", "prompt": "xyzzyplugh"}]}, "unknown_prompt"),
        ({"type": "update", "targets": [{"id": "x", "prompt": ""}]}, "bad_message"),
        ({"type": "update", "targets": [{"id": "x", "prompt": "dog", "gain_db": 500}]}, "bad_message"),
        ({"type": "remove", "targets": ["nobody"]}, "bad_message"),
    ],
)
async def test_an_update_that_cannot_be_leaves_the_session_as_it_was(
    server: House, message: dict[str, Any], code: str
) -> None:
    sound = noise(4800)
    async with server.framed() as link:
        heard = await talk(link, [json.dumps(START), json.dumps(message), *framed_messages(sound.tobytes(), 2), END])
    assert heard.error["code"] == code
    assert "close_code" not in heard.error
    assert heard.close == 1000
    assert len(heard.track(0)[0]) == len(sound.tobytes())


async def test_flush_gives_out_what_is_buffered(server: House) -> None:
    async with server.framed() as link:
        await link.send(json.dumps({**START, "return": ["target"]}))
        await link.send(framed_messages(noise(600).tobytes(), 2, size=600)[0])
        await link.send('{"type":"flush"}')
        got = 0
        async with asyncio.timeout(PATIENCE_S):
            while got < 600:
                message = await link.recv()
                if isinstance(message, bytes):
                    got += (len(message) - 16) // 2
        assert got == 600
        await link.send('{"type":"ping"}')
        assert await next_text(link, "pong") == {"type": "pong"}


async def test_sessions_do_not_hear_each_other(server: House) -> None:
    sounds = [noise(9600, seed=seed).tobytes() for seed in range(8)]

    async def one(data: bytes) -> bytes:
        async with server.raw() as link:
            return (await talk(link, [*cut(data, 960), END])).sound

    assert await asyncio.gather(*map(one, sounds)) == sounds
