"""The page in a real Chromium, before the real server with the embedded model: what is seen, heard, mixed, saved."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from tests.streaming.browser import CALM, WITHIN_S, Instrument, PageServer, colours_in, need_chromium

need_chromium()

pytestmark = pytest.mark.timeout(150)  # a wait has its own, shorter limit

from playwright.sync_api import Browser, expect  # noqa: E402

expect.set_options(timeout=WITHIN_S * 1e3)


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
    page.until(lambda: colours_in(page.page.locator(".lane.target canvas").screenshot()) > 60)
    page.until(lambda: colours_in(page.page.locator(".lane.input canvas").screenshot()) > 60)
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


def test_input_and_tracks_are_in_step_to_the_sample(chromium: Browser, page_host: PageServer) -> None:
    context = chromium.new_context(**CALM, bypass_csp=True)
    page = Instrument(context.new_page()).open(page_host.url)
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
        page.until(lambda: in_step(*page.both(1.0)) < -80)
    context.close()


def in_step(sent: NDArray[np.float32], heard: NDArray[np.float32]) -> float:
    """What is left of the second when the first is taken away at the best lag, in dB.

    The best quarter of a second counts: on a busy machine play-out may have moved in another one (or in both).
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
    tracks: list[tuple[NDArray[np.float32], int]] = []

    def all_saved() -> bool:
        """What was under way when the page paused comes in between on a busy machine."""
        tracks[:] = [page.saved(f"Save {name} as WAV") for name in ("man speaking", "residual")]
        (target, rate), (residual, _) = tracks
        told = page.page.evaluate("globalThis.recorded[winnow.strips.targets[0].id].seconds")
        return len(target) == len(residual) == round(float(told) * rate)

    page.until(all_saved)
    target, rate = tracks[0]
    assert rate == page.page.evaluate("winnow.graph.rate")
    assert len(target) >= 1.5 * rate
    assert np.abs(target).max() > 0.01
    page.page.get_by_role("button", name="Play").click()
    page.live()


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
