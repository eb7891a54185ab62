"""The page's files and what it asks the server, without a browser."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import soundfile

from engine.bundle import Bundle, load_bundle
from streaming.page import SECURITY_HEADERS, STATIC_FOLDER, reading
from streaming.scene import load_scene
from tests.streaming.live import House, house

PAGES = ("index.html", "listen.html")
MODULES = sorted((STATIC_FOLDER / "js").glob("*.js"))


async def test_the_page_comes_with_its_headers(server: House) -> None:
    async with server.web() as web:
        for path in ("/", "/listen"):
            page = await web.get(path)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert {name: page.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        script = await web.get("/static/js/main.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["content-security-policy"] == SECURITY_HEADERS["content-security-policy"]
        again = await web.get("/static/js/main.js", headers={"if-none-match": script.headers["etag"]})
        assert again.status_code == 304
        assert (await web.get("/static/..%2fapp.py")).status_code == 404
        assert (await web.get("/static/nothing.js")).status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline(name: str) -> None:
    text = (STATIC_FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text)
    assert re.findall(r"<script[^>]*>", text) == re.findall(r"<script type=\"module\" src=\"/static/[^\"]+\">", text)
    for asset in re.findall(r"(?:src|href)=\"/static/([^\"]+)\"", text):
        assert (STATIC_FOLDER / asset).is_file(), asset


def test_every_module_is_there_that_another_one_names() -> None:
    for module in MODULES:
        text = module.read_text(encoding="utf-8")
        named = re.findall(r"(?:from |import\(|URL\()\"\./([a-z_]+\.js)\"", text) + re.findall(
            r"module\(\"([a-z_]+\.js)\"\)", text
        )
        for name in named:
            assert (module.parent / name).is_file(), f"{module.name} names {name}"
        assert not re.search(r"https?://|innerHTML|eval\(", text.replace("http://www.w3.org/2000/svg", "")), module.name
        assert len(text.splitlines()) <= 400, module.name


async def test_the_demo_scene_is_the_sum_of_its_stems(server: House) -> None:
    async with server.web() as web:
        told = (await web.get("/v1/demo-scene")).json()
        sound = await web.get("/v1/demo-scene.wav")
    samples, rate = soundfile.read(io.BytesIO(sound.content), dtype="float32")
    scene = load_scene()
    mixture = scene.mixture[0]
    assert (told["prompt"], told["sample_rate"], rate) == (scene.default, scene.rate, scene.rate)
    assert told["seconds"] == pytest.approx(len(samples) / rate)
    assert [stem["name"] for stem in told["stems"]] == [stem.name for stem in scene.stems]
    assert np.abs(samples - mixture / max(1.0, float(np.abs(mixture).max()))).max() < 1e-4


async def test_what_a_prompt_means_is_told(server: House) -> None:
    async with server.web() as web:
        told = (await web.get("/v1/understand", params={"prompt": "the speech"})).json()
    assert told["understood"][0]["label"] == "speech"
    assert told["everything_but"] is False


async def test_what_a_prompt_means_is_told_to_those_with_a_key_alone(identity: Bundle) -> None:
    async with (
        house(identity, api_keys="a-key-of-some-length") as server,
        server.web() as web,
    ):
        assert (await web.get("/v1/understand", params={"prompt": "speech"})).status_code == 401
        key = {"authorization": "Key a-key-of-some-length"}
        assert (await web.get("/v1/understand", params={"prompt": "speech"}, headers=key)).status_code == 200
        assert (await web.get("/")).status_code == 200


def test_an_unknown_word_names_three_known_ones() -> None:
    vocabulary = load_bundle("default").vocabulary
    told = reading("blorptwang", vocabulary)
    assert told["unknown"]
    assert len(told["suggestions"]) == 3
    assert set(told["suggestions"]) <= set(vocabulary.labels)
    assert reading("", vocabulary)["unknown"]
    assert reading("siren", vocabulary)["caution"]
