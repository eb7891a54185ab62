from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.errors import BadInput
from export.models.sam_audio.spans import Span, anchors_of, spans_of


def test_anchors_of_the_fixture(spans: list[list[Span]], reference: dict[str, Tensor]) -> None:
    for batch, items in (("batchA", spans), ("batchB", [[], []])):
        anchors = anchors_of(items, reference[f"{batch}.pad_mask"], 1920, 48_000)
        assert torch.equal(anchors.ids, reference[f"{batch}.anchor_ids"])
        assert torch.equal(anchors.alignment, reference[f"{batch}.anchor_alignment"])


def test_the_later_of_two_spans_counts_and_padding_is_padding() -> None:
    keep = torch.tensor([[True] * 8 + [False] * 2])
    anchors = anchors_of([[Span("+", 0.0, 0.2), Span("-", 0.12, 5.0)]], keep, 1920, 48_000)
    assert anchors.ids.tolist() == [[0, 3, 1, 2]]
    assert anchors.alignment.tolist() == [[2, 2, 2, 3, 3, 3, 3, 3, 1, 1]]


def test_runs_become_spans_and_back() -> None:
    active = torch.tensor([True, True, False, False, True, False, True])
    spans = spans_of(active, 0.04)
    assert [span.start_s for span in spans] == pytest.approx([0, 0.16, 0.24])
    assert [span.end_s for span in spans] == pytest.approx([0.08, 0.2, 0.28])
    assert spans_of(torch.zeros(4, dtype=torch.bool), 0.04) == []


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (-0.1, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_span_has_a_length(start: float, end: float) -> None:
    with pytest.raises(BadInput):
        Span("+", start, end)


def test_a_span_has_a_sign() -> None:
    with pytest.raises(BadInput, match="sign"):
        Span("*", 0.0, 1.0)  # type: ignore[arg-type]
