"""`engine.offline`: arrays and blocks through the live path; length, order, constant memory, progress."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import BadInput
from engine.offline import predict_spans, separate, separate_blocks
from engine.prompt import Target
from tests.engine.streams import SPEECH, Crank, noise, smooth_noise


@pytest.mark.parametrize("count", [0, 1, 481, 70_001])
def test_as_long_as_the_input(identity: Bundle, count: int) -> None:
    sound = noise(count, 2)
    shares: list[float] = []
    made = separate(identity, sound, 48_000, (SPEECH,), progress=shares.append)
    assert made.residual is not None
    np.testing.assert_allclose(made.targets["speech"], sound, atol=2e-7)
    assert made.residual.shape == sound.shape
    assert shares == sorted(shares)
    assert shares[-1:] == ([1.0] if count else [])


def test_equals_live_hops(embedded: Bundle) -> None:
    from engine.config import SessionConfig

    sound = smooth_noise(44_100)
    crank = Crank(embedded, SessionConfig(44_100, 1, (SPEECH,), True))
    for begin in range(0, sound.shape[1], 441):
        crank.feed(sound[:, begin : begin + 441])
    crank.flush()
    made = separate(embedded, sound, 44_100, (SPEECH,))
    np.testing.assert_allclose(made.targets["speech"], crank.track(0), atol=1e-5)


def test_blocks_of_any_length(identity: Bundle) -> None:
    sound = noise(100_000)
    blocks = [sound[:, begin : begin + 7777] for begin in range(0, 100_000, 7777)]
    targets = (SPEECH, Target("siren", "siren"))
    parts = list(separate_blocks(identity, blocks, 48_000, 1, targets))
    assert set(parts[0]) == {"speech/target", "siren/target", "residual"}
    for name in parts[0]:
        whole = np.concatenate([part[name] for part in parts if name in part], axis=1)
        wanted = sound if name != "residual" else np.zeros_like(sound)
        np.testing.assert_allclose(whole, wanted, atol=1e-6)


def test_three_channels_are_refused(identity: Bundle) -> None:
    with pytest.raises(BadInput, match="samples"):
        separate(identity, noise(10, 3), 48_000, (SPEECH,))


def test_slots_are_given_back_when_a_caller_stops_halfway(identity: Bundle) -> None:
    free = len(identity.masking._free)
    parts = separate_blocks(identity, [noise(48_000)], 48_000, 1, (SPEECH,))
    next(parts)
    assert isinstance(parts, Generator)
    parts.close()
    assert len(identity.masking._free) == free


@pytest.mark.parametrize("rate", [48_000, 16_000])
def test_spans_of_a_file_are_where_it_is_loud(identity: Bundle, rate: int) -> None:
    sound = smooth_noise(4 * rate, 2)
    sound[:, :rate] *= 1e-3
    sound[:, 3 * rate :] *= 1e-3
    rest = Target("rest", "everything but speech")
    found = predict_spans(identity, sound, rate, (SPEECH, rest))
    (span,) = found["speech"]
    assert (span.start_s, span.end_s) == pytest.approx((1.0, 3.0), abs=0.05)
    assert found["rest"] == ()
    with pytest.raises(BadInput, match="samples"):
        predict_spans(identity, sound[0], rate, (SPEECH,))
