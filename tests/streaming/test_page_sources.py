"""The page's sources in a real Chromium: microphone, another tab, a file; and what it says where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.streaming.browser import CALM, WITHIN_S, Browsers, Instrument, PageServer, need_chromium

need_chromium()

pytestmark = pytest.mark.timeout(150)  # a wait has its own, shorter limit

from playwright.sync_api import expect  # noqa: E402

expect.set_options(timeout=WITHIN_S * 1e3)


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


def test_a_microphone_that_is_denied_is_explained(chromiums: Browsers, page_host: PageServer) -> None:
    context = chromiums("--use-fake-device-for-media-stream").new_context(**CALM)
    page = Instrument(context.new_page()).open(page_host.url)
    page.source("Microphone")
    page.state("denied")
    expect(page.page.locator("#notice")).to_contain_text("This page may not use the microphone")
    page.page.get_by_role("button", name="Play the demo scene").click()
    page.live()
    context.close()


def test_the_sound_of_another_tab_is_heard_until_it_closes(chromiums: Browsers, page_host: PageServer) -> None:
    chosen = chromiums("--auto-select-tab-capture-source-by-title=Radio", "--autoplay-policy=no-user-gesture-required")
    context = chosen.new_context(**CALM)
    radio = context.new_page()
    radio.goto(f"{page_host.url}listen")
    radio.evaluate("""async () => {
        document.title = "Radio";
        const context = new AudioContext(), tone = new OscillatorNode(context, { frequency: 700 });
        await context.resume();
        tone.connect(context.destination);
        tone.start();
    }""")
    page = Instrument(context.new_page()).open(page_host.url)
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


def test_a_tab_that_is_not_shared_is_explained(chromiums: Browsers, page_host: PageServer) -> None:
    context = chromiums("--use-fake-ui-for-media-stream=deny").new_context(**CALM)
    page = Instrument(context.new_page()).open(page_host.url)
    page.source("Tab audio")
    page.state("denied")
    for told in ("#notice", "#say"):
        expect(page.page.locator(told)).to_contain_text("No tab was shared")
    context.close()


def test_who_chooses_twice_has_what_was_chosen_last(page: Instrument) -> None:
    page.page.evaluate("winnow.choose('demo'), winnow.choose('mic'), winnow.choose('demo'), winnow.choose('mic'), null")
    page.state("listening", "live", "late")
    page.ask("speech")
    page.recorded("speech", 0.3)
    assert page.page.evaluate("winnow.source.kind") == "mic"
    expect(page.page.locator("#source input[value=mic]")).to_be_checked()
