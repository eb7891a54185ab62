"""`engine.programs.flow_kept`: a ceiling in bytes, and rounds that are a little too large for it."""

from __future__ import annotations

import numpy as np

from engine.programs.flow_kept import Kept


def asked(kept: Kept[str, int], key: str, size_bytes: int = 10) -> bool:
    """Ask for something, and make it where it is not there; whether it was."""
    if kept.get(key) is not None:
        return True
    kept.put(key, 1, size_bytes)
    return False


def test_a_round_that_is_too_large_still_finds_what_has_room() -> None:
    kept: Kept[str, int] = Kept(70)
    for _ in range(4):
        found = [asked(kept, f"{number}") for number in range(8)]
    assert sum(found) == 7


def test_what_is_asked_for_no_more_makes_room() -> None:
    kept: Kept[str, int] = Kept(70)
    for _ in range(2):
        for number in range(7):
            asked(kept, f"old {number}")
    for _ in range(3):
        found = [asked(kept, f"new {number}") for number in range(7)]
    assert all(found)
    assert (len(kept), kept.bytes) == (7, 70)


def test_many_small_ones_go_before_a_large_one_whichever_came_first() -> None:
    for order in (1, -1):
        kept: Kept[str, int] = Kept(60)
        things = [("large", 40), ("a", 10), ("b", 10), ("c", 10)][::order]
        for _ in range(3):
            found = {name: asked(kept, name, size_bytes) for name, size_bytes in things}
        assert found == {"large": False, "a": True, "b": True, "c": True}


def test_the_ceiling_holds_and_a_giant_is_never_kept() -> None:
    random, kept = np.random.default_rng(0), Kept[str, int](1000)
    for _ in range(3000):
        number = int(random.integers(60))
        asked(kept, f"{number}", 1 + 7 * number)
        assert 0 <= kept.bytes <= 1000
    asked(kept, "giant", 1001)
    assert not asked(kept, "giant", 1001)
