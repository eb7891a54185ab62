"""The page in a real Chromium, before the real server with the real embedded model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from tests.streaming.browser import (
    FAKE_MICROPHONE,
    Browsers,
    Cable,
    Instrument,
    PageServer,
    browsers,
    colours_in,
    need_chromium,
    page_server,
)

need_chromium()

pytestmark = pytest.mark.timeout(150)  # a wait has its own, shorter limit

from playwright.sync_api import Browser, BrowserContext, expect  # noqa: E402

expect.set_options(timeout=45_000)

CALM: dict[str, Any] = {"viewport": {"width": 1100, "height": 700}, "reduced_motion": "reduce"}
"""Two pictures a second: sixty, painted without a GPU, leave a test machine little for the sound."""


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    """A server with the embedded model."""
    with page_server() as running:
        yield running


@pytest.fixture(scope="module")
def chromiums() -> Iterator[Browsers]:
    """Chromiums, by their switches."""
    with browsers() as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromiums: Browsers) -> Browser:
    """A Chromium that has a microphone and lets it be used."""
    return chromiums(*FAKE_MICROPHONE)


@pytest.fixture
def page(browser: Browser, server: PageServer) -> Iterator[Instrument]:
    """The page, in a fresh profile; in the end nothing may have gone wrong on it."""
    context = browser.new_context(**CALM)
    instrument = Instrument(context.new_page()).open(server.url)
    yield instrument
    context.close()
    assert instrument.trouble == []


def test_every_control_has_a_name(page: Instrument) -> None:
    named = page.page
    for role, name in (
        ("radio", "Microphone"), ("radio", "Tab audio"), ("radio", "File"), ("radio", "Demo scene"),
        ("button", "Play"), ("button", "Download"), ("button", "Side panel"), ("combobox", "Keep"),
        ("meter", "Input level"), ("group", "Transport"), ("group", "Residual"), ("region", "Input, targets"),
        ("slider", "Gain Residual"), ("button", "Solo Residual"), ("img", "Spectrogram of Input"),
        ("complementary", "Sounds"), ("contentinfo", "Latency"), ("link", "Skip to the prompt"),
    ):  # fmt: skip
        expect(named.get_by_role(role, name=name).first).to_be_attached()  # type: ignore[arg-type]
    nameless = """() => [...document.querySelectorAll('button, input, select')].filter(one => one.checkVisibility()
        && !(one.ariaLabel || one.labels?.length || one.innerText.trim())).length"""
    assert named.evaluate(nameless) == 0
    assert named.locator("#tot").inner_text() == "–"


def test_the_demo_scene_is_heard_and_seen(page: Instrument) -> None:
    page.source("Demo scene")
    page.live()
    page.recorded("man speaking", 2.0)
    page.loudness()
    page.page.wait_for_function("() => loud() > 0.003")
    assert colours_in(page.page.locator(".lane.target canvas").screenshot()) > 60
    assert colours_in(page.page.locator(".lane.input canvas").screenshot()) > 60
    page.page.wait_for_function("() => Number(document.querySelector('#tot').innerText) > 20")
    workers = {worker.url.rpartition("/")[2] for worker in page.page.workers}
    assert workers == {"link_worker.js", "spectrogram_worker.js"}
    stages = page.page.locator("#stages dd").all_inner_texts()
    assert len(stages) == 9
    page.page.wait_for_function(
        "() => ![...document.querySelectorAll('#stages dd')].slice(0, 8).some(one => one.innerText === '–')"
    )


def test_what_happens_is_said_to_who_cannot_see_it(page: Instrument) -> None:
    said = """() => {
        globalThis.said = [];
        const place = document.querySelector("#say");
        new MutationObserver(() => { if (place.textContent) said.push(place.textContent); })
            .observe(place, { childList: true, characterData: true, subtree: true });
    }"""
    page.page.evaluate(said)
    page.source("Demo scene")
    page.live()
    page.page.wait_for_function("() => said.some(words => words.startsWith('Live'))")
    page.ask("blorptwang")
    page.page.wait_for_function("() => said.some(words => words.includes('not a sound this model knows'))")
    page.page.evaluate("for (const state of ['late', 'live', 'late', 'live']) winnow.set(state)")
    assert page.page.evaluate("said.filter(words => words.startsWith('Live')).length") == 1
    page.page.get_by_role("button", name="Pause").click()
    page.page.wait_for_function("() => said.includes('Paused')")


def test_who_chooses_twice_has_what_was_chosen_last(page: Instrument) -> None:
    page.page.evaluate("winnow.choose('demo'), winnow.choose('mic'), winnow.choose('demo'), winnow.choose('mic'), null")
    page.state("listening", "live", "late")
    page.ask("speech")
    page.recorded("speech", 0.3)
    assert page.page.evaluate("winnow.source.kind") == "mic"
    expect(page.page.locator("#source input[value=mic]")).to_be_checked()


def test_targets_are_added_mixed_and_removed(page: Instrument) -> None:
    page.source("Demo scene")
    page.live()
    page.page.type("#prompt", "rai")
    expect(page.page.get_by_role("option").first).to_contain_text("rain")
    page.page.press("#prompt", "ArrowDown")
    page.page.press("#prompt", "Enter")
    page.recorded("rain", 0.5)
    page.hearing("You hear man speaking + rain")
    page.page.get_by_role("button", name="Solo rain").click()
    page.hearing("You hear rain")
    page.page.get_by_role("button", name="Solo rain").click()
    page.page.get_by_role("button", name="Mute man speaking").click()
    page.hearing("You hear rain")
    page.page.get_by_role("button", name="Remove man speaking").click()
    page.hearing("You hear rain")
    assert page.page.locator(".lane.target").count() == 1
    page.page.get_by_role("button", name="Mute Residual").click()
    page.hearing("You hear rain + residual")
    page.page.get_by_role("button", name="Remove rain").click()
    page.state("listening")
    page.ask("speech, rain")
    page.recorded("speech", 0.3)
    page.recorded("rain", 0.3)


def test_holding_switches_to_the_input_without_a_new_connection(page: Instrument) -> None:
    page.source("Demo scene")
    page.live()
    page.recorded("man speaking", 0.5)
    session = page.page.evaluate("winnow.started.session")
    page.page.get_by_role("button", name="Mute man speaking").click()
    page.hearing("You hear nothing")
    page.loudness()
    page.page.wait_for_function("() => loud() < 1e-6")
    page.page.keyboard.down("a")
    page.hearing("You hear input")
    page.page.wait_for_function("() => loud() > 0.003")
    page.page.keyboard.up("a")
    page.hearing("You hear nothing")
    assert page.page.evaluate("winnow.started.session") == session


def test_input_and_tracks_are_in_step_to_the_sample(browser: Browser, server: PageServer) -> None:
    context = browser.new_context(**CALM, bypass_csp=True)
    page = Instrument(context.new_page()).open(server.url)
    page.source("Demo scene")
    page.live()
    page.recorded("man speaking", 1.0)
    page.page.get_by_role("button", name="Mute Residual").click()
    page.hearing("You hear man speaking + residual")
    page.loudness()
    page.page.wait_for_function("() => loud() > 0.003")
    for key in (None, "a"):
        if key:
            page.page.keyboard.down(key)
            page.hearing("You hear input")
        # Target and residual make up the input again, and both are played when the input would be.
        assert in_step(*page.both(1.0)) < -80
    context.close()


def in_step(sent: NDArray[np.float32], heard: NDArray[np.float32]) -> float:
    """What is left of the second when the first is taken away at the best lag, in dB.

    The best quarter of a second counts: on a busy machine play-out may have moved in another one.
    """
    left, length = [], 11000
    for begin in range(len(heard) // 2, len(heard) - length, length):
        piece, before = heard[begin : begin + length].astype(np.float64), sent[: begin + length].astype(np.float64)
        at = int(fftconvolve(before, piece[::-1], "valid").argmax())
        rest = piece - before[at : at + length]
        left.append(10 * np.log10((rest @ rest + 1e-20) / (piece @ piece + 1e-20)))
    return float(min(left))


def test_an_unknown_word_names_the_nearest_three(page: Instrument) -> None:
    page.ask("blorptwang")
    near = page.page.locator("#heard .near button")
    expect(near).to_have_count(3)
    expect(page.page.locator("#heard")).to_contain_text("“blorptwang” is not a sound this model knows")
    expect(page.page.locator("#prompt")).to_have_attribute("aria-invalid", "true")
    label = near.first.inner_text()
    near.first.click()
    expect(page.page.locator(".chip")).to_contain_text(label)


def test_what_was_isolated_can_be_saved(page: Instrument) -> None:
    page.source("Demo scene")
    page.live()
    page.recorded("man speaking", 1.5)
    page.page.get_by_role("button", name="Pause").click()
    page.state("paused")
    page.steady()
    target, rate = page.saved("Save man speaking as WAV")
    residual, _ = page.saved("Save residual as WAV")
    assert rate == page.page.evaluate("winnow.graph.rate")
    assert len(target) >= 1.5 * rate
    assert len(target) == len(residual)
    told = page.page.evaluate("globalThis.recorded[winnow.strips.targets[0].id].seconds")
    assert len(target) == pytest.approx(told * rate)
    assert np.abs(target).max() > 0.01
    page.page.get_by_role("button", name="Play").click()
    page.live()


def test_a_file_plays_to_its_end(page: Instrument, tmp_path: Path) -> None:
    rate, seconds = 48000, 1.6
    sound = 0.3 * np.sin(2 * np.pi * 220 * np.arange(int(rate * seconds)) / rate)
    soundfile.write(tmp_path / "tone.wav", sound, rate)
    page.ask("speech")
    page.page.set_input_files("#file", tmp_path / "tone.wav")
    page.state("ended")
    speech, got_rate = page.saved("Save speech as WAV")
    residual, _ = page.saved("Save residual as WAV")
    assert len(speech) == len(residual)
    assert len(residual) / got_rate > seconds - 0.05
    # One of them holds the tone: nothing of a source is lost between them.
    assert np.abs(speech + residual).max() == pytest.approx(0.3, abs=0.02)
    page.page.get_by_role("button", name="Play").click()
    page.recorded("speech", len(speech) / got_rate + 0.5)
    assert residual.shape[1] == 2


def test_the_keyboard_is_enough(page: Instrument) -> None:
    keys = page.page.keyboard
    page.page.locator("#source input[value=demo]").focus()
    keys.press("Space")
    page.live()
    keys.press("/")
    expect(page.page.locator("#prompt")).to_be_focused()
    keys.type("rain")
    keys.press("Escape")
    keys.press("Enter")
    page.recorded("rain", 0.2)
    keys.press("Escape")
    for key, heard in (
        ("2", "rain"), ("2", "man speaking + rain"), ("Shift+1", "rain"), ("Shift+1", "man speaking + rain"),
        ("r", "residual"), ("r", "man speaking + rain"),
    ):  # fmt: skip
        keys.press(key)
        page.hearing(f"You hear {heard}")
    keys.press("p")
    expect(page.page.locator("#panel")).to_have_attribute("aria-expanded", "false")
    page.page.evaluate("document.activeElement.blur()")
    keys.press("Space")
    page.state("paused")
    keys.press("Space")
    page.live()


def test_the_microphone_runs(page: Instrument) -> None:
    page.ask("speech")
    page.source("Microphone")
    page.live()
    page.recorded("speech", 0.5)
    assert page.page.evaluate("winnow.strips.targets.map(one => one.name)") == ["speech"]
    assert page.page.evaluate("globalThis.recorded[winnow.strips.targets[0].id].seconds") >= 0.5


def test_a_microphone_that_goes_away_is_explained(page: Instrument) -> None:
    page.ask("speech")
    page.source("Microphone")
    page.live()
    page.page.evaluate("winnow.source.stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    page.state("denied")
    expect(page.page.locator("#notice")).to_contain_text("The microphone was unplugged")
    page.page.get_by_role("button", name="Try again").click()
    page.live()


def test_a_source_that_the_browser_cannot_open_is_let_go(page: Instrument) -> None:
    page.page.evaluate("""() => {
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async wanted => globalThis.opened = await open(wanted);
        AudioContext.prototype.createMediaStreamSource = () => { throw new DOMException("another rate"); };
    }""")
    page.source("Microphone")
    page.state("denied")
    expect(page.page.locator("#notice")).to_contain_text("could not open this source: another rate")
    assert page.page.evaluate("opened.getTracks().map(({ readyState }) => readyState)") == ["ended"]


def test_a_microphone_that_is_denied_is_explained(chromiums: Browsers, server: PageServer) -> None:
    context = chromiums("--use-fake-device-for-media-stream").new_context(**CALM)
    page = Instrument(context.new_page()).open(server.url)
    page.source("Microphone")
    page.state("denied")
    expect(page.page.locator("#notice")).to_contain_text("This page may not use the microphone")
    page.page.get_by_role("button", name="Play the demo scene").click()
    page.live()
    context.close()


def test_the_sound_of_another_tab_is_heard_until_it_closes(chromiums: Browsers, server: PageServer) -> None:
    chosen = chromiums("--auto-select-tab-capture-source-by-title=Radio", "--autoplay-policy=no-user-gesture-required")
    context = chosen.new_context(**CALM)
    radio = context.new_page()
    radio.goto(f"{server.url}listen")
    radio.evaluate("""async () => {
        document.title = "Radio";
        const context = new AudioContext(), tone = new OscillatorNode(context, { frequency: 700 });
        await context.resume();
        tone.connect(context.destination);
        tone.start();
    }""")
    page = Instrument(context.new_page()).open(server.url)
    page.ask("speech")
    page.source("Tab audio")
    page.live()
    page.recorded("speech", 0.5)
    page.loudness()
    page.page.keyboard.down("a")
    page.page.wait_for_function("() => loud() > 0.3")
    radio.close()
    page.state("idle")
    assert page.trouble == []
    context.close()


def test_a_tab_that_is_not_shared_is_explained(chromiums: Browsers, server: PageServer) -> None:
    context = chromiums("--use-fake-ui-for-media-stream=deny").new_context(**CALM)
    page = Instrument(context.new_page()).open(server.url)
    page.source("Tab audio")
    page.state("denied")
    for told in ("#notice", "#say"):
        expect(page.page.locator(told)).to_contain_text("No tab was shared")
    context.close()


def test_a_server_that_comes_back_is_found_again(browser: Browser) -> None:
    with page_server() as server:
        context = browser.new_context(**CALM)
        page = Instrument(context.new_page()).open(server.url)
        page.source("Demo scene")
        page.live()
        page.recorded("man speaking", 1.0)
        server.kill()
        page.state("reconnecting")
        expect(page.page.locator("#notice")).to_contain_text("Your input is kept")
        server.start()
        page.live()
        before = page.page.evaluate("globalThis.recorded[winnow.strips.targets[0].id]")
        page.recorded("man speaking", before["seconds"] + 1.0)
        context.close()


def test_a_cut_connection_is_resumed_without_a_missing_sample(browser: Browser, server: PageServer) -> None:
    cable = Cable(server.port)
    context = browser.new_context(**CALM)
    page = Instrument(context.new_page()).open(cable.url)
    page.source("Demo scene")
    page.live()
    page.recorded("man speaking", 1.0)
    session = page.page.evaluate("winnow.started.session")
    cable.cut()
    page.state("reconnecting")
    page.live()
    assert page.page.evaluate("winnow.started.session") == session
    before = page.page.evaluate("globalThis.recorded[winnow.strips.targets[0].id].seconds")
    page.recorded("man speaking", before + 1.0)
    assert page.page.evaluate("globalThis.recorded[winnow.strips.targets[0].id].silenced") == 0
    context.close()
    cable.close()


def test_a_server_that_wants_a_key_gets_one(browser: Browser) -> None:
    with page_server(WINNOW_API_KEYS="a-key-of-some-length") as server:
        context = browser.new_context(**CALM)
        page = Instrument(context.new_page()).open(server.url)
        page.state("locked")
        page.page.fill("#key", "a-key-of-some-length")
        page.page.get_by_role("button", name="Connect").click()
        page.state("idle")
        page.source("Demo scene")
        page.live()
        page.recorded("man speaking", 0.3)
        sessions = f"{server.url}v1/sessions"
        assert context.request.get(sessions).status == 401
        listed = context.request.get(sessions, headers={"Authorization": "Key a-key-of-some-length"}).json()
        assert [one["session"] for one in listed["sessions"]] == [page.page.evaluate("winnow.started.session")]
        context.close()


def test_a_full_server_says_so_and_is_asked_again(browser: Browser) -> None:
    with page_server(WINNOW_MAX_SESSIONS="1", WINNOW_RETRY_AFTER_S="0.5") as server:
        contexts = [browser.new_context(**CALM), browser.new_context(**CALM)]
        first, second = (Instrument(context.new_page()).open(server.url) for context in contexts)
        first.source("Demo scene")
        first.live()
        second.source("Demo scene")
        second.state("full")
        expect(second.page.locator("#notice")).to_contain_text("Every place on this server is taken")
        contexts[0].close()
        second.live()
        contexts[1].close()


def hears_the_link(context: BrowserContext, link: str, name: str) -> Instrument:
    """Open a listener link, press the button, wait until it sounds."""
    listener = Instrument(context.new_page())
    listener.page.goto(link)
    expect(listener.page.locator("#what")).to_have_text(name)
    answers: list[str] = []
    listener.page.on("response", lambda answer: answers.append(f"{answer.status} {answer.url}"))
    listener.page.get_by_role("button", name="Listen").click()
    listener.page.wait_for_function("() => !/^(Press|Connecting)/.test(document.querySelector('#say').textContent)")
    assert listener.page.locator("#say").inner_text() == "You hear it live.", answers
    listener.page.wait_for_function(
        "() => Number(document.querySelector('#level').getAttribute('aria-valuenow')) > -50"
    )
    assert listener.trouble == []
    return listener


def test_a_listener_with_the_link_hears_the_target(browser: Browser, page: Instrument, server: PageServer) -> None:
    page.source("Demo scene")
    page.live()
    expect(page.page.locator("#open-listen")).to_be_visible()
    link = page.page.locator("#share").input_value()
    assert link.startswith(f"{server.url}listen#session=")
    context = browser.new_context(**CALM)
    listener = hears_the_link(context, link, "man speaking")
    page.source("Microphone")  # another session: the link was to the one before
    expect(listener.page.locator("#say")).to_have_text("This session is over.")
    expect(listener.page.get_by_role("button", name="Listen")).to_be_visible()
    context.close()


def test_a_link_lets_those_listen_who_have_no_key(browser: Browser) -> None:
    key = "a-key-of-some-length"
    with page_server(WINNOW_API_KEYS=key) as server:
        contexts = [browser.new_context(**CALM), browser.new_context(**CALM)]
        page = Instrument(contexts[0].new_page()).open(server.url)
        page.page.fill("#key", key)
        page.page.get_by_role("button", name="Connect").click()
        page.state("idle")
        page.source("Demo scene")
        page.live()
        page.page.get_by_role("button", name="Listener link").click()
        page.page.wait_for_function("() => document.querySelector('#share').value.includes('&token=')")
        link = page.page.locator("#share").input_value()
        assert key not in link
        for _ in range(2):  # as often as it is shared
            hears_the_link(contexts[1], link, "man speaking")
        for context in contexts:
            context.close()
