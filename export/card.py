"""The model card: what was trained on what, under which licences, how well it does, and what it cannot do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from export.models.flat import QueriedSeparator
from export.train.corpus import SPEECH, Recording

WATTS_PER_CORE = 10.0
"""A guess for one loaded core of a datacentre CPU with its share of memory and cooling; only the order is meant."""


def write_card(
    model: QueriedSeparator,
    recordings: Sequence[Recording],
    entries: Sequence[Mapping[str, Any]],
    report: Mapping[str, Any],
    run: Mapping[str, Any],
) -> str:
    """Text of `CARD.md`.

    Args:
        recordings: the whole manifest, for sources and licences.
        entries: rows of `concepts.json`.
        report: what `export.train.evaluate` found.
        run: `steps`, `elapsed_s`, `plan` of the checkpoint.
    """
    parts = [
        _opening(model, run),
        _scores(entries, report),
        _data(recordings),
        _limits(),
        _training(run),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _opening(model: QueriedSeparator, run: Mapping[str, Any]) -> str:
    config = model.core.config
    weights = sum(parameter.numel() for parameter in model.core.parameters())
    heard_h = run["steps"] * run["plan"]["batch"] * 2 / 3600
    return f"""# flat256: the embedded separator

A causal network that is asked for sounds by words and returns a mask: 48 kHz, window 960 samples (20 ms), hop 480, no
look-ahead. **Algorithmic latency 20 ms.** {weights / 1e6:.2f} M weights, {len(model.concepts)} concepts,
trained by us from nothing. A first honest training: {run["steps"]:,} steps, {heard_h:.0f} hours of mixtures, on a CPU.

**Network.** |X|^0.3 over its mean less 1, and the mean's logarithm → Linear {config.bins}→{config.hidden} → norm
→ {config.blocks} × [LayerNorm × (1 + γ(query)) + β(query) + hint → GRU({config.hidden}) → Linear → + input]
→ the same norm → Linear → sigmoid: a real gain per bin.
Dividing by the mean makes the shape of a spectrum independent of its level. A query is the sum of the learnt 64-d
vectors of one to three concepts (`concept_vectors.npy`); any other text encoder can be put in front by learning one
Linear into that space.

**Graph** `separator.onnx` (opset 17, {weights * 4 / 1e6:.1f} MB, B and T free):
`spectrum [B,T,{config.bins},2]`, `query [B,{config.query}]`, `hint [B,2]` ((0,0) unknown, (1,0) on, (0,1) off),
`state [{config.blocks},B,{config.hidden}]` → `mask [B,T,{config.bins},2]`, `active [B,T]`, `state_out`.
The mask is complex by contract; this network's imaginary part is 0. `gather.onnx` and `scatter.onnx` move states on a
GPU.
"Everything but X" is the input less the estimate of X, made by the host."""


def _scores(entries: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> str:
    if not report:
        return "## Scores\n\nNot measured: a bundle for trying things out."
    advertised = [e["si_sdr_improvement_db"] for e in entries if e["status"] == "advertised"]
    mean = sum(advertised) / len(advertised) if advertised else 0.0
    scored = [e for e in entries if e["si_sdr_improvement_db"] is not None]
    everything = sum(e["si_sdr_improvement_db"] for e in scored) / max(len(scored), 1)
    rows = sorted(entries, key=lambda e: (e["status"], -(e["si_sdr_improvement_db"] or -99.0)))
    table = "\n".join(
        f"| {e['label']} | {_db(e['si_sdr_improvement_db'])} | {e['held_out_recordings']} | {e['status']} |"
        for e in rows
    )
    noise = ", ".join(f"{_db(value)} at {level}" for level, value in report["speech_against_noise_db"].items())
    absent, median = _db(report["all_classes"]["absent_db"]), _db(report["absent_median_db"])
    return f"""## Scores

SI-SDR improvement in dB on {report["mixtures"]} mixtures of two held-out recordings, 4 s, -5…+5 dB,
seed {report["seed"]}, both limited to the narrower one's band. Speakers and source recordings were not trained on.
`advertised`: ≥ 1 dB, two standard errors above 0, and at least four held-out recordings; the rest is `experimental`:
understood and tried, and the answer says so. The words were chosen by these very scores, so the mean of the advertised
is a little too good.

