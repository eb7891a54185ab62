"""The errors of the engine; whose fault it is, is in the type. This file imports nothing.

    WinnowError
    ├── CallerError                 the caller can put it right
    │   ├── BadInput                a value is wrong: names the field, what was expected, what came
    │   └── UnknownPrompt           no known word in a prompt: names the nearest known concepts
    ├── BundleError                 a model folder cannot be used: names the file or field
    │   └── TamperedBundle          a file is not the one that the manifest was written for
    ├── NoCapacity                  nothing is wrong, but not now
    └── EngineFault                 our fault; the session it happened in must be reset or closed

Late data, drops and missed deadlines are no exceptions: they are counted and told.
"""

from __future__ import annotations


class WinnowError(Exception):
    """Base of all our errors. `code` is the stable machine-readable name that travels on the wire."""

    code = "error"
    retryable = False


class CallerError(WinnowError):
    """The caller's fault: the same call will fail again until it is corrected."""

    code = "bad_request"


class BadInput(CallerError):
    """A value that cannot be used.

    Args:
        field: dotted name of the value, as the caller wrote it (`audio.sample_rate`).
        expected: what would have been accepted, in words.
        got: what came; shortened to 80 characters in the message.
    """

    code = "bad_input"

    def __init__(self, field: str, expected: str, got: object) -> None:
        shown = repr(got)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(f"{field}: expected {expected}, got {shown}")
        self.field = field
        self.expected = expected
        self.got = shown
        self._value = got

    def called(self, field: str) -> BadInput:
        """The same mistake, in a value that the caller knows as `field`."""
        return BadInput(field, self.expected, self._value)

    def within(self, place: str) -> BadInput:
        """The same mistake, in a value that is part of what stands at `place`."""
        return BadInput(f"{place}.{self.field}", self.expected, self._value)


class UnknownPrompt(CallerError):
    """No known concept in a prompt (or a word beside the known ones that must not be ignored).

    Args:
        prompt: the phrase as it came.
        suggestions: the three nearest concepts the model knows.
        target: id of the target that carried the prompt, where there is one.
        word: the word or words that are not known, where others of the prompt are.
    """

    code = "unknown_prompt"

    def __init__(
        self, prompt: str, suggestions: tuple[str, ...], target: str | None = None, word: str | None = None
    ) -> None:
        near = ", ".join(f"'{label}'" for label in suggestions)
        what = "nothing known" if word is None else f"{word[:40]!r} is not known"
        super().__init__(f"{what} in the prompt {prompt[:80]!r}; nearest: {near}")
        self.prompt = prompt
        self.word = word
        self.suggestions = suggestions
        self.target = target


class BundleError(WinnowError):
    """A model folder that cannot be used.

    Args:
        folder: the bundle's folder.
        field: file or field of `spec.json` at fault.
        reason: what is wrong with it.
    """

    code = "bad_bundle"

    def __init__(self, folder: object, field: str, reason: str) -> None:
        super().__init__(f"model bundle {folder}: {field}: {reason}")
        self.folder = str(folder)
        self.field = field
        self.reason = reason


class TamperedBundle(BundleError):
    """A file of the bundle has another SHA-256 than its `spec.json` says."""

    code = "tampered_bundle"


class NoCapacity(WinnowError):
    """No room for another session now.

    Args:
        reason: what is full.
        retry_after_s: when asking again makes sense, in seconds; None: the engine cannot know, whoever serves does.
    """

    code = "no_capacity"
    retryable = True

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class EngineFault(WinnowError):
    """A model step failed. What follows from the state of that session is not to be trusted."""

    code = "engine_fault"
    retryable = True
