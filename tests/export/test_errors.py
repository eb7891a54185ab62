from __future__ import annotations

from engine.errors import CallerError
from export.errors import MissingDependency


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    error = MissingDependency("transformers", "text prompts", "sam-audio")
    assert str(error) == "text prompts needs the package 'transformers': pip install 'winnow-live[sam-audio]'"
    assert isinstance(error, CallerError)
    assert (error.code, error.package) == ("missing_dependency", "transformers")