| | |
|---|---|
| mean over the {len(advertised)} advertised concepts | {mean:+.2f} dB |
| mean over all {len(scored)} concepts that could be scored | {everything:+.2f} dB |
| speech against steady noise | {noise} |
| everything but speech | {_db(report["everything_but_speech_db"])} dB |
| absent target, left over | {absent} dB of the input on average (median {median}) |
| the wrong source nearer than the right one | {100 * report["all_classes"]["wrong_nearer"]:.0f} % |

"man speaking" and "woman speaking" are heard against the other sex in half of their mixtures.

| concept | improvement, dB | held-out recordings | status |
|---|---|---|---|
{table}"""


def _db(value: float | None) -> str:
    return "not scored" if value is None else f"{value:+.2f}"


def _data(recordings: Sequence[Recording]) -> str:
    counts: Counter[tuple[str, str]] = Counter()
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for recording in recordings:
        counts[recording.source, recording.licence] += 1
        seconds[recording.source, recording.licence] += recording.seconds
    rows = "\n".join(f"| {source} | {licence} | {n} | {seconds[source, licence] / 60:.1f} |"
                     for (source, licence), n in sorted(counts.items()))  # fmt: skip
    speech_h = sum(r.seconds for r in recordings if r.label == SPEECH) / 3600
    total_h = sum(r.seconds for r in recordings) / 3600
    return f"""## Data

{len(recordings):,} recordings, {total_h:.1f} h, of which speech {speech_h:.1f} h, from public GitHub repositories; and
{PROCEDURAL_NOTE}
Attribution: the sources below under a CC-BY licence are used under it; changes made: decoded, resampled to 48 kHz mono,
silence trimmed, mixed. No recording is contained in the weights' files or in this repository.

| source (github.com/…) | licence as stated there | recordings | minutes |
|---|---|---|---|
{rows}"""


PROCEDURAL_NOTE = """sirens, alarms, telephones, car horns, bells and wind made by formula
(`export/train/procedural.py`), which are never held out. No synthetic voice was trained on."""


def _limits() -> str:
    return """## Limits

- Nearly all real speech in the data ends at 8 kHz. Half of the speech mixtures are cut at 4–8 kHz, and in part of the
  others the voice gets a made-up upper band; true full-band voices were not heard in training, nor in the scores.
- Most classes have about thirty recordings, many of them studio samples (single notes, strokes). A class with few
  held-out recordings has an uncertain score, and other recordings of it may fare worse.
- Labels of the data came from file names and were corrected by hand in part (`export/train/corpus.py`).
- A mask of real gains at 20 ms cannot part two sources in one bin: voices over voices and chords over chords stay hard.
- Stereo: one mask, computed on the mid signal, for both channels.
- A first training: its learning curve was still rising (`export/train/RUNS.md`)."""


def _training(run: Mapping[str, Any]) -> str:
    hours = run["elapsed_s"] / 3600
    cores = run.get("cores", 1.3)
    energy_kwh = hours * cores * WATTS_PER_CORE / 1000
    plan = run["plan"]
    return f"""## Training

{run["steps"]:,} steps of {plan["batch"]} mixtures of 2 s, {hours:.2f} h by the clock on about {cores:.1f} cores
(one thread for the network in bfloat16, one for mixing): {hours * cores:.1f} core hours, about {energy_kwh:.2f} kWh
if a core takes {WATTS_PER_CORE:.0f} W. Again, from the repository's root:

    python -m export.train.separator --data DIR --runs train-runs --minutes {plan["minutes"]:.0f}
    python -m export.train.evaluate --checkpoint train-runs/latest.pt --data DIR --per-concept 40 --json scores.json
    python -m export bundle --checkpoint train-runs/latest.pt --data DIR --scores scores.json

The running mean of the weights (which the bundle is made of, to the bit), the last weights and the optimiser's state
(these two in half precision) lie in `export/train/checkpoints/flat256.pt`;
`--from export/train/checkpoints/flat256.pt` goes on from there with a new schedule."""
