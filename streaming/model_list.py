"""`winnow models`: the embedded bundles, what each knows and how well, and what is wrong with a broken one."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.bundle import Listed, list_bundles
from engine.errors import BundleError
from engine.spec import DEFAULT_MODEL
from engine.vocabulary import Vocabulary


def describe_models() -> list[dict[str, Any]]:
    """One plain record a bundle; a broken one has `error`."""
    return [_describe(listed) for listed in list_bundles()]


def _describe(listed: Listed) -> dict[str, Any]:
    record: dict[str, Any] = {"name": listed.name, "folder": str(listed.folder)}
    if listed.spec is None:
        return {**record, "error": str(listed.error)}
    try:
        vocabulary = Vocabulary.load(listed.folder, listed.spec)
    except BundleError as error:
        return {**record, "error": str(error)}
    spec = listed.spec
    return {
        **record,
        "default": listed.name == DEFAULT_MODEL,
        "version": spec.version,
        "description": spec.description,
        "licence": spec.licence,
        "latency_ms": round(1000.0 * spec.audio.latency_s, 3),
        "sample_rate": spec.audio.sample_rate,
        "advertised": {label: vocabulary.scores.get(label) for label in vocabulary.advertised},
        "experimental": list(vocabulary.experimental),
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
        words = f"{len(one['advertised'])} + {len(one['experimental'])} experimental"
        rate = f"{one['sample_rate']} Hz"
        table.add_row(name, one["version"], f"{one['latency_ms']:g} ms", rate, words, escape(one["description"]))
    console.print(table)
    for one in found:
        if one.get("default"):
            words = ", ".join(_scored(label, score) for label, score in one["advertised"].items())
            console.print(f"\n[bold]{one['name']} knows[/bold] (SI-SDR improvement, dB): {words}", highlight=False)


def _scored(label: str, score: float | None) -> str:
    return label if score is None else f"{label} {score:+.1f}"
