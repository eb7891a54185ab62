"""The parser: from a phrase to the set of known concepts that it asks for. What the words do is told in
`phrase_reader`; here the prompt is split, judged and answered.

- A verb may be parted from its particle: "turn the fan down" is "turn down the fan".
- A word that is not known refuses the whole prompt, as does a concept that the model lacks: nothing is passed through
  unasked. The error quotes the word as it was typed.

A match scores 1 for a phrase as the lexicon has it, 0.95 where a word was inflected, 1 − slips/letters where it was
mended, times 0.8 where a word for several concepts ("animal") was used. A label is always a phrase for itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from engine.concepts import ConceptSet
from engine.english import is_english
from engine.errors import BadInput, UnknownPrompt
from engine.lexicon import BOUNDARY, SOUND, Lexicon, Word, fold, lexicon_for, plain
from engine.phrase_reader import PhraseReader, Unread

_PARTICLES = frozenset(("out", "away", "off", "up", "down", "through"))
_FARTHEST = 12
"""Words between a verb and its particle."""
_FROM = Word("from", "from", 1.0, "of")
"""In "take X out of Y", what follows is where X is heard."""
_SURE = 0.9
_BOUNDARY = Word(BOUNDARY, BOUNDARY, 1.0, BOUNDARY)

LONGEST_PROMPT = 2000
"""Characters."""


def understand(prompt: str, known: Collection[str]) -> ConceptSet:
    """Concepts that a phrase asks for, all of them among the `known` labels; see the module.

    Takes well under a millisecond for ordinary prompts; more in the first call, which reads the lexicon, and at the
    first unknown word, which reads the list of English words (`Lexicon.prepare` does both beforehand).

    Raises:
        BadInput: field `prompt`: no text, empty, longer than 2000 characters, keeps nothing ("dog but no dogs"), or
            leaves nothing out ("everything and the dog").
        UnknownPrompt: a word that is not known, or no sound at all ("everything"); names the three nearest labels.
    """
    if not isinstance(prompt, str):
        raise BadInput("prompt", "text", prompt)
    if not prompt.strip():
        raise BadInput("prompt", "words that name a sound", prompt)
    if len(prompt) > LONGEST_PROMPT:
        raise BadInput("prompt", f"at most {LONGEST_PROMPT} characters", f"{len(prompt)} characters")
    lexicon, tokens = lexicon_for(known), fold(prompt)
    words = [word for token in tokens for word in _read(lexicon, token)]
    reader = PhraseReader(lexicon, _gathered(lexicon, words), frozenset(known))
    try:
        concepts = reader.result()
    except Unread as unknown:
        whole = unknown.typed == " ".join(tokens)
        nearest = lexicon.nearest(unknown.phrase, known)
        raise UnknownPrompt(prompt, nearest, word=None if whole else _as_typed(unknown.typed, prompt)) from None
    if not concepts.matches and concepts.inverted and not reader.named_any:
        raise UnknownPrompt(prompt, lexicon.nearest("", known))
    if not concepts.matches:
        left = "out" if concepts.inverted else "to keep"
        raise BadInput("prompt", f"words that leave a sound {left}", prompt)
    return concepts


def _read(lexicon: Lexicon, token: str) -> tuple[Word, ...]:
    """A word, or two: "drumless" is "drum free", unless English has the word."""
    if token == BOUNDARY:
        return (_BOUNDARY,)
    word, stem = lexicon.read(token), lexicon.read(token.removesuffix("less"))
    found = lexicon.find([stem], 0) if stem.text != word.text and word.score < 1.0 and stem.score >= _SURE else None
    if found is None or is_english(token):
        return (word,)
    # No slip for another form of it ("echoless", "echoes").
    return (stem, lexicon.read("free")) if found[0].role == SOUND else (Word(token, token, 0.0, token),)


def _as_typed(words: str, prompt: str) -> str:
    """Folded words as they stand in the prompt, with their capitals and accents."""
    spelt = {plain(word): word for word in re.findall(r"\w+", prompt)}
    return " ".join(spelt.get(word, word) for word in words.split())


def _gathered(lexicon: Lexicon, words: Sequence[Word]) -> list[Word]:
    """With verbs that were parted from their particle put together: "take the wind out of this" → "take out …".

    In a list that ends with "and" the verb may stand before a comma: "turn the radio, the dog and the cat off".
    """
    gathered = list(words)
    for at, word in enumerate(words):
        if word.text not in _PARTICLES:
            continue
        listed = False
        for verb_at in range(at - 1, max(at - _FARTHEST, -1), -1):
            verb = gathered[verb_at]
            listed = listed or verb.text == "and"
            if verb.text in _PARTICLES or (verb.text == BOUNDARY and not listed):
                if verb_at and at - verb_at > 1 and lexicon.pair(gathered[verb_at - 1], word) is not None:
                    _said_again(gathered, verb_at - 1, at)
                break
            pair = lexicon.pair(verb, word)
            if pair is None:
                continue
            if verb_at < at - 1 and pair.role in ("keep", "remove", "clean"):
                gathered.insert(verb_at + 1, gathered.pop(at))
                if [word.text for word in gathered[at + 1 : at + 2]] == ["of"]:
                    gathered[at + 1] = _FROM
            break
    return gathered


def _said_again(words: list[Word], verb_at: int, particle_at: int) -> None:
    """Say the verb again for its second particle: "turn the voices up and [turn down] the music"."""
    between = [word.text for word in words[verb_at:particle_at]]
    if BOUNDARY in between or "and" not in between:
        return
    again = verb_at + between.index("and")
    words[again] = words[verb_at]
    words.insert(again + 1, words.pop(particle_at))
