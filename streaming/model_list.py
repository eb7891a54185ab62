"""`winnow models`: the embedded bundles or those of a folder, what each knows, and what is wrong with a broken one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.bundle import Listed, list_bundles, listed
from engine.errors import BadInput, BundleError
from engine.spec import DEFAULT_MODEL, MODELS_FOLDER, SPEC_FILE, ModelSpec
from engine.vocabulary import Vocabulary


def describe_models(folder: Path | None = None) -> list[dict[str, Any]]:
    """One plain record a bundle; a broken one has `error`.

    Args:
        folder: a bundle, or a folder of bundles; None: the embedded ones.

    Raises:
        BadInput: field `folder`: there is no bundle in it.
    """
    if folder is None:
        found = list_bundles()
    elif (folder / SPEC_FILE).is_file():
        found = [listed(folder)]
    else:
        found = list_bundles((folder,))
    if not found:
        raise BadInput("folder", f"a bundle, or a folder of bundles (each with {SPEC_FILE})", str(folder))
    return [_describe(one) for one in found]


def _describe(one: Listed) -> dict[str, Any]:
    record: dict[str, Any] = {"name": one.name, "folder": str(one.folder)}
    if one.spec is None:
        return {**record, "error": str(one.error)}
    try:
        words = _words(one.folder, one.spec)
    except BundleError as error:
        return {**record, "error": str(error)}
    spec = one.spec
    return {
        **record,
        "default": one.folder == MODELS_FOLDER / DEFAULT_MODEL,
        "version": spec.version,
        "description": spec.description,
        "licence": spec.licence,
        "latency_ms": round(1000.0 * spec.audio.latency_s, 3),
        "sample_rate": spec.audio.sample_rate,
        **words,
    }


def _words(folder: Path, spec: ModelSpec) -> dict[str, Any]:
    """What a model knows: labels with their scores, or any words, and then what else its bundle can do.

    Raises:
        BundleError: its vocabulary cannot be read.
    """
    if spec.flow is None:
        vocabulary = Vocabulary.load(folder, spec)
        return {
            "advertised": {label: vocabulary.scores.get(label) for label in vocabulary.advertised},
            "experimental": list(vocabulary.experimental),
        }
    return {
        "advertised": {},
        "experimental": [],
        "any_words": True,
        "modes": {mode: round(1000.0 * spec.flow.audio(mode).latency_s, 3) for mode in spec.modes},
        "also": [graph for graph in ("vision", "spans", "judge", "watermark") if graph in spec.graphs],
    }


def print_models(found: list[dict[str, Any]]) -> None:
    """The records as a table, then the default model's words."""
    console = Console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("model", "version", "latency", "rate", "words", "what it is"):
        table.add_column(title, overflow="fold")
    for one in found:
        if "error" in one:
            broken = f"[red]broken: {escape(one['error'])}[/red]"
            table.add_row(f"[red]{escape(one['name'])}[/red]", "", "", "", "", broken)
            continue
        name = f"[bold]{escape(one['name'])}[/bold]" + (" (default)" if one["default"] else "")
        words = "any" if "modes" in one else f"{len(one['advertised'])} + {len(one['experimental'])} experimental"
        rate = f"{one['sample_rate']} Hz"
        table.add_row(name, one["version"], f"{one['latency_ms']:g} ms", rate, words, escape(one["description"]))
    console.print(table)
    for one in found:
        if "modes" in one:
            modes = ", ".join(f"{mode} ({latency_ms:g} ms)" for mode, latency_ms in one["modes"].items())
            also = f"; also {', '.join(one['also'])}" if one["also"] else ""
            console.print(f"\n[bold]{escape(one['name'])}[/bold] has the modes {modes}{also}", highlight=False)
    for one in found:
        if one.get("default"):
            words = ", ".join(_scored(label, score) for label, score in one["advertised"].items())
            console.print(f"\n[bold]{one['name']} knows[/bold] (SI-SDR improvement, dB): {words}", highlight=False)
            if one["experimental"]:
                console.print(f"\nas an experiment: {', '.join(one['experimental'])}", highlight=False)


def _scored(label: str, score: float | None) -> str:
    return label if score is None else f"{label} {score:+.1f}"
