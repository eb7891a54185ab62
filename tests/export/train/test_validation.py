from __future__ import annotations

import numpy as np
import pytest
import torch

from export.models.queried import QueriedSeparator
from export.train.corpus import SPEECH
from export.train.mixtures import Mixture
from export.train.validation import score, separate


def mixture() -> Mixture:
    rng = np.random.default_rng(0)
    target, rest = (rng.standard_normal(9600).astype(np.float32) * 0.1 for _ in range(2))
    return Mixture(target + rest, target, rest, SPEECH, "rain", ("rain",), 0.0)


def all_through(model: QueriedSeparator) -> QueriedSeparator:
    with torch.no_grad():
        model.core.mask_out.weight.zero_()
        model.core.mask_out.bias.fill_(20.0)
    return model.eval()


def test_passing_everything_improves_nothing(model: QueriedSeparator) -> None:
    scores = score(all_through(model), [mixture()], absent=["whistle"])
    assert scores.mean_db()[SPEECH] == pytest.approx(0, abs=0.05)
    assert scores.absent_db[0] == pytest.approx(0, abs=0.05)
    assert set(scores.summary()) == {"mean_db", "median_db", "absent_db", "wrong_nearer"}


def test_a_concept_that_sounds_is_not_tried_as_absent(model: QueriedSeparator) -> None:
    assert score(all_through(model), [mixture()], absent=["rain"]).absent_db == []


def test_an_umbrella_is_asked_for_in_place_of_the_concept(model: QueriedSeparator) -> None:
    one, all_of_it = score(model, [mixture()]), score(model, [mixture()], umbrella=model.concepts)
    assert one.improvement_db[SPEECH] != all_of_it.improvement_db[SPEECH]
    assert all_of_it.wrong_nearer([SPEECH]) in (0.0, 1.0)
    assert all_of_it.wrong_nearer(["rain"]) == 0.0


def test_a_separated_sound_has_the_frames_length(model: QueriedSeparator) -> None:
    assert separate(model.eval(), mixture().samples, SPEECH).shape == (9600,)


def test_nothing_scored_is_a_zero_summary(model: QueriedSeparator) -> None:
    assert score(model, []).summary()["mean_db"] == 0.0
