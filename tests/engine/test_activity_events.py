"""`engine.activity_events`: whose activity is told, when, and what spans do to it."""

from __future__ import annotations

import numpy as np

from engine.activity_events import ActivityEvents
from engine.concepts import ConceptSet, Match
from engine.frames import Activity
from engine.plan import Lane, Plan
from engine.prompt import Span, Target
from engine.separator import Stretch
from engine.spans import NOTHING_KNOWN, Course, Moments, course_of
from engine.spec import AudioSpec

AUDIO = AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480)
SPEECH = ConceptSet((Match("speech", 1.0),))


def told(course: list[float], known: Course = NOTHING_KNOWN, inverted: bool = False) -> list[Activity]:
    """Events of one target whose probabilities are `course`, ten hops at a time, at 16 kHz and from pts 1000 on."""
    events = ActivityEvents(AUDIO, 16_000)
    events.follow(["a"])
    plan = Plan({"a": Lane(Target("a", "x"), ConceptSet(SPEECH.matches, inverted), 7, known)})
    found = []
    for hop in range(0, len(course), 10):
        active = np.array(course[hop : hop + 10], np.float32)
        outputs = {7: np.full((1, 4800), 0.1, np.float32)}
        stretch = Stretch(480 * hop, 4800, outputs, {7: active}, False, 0.0, 0.0, 0.0)
        moments = Moments(hop / 100, 10, 480, 48_000)
        found += events.of(plan, stretch, 1000, moments if plan.gated else None)
    return found


def test_events_are_placed_at_the_output_rate() -> None:
    start, end = told([0.0] * 50 + [1.0] * 100 + [0.0] * 100)
    assert (start.target, start.state, end.state) == ("a", "start", "end")
    assert start.at == 1000 + 50 * 160
    assert end.at == 1000 + 150 * 160
    assert start.level_db == -20.0


def test_spans_are_certain_whatever_the_model_thinks() -> None:
    known = course_of((Span(0.5, 1.5), Span(1.5, 3.0, include=False)))
    start, end = told([0.0] * 300, known)
    assert (start.state, start.at) == ("start", 1000 + 50 * 160)
    assert (end.state, end.at) == ("end", 1000 + 150 * 160)
    assert told([1.0] * 300, known)[-1] == end


RAIN = ConceptSet((Match("rain", 1.0),))


def swapped(after: ConceptSet, active: float) -> list[Activity]:
    """Events of one loud target whose words become `after` after a second, the new sound 30 dB below; `active` is the
    probability of that."""
    events = ActivityEvents(AUDIO, 48_000)
    events.follow(["a"])
    found = []
    for hop in range(300):
        new = hop >= 100
        lane = Lane(Target("a", "x"), after if new else SPEECH, 9 if new else 7)
        level, probability = (0.003, active) if new else (0.1, 1.0)
        outputs = {slot: np.full((1, 480), level, np.float32) for slot in (7, 9)}
        told = {slot: np.array([probability], np.float32) for slot in (7, 9)}
        stretch = Stretch(480 * hop, 480, outputs, told, hop == 100, 0.0, 0.0, 0.0)
        events.follow(["a"])
        found += events.of(Plan({"a": lane}), stretch, 0, None)
    return found


def test_other_words_begin_anew_however_loud_the_old_ones_were() -> None:
    assert [(event.state, event.at) for event in swapped(RAIN, 1.0)] == [
        ("start", 0), ("end", 100 * 480), ("start", 100 * 480)
    ]  # fmt: skip


def test_the_old_words_end_where_nothing_of_the_new_sounds() -> None:
    for after in (RAIN, ConceptSet(SPEECH.matches, inverted=True)):
        assert [(event.state, event.at) for event in swapped(after, 0.0)] == [("start", 0), ("end", 100 * 480)]


def test_the_same_words_once_more_go_on() -> None:
    again = ConceptSet((Match("speech", 0.8),))
    assert [event.state for event in swapped(again, 1.0)] == ["start", "end"]  # 30 dB below what was heard


def test_everything_but_has_no_activity_of_its_own() -> None:
    assert told([1.0] * 100, inverted=True) == []
