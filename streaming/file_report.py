"""What came of `winnow separate`: the files made, what they hold, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.activity import Sounding
from engine.ranking import Ranking
from engine.vocabulary import Understood


@dataclass(frozen=True, slots=True)
class Written:
    """One file made. `track` is `ID/target` or `residual`; `prompt` and `understood` are empty for the residual.

    `spans` says where the target sounds, or is None where that was not asked for or makes no sense; `ranking` what the
    judge said of each candidate, where there were several.
    """

    track: str
    prompt: str
    understood: Understood | None
    path: Path
    clipped: int
    spans: tuple[Sounding, ...] | None = None
    ranking: Ranking | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one file; seconds of sound, and of waiting."""

    file: Path
    seconds: float
    samples: int
    rate: int
    channels: int
    model: str
    provider: str
    elapsed_s: float
    outputs: tuple[Written, ...]
    notes: tuple[str, ...]

    @property
    def speed(self) -> float:
        """How many times faster than real time."""
        return self.seconds / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def spans(self) -> dict[str, tuple[Sounding, ...]]:
        """Prompt → where it sounds, for what was asked."""
        return {one.prompt: one.spans for one in self.outputs if one.spans is not None}

    @property
    def rankings(self) -> dict[str, Ranking]:
        """Prompt → what the judge said of its candidates, where there were several."""
        return {one.prompt: one.ranking for one in self.outputs if one.ranking is not None}

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "file": str(self.file),
            "seconds": self.seconds,
            "samples": self.samples,
            "sample_rate": self.rate,
            "channels": self.channels,
            "model": self.model,
            "provider": self.provider,
            "elapsed_s": round(self.elapsed_s, 3),
            "times_real_time": round(self.speed, 1),
            "outputs": [_output_json(written) for written in self.outputs],
            "notes": list(self.notes),
        }


def _output_json(written: Written) -> dict[str, Any]:
    out: dict[str, Any] = {"track": written.track, "path": str(written.path), "clipped": written.clipped}
    if written.understood is not None:
        out["prompt"] = written.prompt
        out["everything_but"] = written.understood.inverted
        out["understood"] = [
            {"label": told.label, "score": round(told.score, 3), "status": told.status}
            for told in written.understood.matches
        ]
    if written.spans is not None:
        out["spans"] = [
            {"start": one.start_s, "end": one.end_s, "level_db": one.level_db, "probability": one.probability}
            for one in written.spans
        ]
    if written.ranking is not None:
        scores = ({name: round(value, 3) for name, value in one._asdict().items()} for one in written.ranking.scores)
        out["candidates"] = {"kept": written.ranking.best, "scores": list(scores)}
    return out


def print_report(report: Report) -> None:
    """The report on the console: a table, the files one a line (whole, however narrow it is: they are copied from
    there), and a line of what was measured."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("track", style="bold")
    table.add_column("understood as")
    told = {one.track: one for one in report.outputs}  # a video's file beside the sound is of the same track
    for one in told.values():
        said = ""
        if one.understood is not None:
            said = " + ".join(f"{match.label} ({match.score:.0%})" for match in one.understood.matches)
            said = f"everything but {said}" if one.understood.inverted else said
        table.add_row(escape(one.prompt or "residual"), said)
    console = Console()
    console.print(table)
    for one in report.outputs:
        console.print(str(one.path), style="cyan", markup=False, highlight=False, soft_wrap=True)
    for prompt, spans in report.spans.items():
        heard = ", ".join(f"{one.start_s:.2f}–{one.end_s:.2f} s ({one.level_db:.0f} dB)" for one in spans)
        console.print(f"[bold]{escape(prompt)}[/bold] sounds at {heard or 'no time'}", highlight=False)
    for prompt, ranking in report.rankings.items():
        overall = ", ".join(f"{score.overall:.2f}" for score in ranking.scores)
        kept = f"candidate {ranking.best + 1} of {len(ranking.scores)} kept, by the judge's overall scores {overall}"
        console.print(f"[bold]{escape(prompt)}[/bold]: {kept}", highlight=False)
    console.print(
        f"{report.seconds:.2f} s of {'stereo' if report.channels == 2 else 'mono'} at {report.rate} Hz "
        f"in {report.elapsed_s:.2f} s: {report.speed:.0f}× real time ({report.model}, {report.provider})",
        highlight=False,
    )
    for note in report.notes:
        console.print(f"[yellow]note:[/yellow] {escape(note)}", highlight=False)
