"""Both kinds of connection are what a runner needs."""

from __future__ import annotations

import pytest

from streaming.link import Link
from streaming.live_socket import LiveSocket
from streaming.peer_link import PeerLink

NEEDED = [name for name in vars(Link) if not name.startswith("_") and callable(vars(Link)[name])]


@pytest.mark.parametrize("kind", [LiveSocket, PeerLink])
def test_a_connection_has_every_method(kind: type) -> None:
    assert {"write_text", "write_binary", "finish"} <= set(NEEDED)
    for name in [*NEEDED, "clear", "carrier"]:
        assert hasattr(kind, name), f"{kind.__name__} has no {name}"
