"""What phrases mean: sources, polarity, spelling, kinds, refusals."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.concepts import ConceptSet, Match
from engine.errors import BadInput, CallerError, UnknownPrompt
from engine.lexicon import lexicon_for
from engine.phrase import LONGEST_PROMPT, understand

LEXICON = lexicon_for()
KNOWN = LEXICON.concepts
MUSIC = set(LEXICON.meaning("kind:music").scores)
SPEECH = {"speech"}
VOICE = {"speech", "singing"}


def kept(prompt: str) -> set[str]:
    """Labels of a prompt that keeps."""
    concepts = understand(prompt, KNOWN)
    assert not concepts.inverted, concepts
    return set(concepts.labels)


def removed(prompt: str) -> set[str]:
    """Labels of a prompt that keeps everything else."""
    concepts = understand(prompt, KNOWN)
    assert concepts.inverted, concepts
    return set(concepts.labels)


@pytest.mark.parametrize("label", KNOWN)
@pytest.mark.parametrize("frame", ["{}", "{}.", "  {} ", "please isolate the {}", "I want to hear the sound of a {}",
                                   "extract only the {} from this recording"])  # fmt: skip
def test_label_means_itself(label: str, frame: str) -> None:
    concepts = understand(frame.format(label.upper()), KNOWN)
    assert not concepts.inverted
    assert Match(label, 1.0) in concepts.matches
    if label not in ("animal", "music"):  # these two name kinds, too
        assert concepts.labels == (label,)


@pytest.mark.parametrize("label", [label for label in KNOWN if label not in ("animal", "music")])
@pytest.mark.parametrize("frame", ["everything but {}", "all except the {}", "remove the {}", "mute {}!", "without {}",
                                   "no {}", "get rid of the {} please", "I don't want to hear the {}", "{} removed",
                                   "Everything other than {}", "keep everything except for the {}"])  # fmt: skip
def test_label_is_taken_away(label: str, frame: str) -> None:
    assert understand(frame.format(label), KNOWN) == ConceptSet((Match(label, 1.0),), inverted=True)


@pytest.mark.parametrize("frame", ["{} and {}", "{}, {}", "{} or {}", "{} plus {}", "{} with {}", "{} & {}", "{} + {}",
                                   "{}/{}", "{} as well as {}", "both the {} and the {}", "the {} along with a {}",
                                   "keep the {} and keep the {}"])  # fmt: skip
def test_several_sources_are_joined(frame: str) -> None:
    for one, other in (("dog bark", "siren"), ("speech", "rain"), ("piano", "sea waves")):
        assert kept(frame.format(one, other)) == {one, other}


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        ("speech without music", SPEECH),
        ("speech but no music", SPEECH),
        ("speech and not the music", SPEECH),
        ("keep the speech, remove the music", SPEECH),
        ("remove the music and keep only the speech", SPEECH),
        ("no music, just speech", SPEECH),
        ("keep the dog and mute everything else", {"dog bark"}),
        ("dog. Remove the rest.", {"dog bark"}),
        ("nothing but the violin", {"strings"}),
        ("no animals but the dog", {"dog bark"}),
        ("remove everything except the rain", {"rain"}),
        ("mute all other sounds, only the siren", {"siren"}),
        ("don't remove the speech", SPEECH),
        ("do not mute the dog", {"dog bark"}),
        ("speech but not the man", {"woman speaking"}),
        ("the man and not the woman", {"man speaking"}),
        ("voices except singing", SPEECH),
        ("vocals without music", {"singing"}),
        ("dog barking without background noise", {"dog bark"}),
        ("remove the noise", VOICE),
        ("remove background noise and keep the voice", VOICE),
        ("speech with the music removed", SPEECH),
        ("speech rather than music", SPEECH),
        ("dog minus rain", {"dog bark"}),
        ("I can't hear the man", {"man speaking"}),
        ("noise reduction", VOICE),
        ("noise gate", VOICE),
        ("voice isolation", VOICE),
        ("pull the violin out of the mix", {"strings"}),
        ("let the birds through", {"birds"}),
        ("a man speaks while a dog barks", {"man speaking", "dog bark"}),
        ("the dog barked while I was on the phone", {"dog bark"}),
    ],
)
def test_polarity_that_keeps(prompt: str, labels: set[str]) -> None:
    assert kept(prompt) == labels


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        ("remove the music but keep the drums", MUSIC - {"drums"}),
        ("everything but music and speech", MUSIC | SPEECH),
        ("no dog, no cat", {"dog bark", "cat"}),
        ("neither dogs nor cats", {"dog bark", "cat"}),
        ("remove the dog, keep everything else", {"dog bark"}),
        ("music and dog removed", MUSIC | {"dog bark"}),
        ("stop the dog barking", {"dog bark"}),
        ("quiet the dog", {"dog bark"}),
        ("make the siren quieter", {"siren"}),
        ("anything except people talking", SPEECH),
        ("everything without the wind noise", {"wind"}),
        ("not rain", {"rain"}),
        ("take the wind out of this interview", {"wind"}),
        ("turn that awful music off", MUSIC),
        ("shut the dog and the cat up", {"dog bark", "cat"}),
        ("duck the music", MUSIC),
        ("noise", VOICE),
        ("background noise", VOICE),
    ],
)
def test_polarity_that_removes(prompt: str, labels: set[str]) -> None:
    assert removed(prompt) == labels


@pytest.mark.parametrize(
    ("prompt", "label"),
    [
        ("man", "man speaking"), ("a man's voice", "man speaking"), ("voice of a man", "man speaking"),
        ("female speech", "woman speaking"), ("her voice", "woman speaking"), ("the lady", "woman speaking"),
        ("man singing", "singing"), ("woman laughing", "laughter"), ("a person clapping", "clapping"),
        ("people walking", "footsteps"), ("a bird happily singing", "birds"), ("the baby is laughing", "laughter"),
        ("baby", "baby cry"), ("piano music", "piano"), ("forest birds", "birds"), ("street dog", "dog bark"),
        ("a car loudly honking", "car horn"), ("the sound of the engine of a car", "engine"),
        ("traffic noise", "traffic"), ("wind noise", "wind"), ("phone ringing", "telephone"),
        ("two brown dogs barking in the kitchen", "dog bark"), ("man speaking over the music", "man speaking"),
        ("a singer on stage with", "singing"), ("rain on the roof", "rain"), ("talking on the radio", "speech"),
        ("a scruffy dog", "dog bark"), ("foot steps", "footsteps"), ("carhorn", "car horn"), ("BARKING!!", "dog bark"),
        ("thé dög", "dog bark"), ("bass drum", "drums"), ("bass guitar", "bass"), ("bell pepper and bell", "?"),
        ("someone whistles a tune", "whistle"), ("nightingale song", "birds"),
        ("singing a song", "singing"), ("a man giving a speech to a crowd", "man speaking"), ("fridge hum", "?"),
        ("air conditioner hum", "machine"), ("my uncle's birthday", "?"), ("the man in the kitchen", "man speaking"),
        ("wind chimes", "bell"), ("toilet flush", "water"), ("crow", "birds"), ("rooster crowing", "rooster"),
        ("guest", "speech"), ("our guest tonight", "speech"), ("guest talking", "speech"), ("guest speaker", "speech"),
        ("host and guest", "speech"), ("guests at a party", "crowd"), ("guest house", "?"), ("the anchor", "speech"),
        ("pundit", "speech"), ("moderator", "speech"), ("co-host", "speech"), ("the panel", "speech"),
        ("a correspondent", "speech"), ("speech enhancement", "speech"), ("vocal isolation", "singing"),
        ("dialogue restoration", "speech"), ("dereverb the speech", "speech"), ("de-ess the dialogue", "speech"),
        ("repair the dialogue", "speech"), ("emphasise the speech", "speech"), ("emphasize the speech", "speech"),
        ("prioritise the siren", "siren"), ("telephone voice", "speech"), ("bass voice", "singing"),
        ("baritone voice", "singing"), ("piano trolley", "?"), ("trolley car", "train"), ("tree bark", "?"),
        ("the bark of a tree", "?"), ("bass drop", "bass"), ("garden gate", "door"),
    ],
)  # fmt: skip
def test_one_source(prompt: str, label: str) -> None:
    if label == "?":
        with pytest.raises(UnknownPrompt):
            understand(prompt, KNOWN)
    else:
        assert kept(prompt) == {label}


@pytest.mark.parametrize(
    ("slip", "label"),
    [
        ("speach", "speech"), ("sppech", "speech"), ("helecopter", "helicopter"), ("hellicoptor", "helicopter"),
        ("saxaphone", "saxophone"), ("guitr", "guitar"), ("sirn", "siren"), ("brid", "birds"), ("dgo", "dog bark"),
        ("dogg", "dog bark"), ("thuner", "thunder"), ("vaccum cleaner", "vacuum cleaner"), ("fire truk", "siren"),
        ("fotsteps", "footsteps"), ("chruch bells", "bell"), ("keybord typing", "typing"), ("symbols cymbols", "?"),
        ("laffter", "laughter"), ("typeing", "typing"), ("vilon", "strings"), ("wisthle", "whistle"),
        ("gato", "?"), ("Haus", "?"), ("Hahn", "?"), ("voix", "?"),
    ],
)  # fmt: skip
def test_slips_are_mended_and_score_less(slip: str, label: str) -> None:
    if label == "?":
        with pytest.raises(UnknownPrompt):
            understand(slip, KNOWN)
        return
    (match,) = understand(slip, KNOWN).matches
    assert match.label == label
    assert 0.5 < match.score < 0.95


def test_slips_in_polarity_words_are_mended() -> None:
    assert removed("evrything but speech") == SPEECH
    assert removed("withuot rain") == {"rain"}
    assert removed("remvoe the dog") == {"dog bark"}
    assert removed("everthing exept the siren") == {"siren"}


@pytest.mark.parametrize("word", [
    "ball", "belt", "bill", "carpet", "care", "caring", "cart", "cars park ticket", "doll", "dock", "drugs", "class",
    "grass", "house", "hours", "brain", "rein", "ruin", "plan", "planet", "sheet", "sleep", "later", "waiter",
    "training", "cloud", "crown", "prone", "fright", "bingo", "catalog", "dogma", "batman", "insert", "wing",
    "sine", "mice cream",
])  # fmt: skip
def test_true_words_are_no_slips(word: str) -> None:
    with pytest.raises(UnknownPrompt):
        understand(word, KNOWN)


@pytest.mark.parametrize("prompt", [
    "stock market", "accordion", "asdfgh", "the meaning of life", "refrigerator", "everything", "all sounds",
    "nothing", "sound", "the loud one", "kitchen", "please", "!!!", "?", "123", "狗", "🐶", "dog and accordion",
    "dog, refrigerator", "speech without accordion", "everything but the accordion", "loud accordion music",
    "dog accordion", "woman crying", "man coughing", "a person snoring", "hot dog", "dog food", "church organ",
    "dog and kitchen", "dog and jelly", "accordion in the rain", "a man eating", "http://example.com",
    "<script>", "SELECT * FROM sounds",
])  # fmt: skip
def test_what_is_not_known_is_refused_with_three_suggestions(prompt: str) -> None:
    with pytest.raises(UnknownPrompt) as raised:
        understand(prompt, KNOWN)
    assert raised.value.prompt == prompt
    assert len(set(raised.value.suggestions)) == 3
    assert set(raised.value.suggestions) <= set(KNOWN)


@pytest.mark.parametrize("word", ["hockey", "galaxy", "xyzal", "20rain", "university", "army", "pudding",
                                  "frobbly", "forestry", "xyzzing", "blorped"])  # fmt: skip
@pytest.mark.parametrize("frame", ["{} speech", "dog {}", "rain%{}"])
def test_unknown_noun_is_not_dropped_for_its_ending(word: str, frame: str) -> None:
    with pytest.raises(UnknownPrompt) as raised:
        understand(frame.format(word), KNOWN)
    assert raised.value.word == word


@pytest.mark.parametrize("word", ["clumsy", "colossal", "scruffy", "noisiest", "oddly", "wonderful", "fluffiest",
                                  "gigantic", "adorable", "oblivious", "nearest", "drastically", "terrifying",
                                  "scurrying", "unidentified", "dynamic", "official"])  # fmt: skip
def test_ordinary_adjective_is_dropped(word: str) -> None:
    assert kept(f"the {word} dog") == {"dog bark"}


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("musique", None), ("bowling", None), ("bowling and rain", "bowling"), ("mic handling noise", "handling"),
        ("rain, Müsique", "Müsique"), ("dog with Accordions", "Accordions"), ("the kitchens and rain", "kitchens"),
    ],
)  # fmt: skip
def test_error_quotes_the_word_as_typed(prompt: str, word: str | None) -> None:
    with pytest.raises(UnknownPrompt) as raised:
        understand(prompt, KNOWN)
    assert raised.value.word == word
    assert repr(word or prompt) in str(raised.value)


def test_error_quotes_the_word_for_a_concept_that_the_model_lacks() -> None:
    with pytest.raises(UnknownPrompt) as raised:
        understand("rain and the gentleman", ("rain", "dog bark", "speech", "siren"))
    assert raised.value.word == "gentleman"
    assert raised.value.suggestions[0] == "speech"


def test_foreign_word_is_not_mended_into_another() -> None:
    assert understand("Hund", KNOWN).labels == ("dog bark",)  # for "hound", not "hand"


@pytest.mark.parametrize(
    "prompt", [".", ",", "🐶", "狗", "only", "except", "keep", "mute it", "please stop", "quieter"]
)
def test_where_nothing_is_near_the_usual_is_suggested(prompt: str) -> None:
    with pytest.raises(UnknownPrompt, match="nothing known") as raised:
        understand(prompt, KNOWN)
    assert raised.value.suggestions == ("speech", "singing", "laughter")


@pytest.mark.parametrize("prompt", [None, 3, b"speech", ["speech"]])
def test_prompt_that_is_no_text_is_bad_input(prompt: object) -> None:
    with pytest.raises(BadInput, match="prompt: expected text, got") as raised:
        understand(prompt, KNOWN)  # type: ignore[arg-type]
    assert raised.value.field == "prompt"


def test_suggestions_are_near() -> None:
    for prompt, near in (
        ("accordion", "music"),
        ("dog and accordion", "music"),
        ("fridge", "machine"),
        ("earthquake", "thunder"),
    ):
        with pytest.raises(UnknownPrompt) as raised:
            understand(prompt, KNOWN)
        assert near in raised.value.suggestions


def test_word_for_several_gives_those_that_the_model_knows() -> None:
    known = ("speech", "dog bark", "cat", "rain")
    assert understand("animals", known) == ConceptSet((Match("dog bark", 0.8), Match("cat", 0.8)))
    assert understand("weather", known).labels == ("rain",)
    assert understand("noise", known) == ConceptSet((Match("speech", 0.8),), inverted=True)
    with pytest.raises(UnknownPrompt) as raised:
        understand("vehicles", known)
    assert len(raised.value.suggestions) == 3


def test_concept_that_the_model_lacks_is_refused_with_its_kin() -> None:
    with pytest.raises(UnknownPrompt) as raised:
        understand("man speaking", ("rain", "dog bark", "speech", "siren"))
    assert raised.value.suggestions[0] == "speech"
    with pytest.raises(UnknownPrompt):
        understand("dog and cat", ("dog bark",))


def test_fewer_known_labels_are_all_suggested() -> None:
    with pytest.raises(UnknownPrompt) as raised:
        understand("piano", ("rain", "dog bark"))
    assert set(raised.value.suggestions) == {"rain", "dog bark"}


def test_label_of_the_model_that_the_lexicon_lacks_is_its_own_phrase() -> None:
    known = ("speech", "steam organ")
    assert understand("the steam organ", known) == ConceptSet((Match("steam organ", 1.0),))
    assert understand("steam organs and speech", known).labels == ("steam organ", "speech")


def test_scores() -> None:
    def score(prompt: str) -> float:
        return understand(prompt, KNOWN).matches[0].score

    assert score("puppy") == 1.0
    assert score("yodelled") == 0.95
    assert score("pets") == 0.8
    assert score("speach") == pytest.approx(1 - 1 / 6, abs=1e-3)
    assert {m.label: m.score for m in understand("animal", KNOWN).matches}["animal"] == 1.0


@pytest.mark.parametrize("prompt", ["", " ", "\t\n", "\u3000"])
def test_empty_prompt_is_bad_input(prompt: str) -> None:
    with pytest.raises(BadInput) as raised:
        understand(prompt, KNOWN)
    assert raised.value.field == "prompt"


@pytest.mark.parametrize(
    "prompt", ["remove everything", "dog but no dogs", "speech without speech", "no voices and no noise"]
)
def test_prompt_that_keeps_nothing_is_bad_input(prompt: str) -> None:
    with pytest.raises(BadInput):
        understand(prompt, KNOWN)


def test_length_limit() -> None:
    assert kept("dog " * (LONGEST_PROMPT // 4)) == {"dog bark"}
    with pytest.raises(BadInput) as raised:
        understand("dog " * (LONGEST_PROMPT // 4) + "s", KNOWN)
    assert raised.value.field == "prompt"
    for junk in ("x" * 2000, "xq " * 666 + "xq", "," * 2000, "'" * 2000, "̀" * 2000):
        with pytest.raises(UnknownPrompt):
            understand(junk, KNOWN)


WORDS = st.sampled_from(
    [
        "dog", "cat", "speech", "music", "man", "woman", "noise", "animals", "speach", "barking", "singing",
        "accordion", "xyzzy", "everything", "rest", "else", "all", "but", "not", "no", "without", "except",
        "remove", "keep", "only", "just", "removed", "and", "with", "the", "in", "on", "of", "loud", "quickly",
        "clean up", "filter", "off", "out", "stop", "quieter", "nobody", "to", "it", "-", "-rain", "+dog",
        ",", ".", "!",
    ]
)  # fmt: skip


@given(st.text(max_size=300))
def test_any_text_is_understood_or_the_callers_fault(text: str) -> None:
    with contextlib.suppress(CallerError):
        assert understand(text, KNOWN).matches


@given(st.lists(WORDS, min_size=1, max_size=14))
@settings(max_examples=300)
def test_any_words_are_understood_or_the_callers_fault(words: list[str]) -> None:
    prompt = " ".join(words)
    try:
        concepts = understand(prompt, KNOWN)
    except CallerError:
        return
    assert concepts.matches
    assert len(set(concepts.labels)) == len(concepts.matches)
    assert set(concepts.labels) <= set(KNOWN)
    assert all(0.0 < match.score <= 1.0 for match in concepts.matches)
    assert understand(prompt.upper() + "!", KNOWN) == concepts
