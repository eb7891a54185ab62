"""The page in a real Chromium when the server goes, is full or wants a key; and those who listen by a link."""

from __future__ import annotations

import pytest

from tests.streaming.browser import CALM, WITHIN_S, Cable, Instrument, PageServer, need_chromium, page_server

need_chromium()

pytestmark = pytest.mark.timeout(150)  # a wait has its own, shorter limit

from playwright.sync_api import Browser, BrowserContext, expect  # noqa: E402

expect.set_options(timeout=WITHIN_S * 1e3)


def test_a_server_that_comes_back_is_found_again(chromium: Browser) -> None:
    with page_server() as server:
        context = chromium.new_context(**CALM)
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


def test_a_cut_connection_is_resumed_without_a_missing_sample(chromium: Browser, page_host: PageServer) -> None:
    cable = Cable(page_host.port)
    context = chromium.new_context(**CALM)
    page = Instrument(context.new_page()).open(cable.url)
    page.source("Demo scene")
    page.live()
    page.recorded("man speaking", 1.0)
    session = page.page.evaluate("winnow.started.session")
    page.page.evaluate("globalThis.seen = [], winnow.on('state', ({ state }) => seen.push(state)), null")
    cable.cut()
    page.page.wait_for_function("() => seen.includes('reconnecting')")  # it may be over before we look
    page.live()
    assert page.page.evaluate("winnow.started.session") == session
    before = page.page.evaluate("globalThis.recorded[winnow.strips.targets[0].id].seconds")
    page.recorded("man speaking", before + 1.0)
    assert page.page.evaluate("globalThis.recorded[winnow.strips.targets[0].id].silenced") == 0
    context.close()
    cable.close()


def test_a_server_that_wants_a_key_gets_one(chromium: Browser) -> None:
    with page_server(WINNOW_API_KEYS="a-key-of-some-length") as server:
        context = chromium.new_context(**CALM)
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


def test_a_full_server_says_so_and_is_asked_again(chromium: Browser) -> None:
    with page_server(WINNOW_MAX_SESSIONS="1", WINNOW_RETRY_AFTER_S="0.5") as server:
        contexts = [chromium.new_context(**CALM), chromium.new_context(**CALM)]
        first, second = (Instrument(context.new_page()).open(server.url) for context in contexts)
        first.source("Demo scene")
        first.live()
        second.source("Demo scene")
        second.state("full")
        expect(second.page.locator("#notice")).to_contain_text("Every place on this server is taken")
        contexts[0].close()
        second.live()
        contexts[1].close()


def test_a_target_that_found_no_room_is_taken_back_and_taken_once_there_is(chromium: Browser) -> None:
    # Two targets and what is left of both take three rows, on one channel.
    with page_server(rows=3) as server:
        context = chromium.new_context(**CALM)
        page = Instrument(context.new_page()).open(server.url)
        page.source("Demo scene")
        page.live()
        assert page.page.evaluate("winnow.source.channels") == 1
        page.ask("rain")
        page.recorded("rain", 0.3)
        page.ask("siren")
        expect(page.page.locator("#heard")).to_contain_text("The server has no room for “siren” now")
        assert page.page.evaluate("winnow.strips.targets.map(({ name }) => name)") == ["man speaking", "rain"]
        page.page.get_by_role("button", name="Remove rain").click()
        page.ask("siren")
        page.recorded("siren", 0.3)
        page.ask("rain")  # it is as unknown to the session as one that was never asked for
        expect(page.page.locator("#heard")).to_contain_text("The server has no room for “rain” now")
        assert page.page.evaluate("winnow.strips.targets.map(({ name }) => name)") == ["man speaking", "siren"]
        context.close()


EXCHANGE = """async () => {
    const { SessionLink } = await import("/static/js/session_link.js");
    const said = [], told = [], target = id => ({ id, prompt: id });
    let server = null;
    const link = new SessionLink(async (format, resumes, on) => {
        server = on;
        setTimeout(() => on.open(), 0);
        return { ready: true, send: message => said.push(message), sendSound() {}, close() {}, abandon() {} };
    }, (kind, what) => told.push([kind, what?.targets]));
    const turn = () => new Promise(done => setTimeout(done, 20));
    const wishes = () => said.splice(0).filter(({ type }) => ["update", "remove"].includes(type))
        .map(({ type, targets }) => `${type} ${targets.map(one => one.id ?? one)}`);
    const tell = (type, ...ids) => server.text({
        type, expects: 0, tracks: [], latency: { samples: 0 }, resume_token: "t", targets: ids.map(target),
    });
    const steps = {};

    link.begin({ audio: { sample_rate: 48000, channels: 1 }, targets: [target("a"), target("b")] });
    await turn();
    link.remove(["b"]);  // while nobody listens yet
    link.update([target("c")]);
    tell("started", "a", "b");
    steps.exchange = wishes();
    tell("updated", "a");
    tell("updated", "a", "c");

    link.update([target("d")]);
    link.update([target("e")]);
    wishes();
    server.text({ type: "error", code: "no_capacity" });  // the first of two under way
    tell("updated", "a", "c", "e");
    steps.declined = told.splice(0).filter(([kind]) => kind === "declined");

    link.update([target("f"), target("zorgle")]);
    wishes();
    server.text({ type: "error", code: "unknown_prompt", target: "zorgle" });
    steps.again = wishes();
    tell("updated", "a", "c", "e", "f");

    link.update([target("g")]);
    link.remove(["f"]);
    link.update([target("h")]);
    server.close(1006);
    link.retry();
    await turn();
    wishes();
    tell("resumed", "a", "c", "e", "f", "g");  // of the three wishes before the break the first alone came
    steps.resumed = wishes();
    tell("updated", "a", "c", "e", "f", "g");  // and its answer, kept for us
    tell("updated", "a", "c", "e", "g");
    told.length = 0;
    server.text({ type: "error", code: "no_capacity" });
    steps.late = told.splice(0);

    server.close(1006);
    link.remove(["a", "c", "e", "g"]);
    link.update([target("z")]);
    link.retry();
    await turn();
    wishes();
    tell("resumed", "a", "c");
    steps.all = wishes();
    link.end();
    return steps;
}"""


def test_room_is_given_back_before_more_is_asked_for(page: Instrument) -> None:
    """The page's half of a session, before a server that answers as it is told to."""
    steps = page.page.evaluate(EXCHANGE)
    assert steps == {
        "exchange": ["remove b", "update c"],
        "declined": [["declined", ["d"]]],
        "again": ["update f"],
        "resumed": ["remove f", "update g,h"],
        "late": [["declined", ["h"]]],
        "all": ["remove a", "update z", "remove c"],  # one must be left meanwhile
    }


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


def test_a_listener_with_the_link_hears_the_target(chromium: Browser, page: Instrument, page_host: PageServer) -> None:
    page.source("Demo scene")
    page.live()
    expect(page.page.locator("#open-listen")).to_be_visible()
    link = page.page.locator("#share").input_value()
    assert link.startswith(f"{page_host.url}listen#session=")
    context = chromium.new_context(**CALM)
    listener = hears_the_link(context, link, "man speaking")
    page.source("Microphone")  # another session: the link was to the one before
    expect(listener.page.locator("#say")).to_have_text("This session is over.")
    expect(listener.page.get_by_role("button", name="Listen")).to_be_visible()
    context.close()


def test_a_link_lets_those_listen_who_have_no_key(chromium: Browser) -> None:
    key = "a-key-of-some-length"
    with page_server(WINNOW_API_KEYS=key) as server:
        contexts = [chromium.new_context(**CALM), chromium.new_context(**CALM)]
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
