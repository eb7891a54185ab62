"""Golden text messages: each parses, every truncation is refused, every mistake is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.prompt import Span
from streaming.errors import BadMessage, NotSupportedYet
from streaming.messages import Start, engine_targets, parse_text
from streaming.protocol import framed_request
from tests.streaming.live import START

GOLDEN = [
    json.dumps(START),
    """{"type": "start",
 "audio": {"encoding": "pcm_s16le", "sample_rate": 48000, "channels": 2},
 "video": {"encoding": "jpeg", "width": 640, "height": 360},
 "targets": [
   {"id": "speech", "prompt": "man speaking", "spans": [{"start": 1.0, "end": 2.5, "include": true}]},
   {"id": "left",   "points": [{"x": 120, "y": 80, "label": 1, "object_id": 1}],
                    "boxes":  [{"x_min": 80, "y_min": 20, "x_max": 300, "y_max": 340}]}],
 "return": ["target", "residual", "video", "mask"],
 "model": "default", "stats": true}""",
    '{"type":"update","targets":[{"id":"a","prompt":"dog","gain_db":-3,"max_suppression_db":20.5,"bypass":true}]}',
    '{"type":"remove","targets":["a","b"]}',
    '{"type":"flush"}',
    '{"type":"ping"}',
    '{"type":"end"}',
    '{"type":"resume","token":"t","received":{"0":480}}',
]


@pytest.mark.parametrize("text", GOLDEN)
def test_golden_messages_parse_and_every_truncation_is_refused(text: str) -> None:
    assert parse_text(text).type == json.loads(text)["type"]
    for end in range(len(text)):
        with pytest.raises(BadMessage):
            parse_text(text[:end])


def changed(**members: Any) -> str:
    """`START` with other members; None takes one away."""
    message = {**START, **members}
    return json.dumps({name: value for name, value in message.items() if value != "absent"})


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "message"),
        ("[]", "message"),
        ("hello", "message"),
        ("3", "message"),
        ("{}", "type"),
        ('{"type":"begin"}', "type"),
        ('{"type":3}', "type"),
        (changed(surprise=1), "surprise"),
        (changed(audio={**START["audio"], "bits": 16}), "audio.bits"),
        (changed(audio={**START["audio"], "encoding": "mp3"}), "audio.encoding"),
        (changed(audio={**START["audio"], "sample_rate": "48000"}), "audio.sample_rate"),
        (changed(audio={**START["audio"], "sample_rate": 7999}), "audio.sample_rate"),
        (changed(audio={**START["audio"], "sample_rate": 192001}), "audio.sample_rate"),
        (changed(audio={**START["audio"], "sample_rate": 44100.5}), "audio.sample_rate"),
        (changed(audio={**START["audio"], "channels": 0}), "audio.channels"),
        (changed(audio={**START["audio"], "channels": 3}), "audio.channels"),
        (changed(audio={**START["audio"], "channels": True}), "audio.channels"),
        (changed(audio=[]), "audio"),
        (changed(targets=[]), "targets"),
        (changed(targets="speech"), "targets"),
        (changed(targets=[{"id": "", "prompt": "dog"}]), "targets.0.id"),
        (changed(targets=[{"prompt": "dog"}]), "targets.0.id"),
        (changed(targets=[{"id": "a", "prompt": "dog", "gain": 3}]), "targets.0.gain"),
        (
            changed(targets=[{"id": "a", "prompt": "dog", "spans": [{"start": -1, "end": 2}]}]),
            "targets.0.spans.0.start",
        ),
        (changed(targets="absent"), "targets"),
        (changed(audio="absent"), "audio"),
        (changed(**{"return": ["loudness"]}), "return.0"),
        (changed(**{"return": []}), "return"),
        (changed(stats="yes"), "stats"),
        (changed(on_failure="ignore"), "on_failure"),
        (changed(targets=[{"id": "a", "prompt": "dog", "gain_db": float("nan")}]), "targets.0.gain_db"),
        ('{"type":"remove","targets":[]}', "targets"),
        ('{"type":"flush","now":1}', "now"),
    ],
)
def test_mistakes_are_named(text: str, field: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse_text(text)
    assert refused.value.details["field"] == field
    assert refused.value.details["expected"]
    assert len(refused.value.details["got"]) <= 80


def test_an_unknown_encoding_is_unsupported_media() -> None:
    with pytest.raises(BadMessage) as refused:
        parse_text(changed(audio={**START["audio"], "encoding": "opus"}))
    assert (refused.value.code, refused.value.close) == ("unsupported_media", 4415)


def test_targets_reach_the_engine_as_they_were_said() -> None:
    start = parse_text(
        changed(targets=[{"id": "a", "prompt": "dog", "spans": [{"start": 1, "end": 2.5, "include": False}],
                          "gain_db": -6, "max_suppression_db": 12, "bypass": True}])
    )  # fmt: skip
    assert isinstance(start, Start)
    (target,) = engine_targets(start.targets)
    assert target.spans == (Span(1.0, 2.5, False),)
    assert (target.id, target.prompt, target.gain_db, target.max_suppression_db, target.bypass) == (
        "a", "dog", -6.0, 12.0, True
    )  # fmt: skip


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"video": {"encoding": "jpeg", "width": 640, "height": 360}}, "video"),
        ({"audio": None, "video": {"encoding": "jpeg", "width": 640, "height": 360}}, "video"),
        ({"return": ["target", "video"]}, "return"),
        ({"return": ["mask"]}, "return"),
        ({"targets": [{"id": "a", "points": [{"x": 1, "y": 2}]}]}, "targets.0.points"),
        ({"targets": [{"id": "a", "boxes": [{"x_min": 1, "y_min": 2, "x_max": 3, "y_max": 4}]}]}, "targets.0.boxes"),
    ],
)
def test_pictures_are_refused_by_name(members: dict[str, Any], field: str) -> None:
    start = parse_text(json.dumps({**START, **members}))
    assert isinstance(start, Start)
    with pytest.raises(NotSupportedYet) as refused:
        framed_request(start)
    assert (refused.value.details["field"], refused.value.close) == (field, 4415)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"audio": None}, "audio"),
        ({"targets": [{"id": "a"}]}, "targets.0.prompt"),
        ({"targets": [{"id": "a", "prompt": "dog"}, {"id": "a", "prompt": "rain"}]}, "targets.1.id"),
    ],
)
def test_what_does_not_fit_together_is_named(members: dict[str, Any], field: str) -> None:
    start = parse_text(json.dumps({**START, **members}))
    assert isinstance(start, Start)
    with pytest.raises(BadMessage) as refused:
        framed_request(start)
    assert refused.value.details["field"] == field
