from __future__ import annotations

from engine.concepts import EVERYTHING, NOTHING, ConceptSet, Match
from engine.phrase_asked import Asked


def kinds(*labels: str, inverted: bool = False) -> ConceptSet:
    return ConceptSet(tuple(Match(label, 1.0) for label in labels), inverted)


DOG, SPEECH, MUSIC = kinds("dog bark"), kinds("speech"), kinds("piano", "drums")


def test_what_comes_first_decides_what_there_is_to_begin_with() -> None:
    kept, removed = Asked(), Asked()
    kept.keep([DOG])
    removed.remove([DOG])
    assert kept.all_in_all == DOG
    assert removed.all_in_all == kinds("dog bark", inverted=True)
    assert Asked().all_in_all == EVERYTHING
    assert not Asked().is_everything


def test_what_is_kept_is_put_back_and_what_is_removed_taken_out() -> None:
    asked = Asked()
    asked.remove([MUSIC])
    asked.keep([kinds("drums")])
    assert asked.all_in_all == kinds("piano", inverted=True)
    asked.remove([DOG])
    assert set(asked.all_in_all.labels) == {"piano", "dog bark"}


def test_everything_says_nothing_new_where_it_is_the_rest() -> None:
    kept, removed = Asked(), Asked()
    kept.keep([DOG])
    kept.remove([EVERYTHING])
    assert kept.all_in_all == DOG
    removed.remove([DOG])
    removed.keep([EVERYTHING])
    assert removed.all_in_all == kinds("dog bark", inverted=True)


def test_what_was_kept_by_name_is_spared_by_a_wider_word() -> None:
    asked = Asked()
    asked.keep([kinds("drums")])
    asked.remove([MUSIC])
    assert asked.all_in_all == kinds("drums")
    asked.remove([kinds("drums")])
    assert asked.all_in_all == NOTHING


def test_beginning_anew_remembers_what_was_denied() -> None:
    asked = Asked()
    asked.remove([kinds("drums")])
    asked.forget_removals()
    asked.keep([MUSIC])
    assert asked.all_in_all == kinds("piano")


def test_what_was_kept_is_not_forgotten_unless_all_is() -> None:
    asked = Asked()
    asked.keep([DOG])
    asked.forget_removals()
    assert asked.all_in_all == DOG
    assert asked.holds(DOG)
    assert not asked.holds(SPEECH)
    asked.begin_anew()
    assert asked.all_in_all == NOTHING


def test_what_is_left_of_noise_is_narrowed_by_what_is_kept() -> None:
    asked = Asked()
    asked.remove([kinds("speech", "singing", inverted=True)])
    asked.keep([SPEECH])
    assert asked.all_in_all == SPEECH
