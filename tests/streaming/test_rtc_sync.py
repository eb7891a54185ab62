"""When a picture is due, by reports and without them; no clock but the numbers."""

from __future__ import annotations

import pytest

from streaming.rtc_sync import LONGEST_HOLD_S, PICTURE_HZ, SOUND_HZ, SenderClock, Step

PACKET, LOOKAHEAD = 960, 120
DELAY_S = 0.04
"""From a packet's arrival to the end of the same sound leaving."""


def walk(step: Step, seconds: float = 1.0, network_s: float = 0.01) -> float:
    """Sound comes and leaves for a while, in packets; the time of the last one's arrival."""
    now_s = 0.0
    for index in range(int(seconds * SOUND_HZ / PACKET)):
        end = (index + 1) * PACKET
        now_s = end / SOUND_HZ + network_s
        step.sound_came(end, now_s)
        for hop in (end - PACKET, end - PACKET // 2):
            step.sound_left(hop, hop + PACKET // 2, now_s + DELAY_S)
    return now_s


def test_a_senders_clock_goes_both_ways_across_the_wrap() -> None:
    clock = SenderClock(90000)
    assert not clock.known
    clock.report(0, 5)
    assert not clock.known
    clock.report((1000 << 32) + (1 << 31), (1 << 32) - 90)
    assert clock.known
    assert clock.wall_s((1 << 32) - 90) == pytest.approx(1000.5)
    assert clock.wall_s(90000 - 90) == pytest.approx(1001.5)
    assert clock.wall_s((1 << 32) - 90090) == pytest.approx(999.5)
    assert clock.timestamp(1001.5) == 90000 - 90


def test_one_report_that_was_held_up_moves_nothing() -> None:
    clock = SenderClock(90000)
    for second in range(5):
        held_up = (1 << 31) if second == 3 else 0
        clock.report(((1000 + second) << 32) + held_up, (90000 * second - 180_000) % (1 << 32))
    assert clock.wall_s(90000 * 10 - 180_000) == pytest.approx(1010)
    assert clock.timestamp(1002.0) == 0


def test_before_any_sound_a_picture_leaves_at_once() -> None:
    step = Step(lambda timestamp: timestamp, PACKET, LOOKAHEAD)
    assert step.picture_came(0, 5.0) == 5.0


def test_without_reports_what_comes_together_leaves_together() -> None:
    step = Step(lambda timestamp: timestamp, PACKET, LOOKAHEAD)
    now_s = walk(step)
    due_s = step.picture_came(123_456, now_s)
    # The sound that ends now leaves after DELAY_S; a player plays its beginning then, and its end a packet later.
    assert due_s - now_s == pytest.approx(DELAY_S + (PACKET + LOOKAHEAD) / SOUND_HZ)


def test_reports_put_both_on_one_clock() -> None:
    step = Step(lambda timestamp: timestamp - 7000, PACKET, LOOKAHEAD)
    now_s = walk(step)
    # The picture was made 30 ms before the sound that comes now: its encoder took longer.
    wall = 2_000_000 << 32
    step.sound.report(wall, 7000 + round(now_s * SOUND_HZ))
    step.picture.report(wall, 500)
    earlier = (500 - int(0.03 * PICTURE_HZ)) % (1 << 32)
    due_s = step.picture_came(earlier, now_s)
    # pts of that moment, and when it is played.
    sound_s = now_s - 0.03
    assert due_s == pytest.approx(sound_s + 0.01 + DELAY_S + (PACKET + LOOKAHEAD) / SOUND_HZ, abs=1e-4)


def test_reports_out_of_all_reason_are_not_believed() -> None:
    step = Step(lambda timestamp: timestamp, PACKET, LOOKAHEAD)
    now_s = walk(step)
    step.sound.report(1 << 32, 0)
    step.picture.report(1_000_000 << 32, 0)
    assert step.picture_came(0, now_s) - now_s == pytest.approx(DELAY_S + (PACKET + LOOKAHEAD) / SOUND_HZ)


def test_nothing_is_held_longer_than_half_a_second() -> None:
    step = Step(lambda timestamp: timestamp, PACKET, LOOKAHEAD)
    now_s = walk(step)
    step.picture_came(0, now_s)
    # By its time stamp it belongs to the sound of the next minute.
    assert step.picture_came(60 * PICTURE_HZ, now_s + 0.01) <= now_s + 0.01 + LONGEST_HOLD_S
    assert step.picture_came((-60 * PICTURE_HZ) % (1 << 32), now_s + 0.02) == now_s + 0.02
