"""What the server says of a session: the text messages that are made from the engine's own records."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from engine.config import Counters
from engine.prompt import Target
from engine.session import Session
from engine.vocabulary import Understood
from streaming.protocol import SessionRequest


def started(model: str, request: SessionRequest, session: Session, shown: Container[int]) -> dict[str, Any]:
    """`started`, but for the session's name and token. `shown`: indices of the tracks that go out."""
    latency = session.latency
    return {
        "type": "started",
        "audio": {
            "encoding": request.audio.encoding,
            "sample_rate": request.output_rate,
            "channels": request.audio.channels,
            "input_sample_rate": request.audio.sample_rate,
        },
        "latency": {
            "algorithmic_ms": latency.algorithmic_ms,
            "window": latency.window,
            "hop": latency.hop,
            "lookahead": latency.lookahead,
            "crossfade": latency.crossfade,
            "model_sample_rate": latency.model_rate,
            "samples": latency.samples,
            "resampling_ms": latency.resampling_ms,
            **({} if latency.mode is None else {"mode": latency.mode}),
        },
        **_targets_and_tracks(session, shown),
        "model": model,
    }


def updated(pts: int, session: Session, shown: Container[int]) -> dict[str, Any]:
    """`updated`: what holds from `pts` (output rate) on."""
    return {"type": "updated", "pts": pts, **_targets_and_tracks(session, shown)}


def resumed(expects: int, session: Session, shown: Container[int]) -> dict[str, Any]:
    """`resumed`: the next input pts that is wanted, and what holds now."""
    return {"type": "resumed", "expects": expects, **_targets_and_tracks(session, shown)}


def stats(session: Session) -> dict[str, Any]:
    """`stats` of the time since the meter was reset, but for what only the event loop knows."""
    stages, counters = session.meter.percentiles(), session.counters
    latency, model, stitch = stages.pop("latency"), stages["model"], stages["stitch"]
    return {
        "type": "stats",
        "hops": counters.hops,
        "latency_ms": _percentiles_ms(latency),
        "compute_ms": {"p50": milliseconds(model[0] + stitch[0]), "p99": milliseconds(model[2] + stitch[2])},
        "late_hops": counters.late_hops,
        "stages_ms": {name: _percentiles_ms(values) for name, values in stages.items()},
    }


def ended(counters: Counters, received: int, sent: int, rate: int) -> dict[str, Any]:
    """`ended`, but for what the outbox dropped.

    Args:
        counters: the session's.
        received: samples, at `rate`.
        sent: samples on one track, at the output rate.
        rate: Hz of the input.
    """
    return {
        "type": "ended",
        "audio_seconds": round(received / rate, 6),
        "video_frames": 0,
        "late_hops": counters.late_hops,
        "hops": counters.hops,
        "samples_received": received,
        "samples_sent": sent,
        "filled_samples": counters.filled_samples,
        "nonfinite_samples": counters.nonfinite_samples,
    }


def spread_ms(seconds: list[float]) -> dict[str, float]:
    """p50, p95 and p99 of a list, in ms; zeros where it is empty."""
    if not seconds:
        return _percentiles_ms((0.0, 0.0, 0.0))
    rising = sorted(seconds)
    last = len(rising) - 1
    p50, p95, p99 = (rising[min(int(part * len(rising)), last)] for part in (0.50, 0.95, 0.99))
    return _percentiles_ms((p50, p95, p99))


def milliseconds(seconds: float) -> float:
    """Seconds in ms, to the microsecond."""
    return round(1000.0 * seconds, 3)


def _percentiles_ms(percentiles: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("p50", "p95", "p99"), map(milliseconds, percentiles), strict=True))


def _targets_and_tracks(session: Session, shown: Container[int]) -> dict[str, Any]:
    understood = session.understood
    return {
        "targets": [
            _described(target, session.vocabulary.understood(understood[target.id])) for target in session.targets
        ],
        "tracks": [
            {"index": track.index, "kind": track.kind, "name": track.name}
            for track in session.tracks
            if track.index in shown
        ],
    }


def _described(target: Target, understood: Understood) -> dict[str, Any]:
    heard = [{"label": one.label, "score": round(one.score, 3), "status": one.status} for one in understood.matches]
    return {"id": target.id, "prompt": target.prompt, "understood": heard, "everything_but": understood.inverted}
