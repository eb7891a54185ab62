"""What was sent is remembered for so long, and found again by its pts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.client_memory import Memory


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 200), st.integers(1, 50))
def test_what_is_found_is_what_was_added(sizes: list[int], wanted: int, limit: int) -> None:
    memory = Memory(limit, frame_bytes=2)
    whole = b""
    for size in sizes:
        chunk = b"".join((len(whole) // 2 + at).to_bytes(2, "little") for at in range(size))
        assert memory.add(chunk) == len(whole) // 2
        whole += chunk
    assert memory.end == len(whole) // 2
    assert memory.begin <= max(memory.end - limit, 0)
    found = memory.since(wanted)
    begin = max(wanted, memory.begin)
    assert b"".join(payload for _, payload in found) == whole[2 * begin :]
    for first, payload in found:
        assert payload == whole[2 * first : 2 * first + len(payload)]


def test_it_is_bounded() -> None:
    memory = Memory(4800, frame_bytes=2)
    for _ in range(10_000):
        memory.add(bytes(960))
    assert len(memory._chunks) <= 11
