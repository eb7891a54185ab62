from __future__ import annotations

import torch
from torch import Tensor

from export.models.sam_audio.transformer import sinusoids
from export.models.sam_audio.velocity import VelocityField
from tests.export.models.sam_audio.conftest import close


def test_sinusoids_put_cosines_first() -> None:
    out = sinusoids(torch.tensor([0.0, 0.5]), 8)
    assert out[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    close(out[1, 5], torch.tensor(0.5 * 10_000**-0.25).sin(), 1e-7)


def test_padded_frames_are_keys_to_nobody_but_count_in_the_group_norm(field: VelocityField) -> None:
    torch.manual_seed(0)
    net, frames = field.transformer, torch.randn(1, 6, 48)
    t = net.times(torch.zeros(1))
    memory = net.memory(torch.randn(1, 3, 48), None)
    keep = torch.tensor([[True, True, True, True, False, False]])
    assert not torch.allclose(net(frames, t, memory, keep), net(frames, t, memory), atol=1e-3)
    assert not torch.allclose(net(frames, t, memory, keep)[:, :4], net(frames[:, :4], t, memory), atol=1e-3)


def test_padded_tokens_change_nothing(field: VelocityField) -> None:
    torch.manual_seed(0)
    net, frames = field.transformer, torch.randn(1, 6, 48)
    t = net.times(torch.zeros(1))
    tokens = torch.randn(1, 5, 48)
    keep = torch.tensor([[True, True, True, False, False]])
    padded: Tensor = net(frames, t, net.memory(tokens, keep))
    close(padded, net(frames, t, net.memory(tokens[:, :3], None)), 2e-6)


def test_a_memory_holds_every_layer(field: VelocityField) -> None:
    memory = field.memory(torch.zeros(2), torch.zeros(2, 7, 24))
    assert memory.keys.shape == memory.values.shape == (3, 2, 3, 7, 16)
