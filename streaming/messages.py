"""The text messages of `winnow.v1` as models: every member named, unknown ones refused by name.

Only the shape is judged here. What a prompt means, or whether a gain makes sense, is the engine's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.prompt import Span, Target
from streaming.errors import BadMessage, BadWish, Close, NotSupportedYet
from streaming.media import BYTES_PER_SAMPLE, ENCODINGS, Encoding

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8000, 192000

Rate = Annotated[int, Field(ge=LOWEST_RATE_HZ, le=HIGHEST_RATE_HZ)]
Number = Annotated[float, Field(allow_inf_nan=False)]
TrackIndex = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class _Message(BaseModel):
    # Strict: "48000" is not a rate, and a client that sends it has a bug it wants to hear of.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AudioFormat(_Message):
    """How sound travels in both directions."""

    encoding: Encoding = "pcm_s16le"
    sample_rate: Rate = 48000
    channels: Annotated[int, Field(ge=1, le=2)] = 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return BYTES_PER_SAMPLE[self.encoding] * self.channels

    @property
    def bytes_per_s(self) -> int:
        """Bytes of one second."""
        return self.frame_bytes * self.sample_rate


class VideoFormat(_Message):
    """How pictures would travel; refused by name until this server has them."""

    encoding: Literal["jpeg"] = "jpeg"
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]


class SpanMessage(_Message):
    """Where in the session (seconds) the target sounds, or does not."""

    start: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    end: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    include: bool = True


class PointMessage(_Message):
    """A click, in pixels."""

    x: Number
    y: Number
    label: int = 1
    object_id: int = 0
    pts: int | None = None


class BoxMessage(_Message):
    """A rectangle, in pixels."""

    x_min: Number
    y_min: Number
    x_max: Number
    y_max: Number
    object_id: int = 0
    pts: int | None = None


class TargetMessage(_Message):
    """One sound to isolate."""

    id: Name
    prompt: str | None = None
    spans: list[SpanMessage] = []
    points: list[PointMessage] = []
    boxes: list[BoxMessage] = []
    gain_db: Number = 0.0
    max_suppression_db: Number | None = None
    bypass: bool = False

    def target(self, place: str) -> Target:
        """The engine's target.

        Args:
            place: dotted place in the message, for errors.

        Raises:
            NotSupportedYet: it points at a picture.
            BadMessage: it has no prompt.
        """
        if self.points:
            raise NotSupportedYet(f"{place}.points", "pointing at a picture")
        if self.boxes:
            raise NotSupportedYet(f"{place}.boxes", "pointing at a picture")
        if self.prompt is None:
            raise BadMessage(f"{place}.prompt", "a phrase", "nothing")
        return Target(
            id=self.id,
            prompt=self.prompt,
            spans=tuple(Span(span.start, span.end, span.include) for span in self.spans),
            gain_db=self.gain_db,
            max_suppression_db=self.max_suppression_db,
            bypass=self.bypass,
        )


Targets = Annotated[list[TargetMessage], Field(min_length=1, max_length=64)]


class Start(_Message):
    """First message of framed mode."""

    type: Literal["start"]
    audio: AudioFormat | None
    video: VideoFormat | None = None
    targets: Targets
    returns: Annotated[list[Literal["target", "residual", "video", "mask"]], Field(alias="return", min_length=1)] = [
        "target"
    ]
    mask_encoding: Literal["png", "rle"] = "png"
    model: str = "default"
    stats: bool = True
    on_failure: Literal["close", "pass"] = "close"


class Resume(_Message):
    """First message after a broken connection; `received`: track index → pts after the last sample received."""

    type: Literal["resume"]
    token: Annotated[str, Field(max_length=256)]
    received: dict[TrackIndex, Annotated[int, Field(ge=0)]] = {}

    @property
    def tracks(self) -> dict[int, int]:
        """`received` with the indices as numbers."""
        return {int(index): pts for index, pts in self.received.items()}


class Update(_Message):
    """Replace or add targets, by id."""

    type: Literal["update"]
    targets: Targets


class Remove(_Message):
    """End targets, by id."""

    type: Literal["remove"]
    targets: Annotated[list[Name], Field(min_length=1)]


class Flush(_Message):
    """Give out what is buffered now."""

    type: Literal["flush"]


class Ping(_Message):
    """A sign of life, answered with `pong`."""

    type: Literal["ping"]


class End(_Message):
    """Nothing more comes; flush, tell the totals, close."""

    type: Literal["end"]


ClientMessage = Start | Resume | Update | Remove | Flush | Ping | End
_CLIENT: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])
CLIENT_TYPES = ("start", "resume", "update", "remove", "flush", "ping", "end")
_WISHES = ("update", "remove")
_MEDIA_FIELDS = ("encoding",)


def parse_text(text: str) -> ClientMessage:
    """One client message.

    Raises:
        BadWish: a member of an `update` or `remove` is wrong; names the first one.
        BadMessage: not JSON, not a known type, or a member of another message is wrong.
    """
    try:
        return _CLIENT.validate_json(text)
    except ValidationError as error:
        raise first_mistake(error) from None


def engine_targets(messages: Iterable[TargetMessage]) -> tuple[Target, ...]:
    """The engine's targets of a `start` or `update`.

    Raises:
        NotSupportedYet: one points at a picture.
        BadMessage: one has no prompt, or an id comes twice.
    """
    targets = tuple(message.target(f"targets.{index}") for index, message in enumerate(messages))
    seen: set[str] = set()
    for index, target in enumerate(targets):
        if target.id in seen:
            raise BadMessage(f"targets.{index}.id", "ids that differ", target.id)
        seen.add(target.id)
    return targets


def first_mistake(error: ValidationError) -> BadMessage:
    """What pydantic found, as a refusal that names one field."""
    # An unknown member is the likeliest mistake and the one that explains the others: it goes first.
    found = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")[0]
    # The discriminator puts the message's type first in the place; the client did not write that.
    place = [str(part) for part in found["loc"]]
    refusal = BadWish if place and place[0] in _WISHES else BadMessage
    if place and place[0] in CLIENT_TYPES:
        place = place[1:]
    field = ".".join(place)
    match found["type"]:
        case "json_invalid":
            return BadMessage("message", "a JSON object", str(found["input"]))
        case "union_tag_not_found" | "union_tag_invalid":
            got = found["input"].get("type", "nothing") if isinstance(found["input"], dict) else found["input"]
            return BadMessage("type", f"one of {', '.join(CLIENT_TYPES)}", got)
        case "extra_forbidden":
            return refusal(field, "no field of this name", found["input"])
        case "missing":
            return refusal(field, "a value", "nothing")
    close = Close.UNSUPPORTED_MEDIA if place and place[-1] in _MEDIA_FIELDS else Close.BAD_MESSAGE
    expected = " or ".join(ENCODINGS) if field == "audio.encoding" else _expectation(found["msg"])
    return refusal(field or "message", expected, found["input"], close=close)


def _expectation(message: str) -> str:
    """What is expected, out of pydantic's sentence: `List should have at least 1 item …` → `at least 1 item`."""
    return re.sub(r"^\w+ should (be|have) ", "", message).partition(" after validation")[0]
