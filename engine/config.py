"""What a session is asked to be and what it says of itself: plain records, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from engine.errors import BadInput
from engine.prompt import Target
from engine.resample import check_rate, resampling_delay
from engine.spec import AudioSpec

MOST_TARGETS = 16
MOST_SPANS = 256
"""Of one target: they are sorted and compared on the thread that all sessions share."""

HOPS_PER_CALL = (1, 2, 4)
RESIDUAL = "residual"
"""Name of the residual's track."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session is asked to be.

    Attributes:
        sample_rate: Hz of what is fed, 8000–192000.
        channels: 1 or 2.
        targets: at least one, ids distinct.
        residual: whether the residual is wanted as a track.
        output_rate: Hz of what comes out; None: as fed.
        on_failure: `close` the session when a model step fails, or let the input `pass`.
        live: False for files and jobs: they wait behind live sessions.
        hops_per_call: hops of the model in one call, one of `HOPS_PER_CALL`: a throughput mode. Each beyond the first
            makes the sound come one hop later, and the hop that comes out that much longer.
    """

    sample_rate: int
    channels: int
    targets: tuple[Target, ...]
    residual: bool = False
    output_rate: int | None = None
    on_failure: Literal["close", "pass"] = "close"
    live: bool = True
    hops_per_call: int = 1


@dataclass(frozen=True, slots=True)
class Track:
    """An output track; an index is never used twice in a session. `target` is None for the residual."""

    index: int
    kind: Literal["audio"]
    name: str
    target: str | None


@dataclass(frozen=True, slots=True)
class Latency:
    """Delay of arrival, never an offset in the data.

    Attributes:
        algorithmic_ms: all of it, resampling included.
        samples: the same at the input rate: hop `p` leaves on the push that completes sample `p + samples`.
        window, hop, lookahead, crossfade: lengths at `model_rate`.
        resampling_ms: the share of the resamplers both ways.
        mode: the model's mode that all this belongs to, where it has modes.
    """

    algorithmic_ms: float
    samples: int
    window: int
    hop: int
    lookahead: int
    crossfade: int
    model_rate: int
    resampling_ms: float
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the client should be told: a stable code and a sentence."""

    code: str
    message: str


@dataclass(slots=True)
class Counters:
    """Totals of a session, in hops or samples (input rate)."""

    hops: int = 0
    late_hops: int = 0
    filled_samples: int = 0
    nonfinite_samples: int = 0
    overlapped_samples: int = 0
    failed_hops: int = 0


def check_config(config: SessionConfig) -> None:
    """Refuse what no session can be.

    Raises:
        BadInput: names the field.
    """
    check_rate("sample_rate", config.sample_rate)
    if config.output_rate is not None:
        check_rate("output_rate", config.output_rate)
    if config.channels not in (1, 2):
        raise BadInput("channels", "1 or 2", config.channels)
    if config.hops_per_call not in HOPS_PER_CALL:
        raise BadInput("hops_per_call", f"one of {HOPS_PER_CALL}", config.hops_per_call)
    if config.on_failure not in ("close", "pass"):
        raise BadInput("on_failure", "'close' or 'pass'", config.on_failure)
    if not 1 <= len(config.targets) <= MOST_TARGETS:
        raise BadInput("targets", f"1 to {MOST_TARGETS} targets", len(config.targets))
    ids = [target.id for target in config.targets]
    if not all(isinstance(one, str) and one for one in ids) or len(set(ids)) != len(ids):
        raise BadInput("targets.id", "distinct strings, not empty", ids)
    for target in config.targets:
        _check_target(target)


def _check_target(target: Target) -> None:
    field = f"targets.{target.id}"
    if not isinstance(target.prompt, str):
        raise BadInput(f"{field}.prompt", "words, a str", target.prompt)
    if not isinstance(target.gain_db, int | float):
        raise BadInput(f"{field}.gain_db", "a number of dB", target.gain_db)
    if target.points or target.boxes:
        raise BadInput(field, "a prompt in words (points and boxes need a picture)", "points or boxes")
    if not -60.0 <= target.gain_db <= 40.0:
        raise BadInput(f"{field}.gain_db", "a gain from -60 to 40 dB", target.gain_db)
    floor = target.max_suppression_db
    if floor is not None and not 0.0 <= floor < float("inf"):
        raise BadInput(f"{field}.max_suppression_db", "0 dB or more", floor)
    if not 0 <= target.seed < 2**64:
        raise BadInput(f"{field}.seed", "a whole number from 0 to 2**64 - 1", target.seed)
    if len(target.spans) > MOST_SPANS:
        raise BadInput(f"{field}.spans", f"at most {MOST_SPANS} spans", len(target.spans))
    for span in target.spans:
        if not 0.0 <= span.start_s < span.end_s < float("inf"):
            raise BadInput(f"{field}.spans", "0 <= start < end, in seconds", (span.start_s, span.end_s))


def hops_per_call(hop_ms: float | None, audio: AudioSpec) -> int:
    """Hops of the model in a hop of `hop_ms`; None: one.

    Raises:
        BadInput: field `hop`: not 1, 2 or 4 times the model's own.
    """
    own_ms = 1000.0 * audio.hop_s
    for count in HOPS_PER_CALL:
        if hop_ms is None or abs(hop_ms - count * own_ms) < 1e-6:
            return count
    raise BadInput("hop", " or ".join(f"{count * own_ms:g}ms" for count in HOPS_PER_CALL), f"{hop_ms:g}ms")


def latency_of(audio: AudioSpec, rate: int, output_rate: int, hops: int = 1, mode: str | None = None) -> Latency:
    """Latency of a session that is fed at `rate` Hz, gives out at `output_rate` Hz and runs `hops` hops in one call."""
    inward = resampling_delay(rate, audio.sample_rate)
    outward_s = resampling_delay(audio.sample_rate, output_rate) / audio.sample_rate
    resampling_s = inward / rate + outward_s
    # Several hops in one call come out as one long hop, made from a window that is longer by the same.
    further = (hops - 1) * audio.hop
    latency = audio.latency + further
    return Latency(
        algorithmic_ms=round(1000.0 * (latency / audio.sample_rate + resampling_s), 3),
        samples=-(-latency * rate // audio.sample_rate) + inward + ceil(outward_s * rate),
        window=audio.window + further,
        hop=audio.hop + further,
        lookahead=audio.lookahead,
        crossfade=audio.crossfade,
        model_rate=audio.sample_rate,
        resampling_ms=round(1000.0 * resampling_s, 3),
        mode=mode,
    )
