from __future__ import annotations

from engine.spec import load_spec
from export.models.sam_audio.codec import DECODER_CONTEXT
from export.sam_audio.modes import DEFAULT_MODE, FILE_MODE, MODES
from tests.export.sam_audio.conftest import FROZEN


def test_the_modes_promise_what_is_advertised() -> None:
    flow = load_spec(FROZEN).flow
    assert flow is not None
    found = {name: flow.audio(name) for name in MODES}
    assert found["low_latency"].latency_s == 0.6
    assert found["balanced"].latency_s == 1.0
    assert found["low_latency"].window == found["balanced"].window == 125 * 1920
    assert found["quality"].window == 300 * 1920
    assert min(audio.lookahead for audio in found.values()) >= DECODER_CONTEXT * 1920
    assert {DEFAULT_MODE, FILE_MODE} <= set(MODES)
