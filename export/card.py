"""The model card: what was trained on what, under which licences, how well it does, and what it cannot do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from export.models.bands import BANDS
from export.models.flat import FlatConfig
from export.models.linear import LinearConfig
from export.models.queried import Config, QueriedSeparator, as_options
from export.train.corpus import SPEECH, Recording

REPORT_PARTS = ("concepts", "mixtures", "seed", "all_classes", "absent_median_db", "everything_but_speech_db",
                "speech_against_noise_db")  # fmt: skip
"""What a card needs of a report of `export.train.evaluate`."""
WATTS_PER_CORE = 10.0
"""A guess for one loaded core of a datacentre CPU with its share of memory and cooling; only the order is meant."""


def write_card(
    model: QueriedSeparator,
    recordings: Sequence[Recording],
    entries: Sequence[Mapping[str, Any]],
    report: Mapping[str, Any],
    run: Mapping[str, Any],
    name: str,
    *,
    version: str,
    int8: bool = False,
) -> str:
    """Text of `CARD.md`.

    Args:
        recordings: the whole manifest, for sources and licences.
        entries: rows of `concepts.json`.
        report: what `export.train.evaluate` found.
        run: `steps`, `elapsed_s`, `plan` and `workers` of the checkpoint.
        name: the bundle's.
        version: the bundle's.
        int8: whether its weights are rounded to 8 bits.
    """
    bundled = f"--out engine/models/{name} --replace --version {version}" + " --int8" * int8
    parts = [
        _opening(model, run, name),
        _network(model, int8),
        _scores(entries, report),
        _data(recordings, run["plan"].get("soundfont", ""), bool(run["plan"].get("sing"))),
        _limits(),
        _training(run, name, _recipe(run, model.core.config, report, bundled)),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _opening(model: QueriedSeparator, run: Mapping[str, Any], name: str) -> str:
    weights = sum(parameter.numel() for parameter in model.core.parameters())
    plan = run["plan"]
    heard_h, questions = run["steps"] * _mixtures(run) * 2 / 3600, plan.get("questions", 1)
    return f"""# {name}: the embedded separator

A causal network that is asked for sounds by words and returns a mask: 48 kHz, window 960 samples (20 ms), hop 480, no
look-ahead. **Algorithmic latency 20 ms.** {weights / 1e6:.2f} M weights, {len(model.concepts)} concepts, trained by us
from nothing, on a CPU; in its last run {run["steps"]:,} steps, {heard_h:.0f} hours of mixtures, {questions} questions
asked of each."""


def _network(model: QueriedSeparator, int8: bool) -> str:
    config = model.core.config
    weights = sum(parameter.numel() for parameter in model.core.parameters())
    rows, width = config.state_shape
    if isinstance(config, FlatConfig):
        body, state = _flat(config), f"[{rows},B,{width}]"
    else:
        body, state = _linear(config), f"[B,{rows * width}]"
    size = f"{weights * (1.07 if int8 else 4) / 1e6:.1f} MB" + (", weights of 8 bits" if int8 else "")
    return f"""{body}
A query is the sum of the learnt 64-d vectors of its concepts (`concept_vectors.npy`), one word or all of "music"; any
other text encoder can be put in front by learning one Linear into that space.

**Graph** `separator.onnx` (opset 17, {size}, B and T free):
`spectrum [B,T,{config.bins},2]`, `query [B,{config.query}]`, `hint [B,2]` ((0,0) unknown, (1,0) on, (0,1) off),
`state {state}` → `mask [B,T,{config.bins}]` (a real gain), `active [B,T]`, `state_out`.
`gather.onnx` and `scatter.onnx` move states on a GPU.
"Everything but X" is the input less the estimate of X, made by the host.{ROUNDING if int8 else ""}"""


ROUNDING = """
Weights are rounded to 8 bits in blocks of 64, inputs of each product likewise as they come (MatMulNBits of ONNX
Runtime): row by row, so that no stream depends on its neighbours in a batch (`spec.json`, parity).
The scores are those of the unrounded weights: see `export/train/RUNS.md` for the difference."""


def _flat(config: FlatConfig) -> str:
    return f"""**Network.** |X|^0.3 over its mean less 1, and the mean's logarithm → Linear
→ norm → {config.blocks} × [LayerNorm × (1 + γ(query)) + β(query) + hint → GRU({config.hidden}) → Linear → + input]
→ the same norm → Linear → sigmoid: a real gain per bin."""


def _linear(config: LinearConfig) -> str:
    phase = f",\nand how far the phase of each of the lowest {config.phase_bins} bins went on since the last hop"
    phases = phase if config.phase_bins else ""
    return f"""**Network.** Power in {BANDS} bands (50 Hz wide to 4.8 kHz, then 100, 200, 800) → |X|^0.3 over a slow
mean of the stream's level: this hop, the last one, and a slow mean of each band (one second){phases} → Linear
→ {config.blocks} × [norm → gated linear recurrence({config.width}) → + input; norm → gated MLP({config.inner})
→ + input] → norm → Linear → sigmoid: a real gain per band. The recurrence is minGRU's, h ← h + z (c - h) with
z and c from the input alone (Feng et al. 2024); block and gates are Griffin's (De et al. 2024). The query scales and
shifts the recurrence's norm in all blocks but the first {config.free_blocks}, and the last norm; the hint shifts with
it. No gain changes with the input's level."""


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
    named = {e["label"] for e in entries if e["status"] == "advertised"}
    rates = [
        row["wrong_nearer"] for label, row in report["concepts"].items() if label in named and "wrong_nearer" in row
    ]
    wrong = f"({100 * sum(rates) / len(rates):.1f} % where the concept is advertised)" if rates else ""
    umbrellas = "".join(f"| \"{name}\", all its members asked for at once | {_db(value)} dB |\n"
                        for name, value in report.get("umbrellas_db", {}).items())  # fmt: skip
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
| the wrong source nearer than the right one | {100 * report["all_classes"]["wrong_nearer"]:.1f} % {wrong} |
{umbrellas}
"man speaking" and "woman speaking" are heard against the other sex in half of their mixtures.

| concept | improvement, dB | held-out recordings | status |
|---|---|---|---|
{table}"""


def _db(value: float | None) -> str:
    return "not scored" if value is None else f"{value:+.2f}"


def _data(recordings: Sequence[Recording], soundfont: str, sing: bool) -> str:
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
{_made(soundfont, sing)}
Attribution: the sources below under a CC-BY licence are used under it; changes made: decoded, resampled to 48 kHz mono,
silence trimmed, mixed. No recording is contained in the weights' files or in this repository.

| source (github.com/…) | licence as stated there | recordings | minutes |
|---|---|---|---|
{rows}"""


def _made(soundfont: str, sing: bool) -> str:
    text = """sounds made by formula (`export/train/procedural/`): sirens, alarms, bells, motors, weather, impacts,
animals, laughter, crowds, singing and nameless noises, never held out. No synthetic voice was trained on as speech."""
    if sing:
        text += """
Voices of the training side were made to sing with the WORLD vocoder (`export/train/procedural/sung.py`)."""
    if soundfont:
        text += f"""
Instruments, choirs and effects were played from the soundfont {soundfont} (`export/train/general_midi.py`; FluidR3_GM
is by Frank Wen and others, MIT licence): tunes, chords and strokes, never held out."""
    return text


def _limits() -> str:
    return """## Limits

- Above 4.8 kHz gains are one for two to sixteen bins: close high tones are kept or dropped together.
- Nearly all real speech in the data ends at 8 kHz. Half of the speech mixtures are cut at 4–8 kHz, and in part of the
  others the voice gets a made-up upper band; true full-band voices were not heard in training, nor in the scores.
- Most classes have about thirty recordings, many of them studio samples (single notes, strokes). A class with few
  held-out recordings has an uncertain score, and other recordings of it may fare worse.
- Labels of the data came from file names and were corrected by hand in part (`export/train/corpus.py`).
- A mask of real gains at 20 ms cannot part two sources in one bin: voices over voices and chords over chords stay hard.
- Stereo: each channel is masked by itself, as a mono stream would be; where a sound comes from is no cue to the model.
- How far more of the same training would carry, and what it lacks: the learning curve in `export/train/RUNS.md`."""


def _mixtures(run: Mapping[str, Any]) -> int:
    """Of a step of all workers."""
    return int(run.get("workers", 1) * run["plan"]["batch"])


def _recipe(run: Mapping[str, Any], config: Config, report: Mapping[str, Any], bundled: str) -> str:
    """The commands that made the bundle, DIR being the folder of the recordings, BEFORE that of what it began from."""
    plan, workers = run["plan"], run.get("workers", 1)
    trained = [f"--minutes {plan['minutes']:g}", as_options(config)]
    trained += [f"--{name} {plan[name]}" for name in ("batch", "questions", "rate", "seed") if name in plan]
    trained += [f"--workers {workers}"] * (workers > 1) + ["--sing"] * bool(plan.get("sing"))
    trained += ["--compile"] * bool(plan.get("compiled"))
    taken = (("--soundfont ", "soundfont"), ("--from BEFORE/", "began_from"))
    trained += [f"{option}{plan[name]}" for option, name in taken if plan.get(name)]
    made = "train-runs/latest.pt"
    averaged = ""
    if run.get("averaged"):
        averaged = f"""
    python -m export.train.average BEFORE/{plan["began_from"]} {made} --out mean.pt"""
        made = "mean.pt"
    evaluated = f"""
    python -m export.train.evaluate --checkpoint {made} --data DIR \\
        --per-concept {report.get("per_concept", 40)} --json scores.json"""
    scores = " --scores scores.json" if report else ""
    return f"""    python -m export.train.separator --data DIR --runs train-runs \\
        {" ".join(trained)}{averaged}{evaluated if report else ""}
    python -m export bundle --checkpoint {made} --data DIR{scores} \\
        {bundled}"""


def _training(run: Mapping[str, Any], name: str, recipe: str) -> str:
    workers = run.get("workers", 1)
    core_hours = workers * (run.get("cpu_s") or 1.3 * run["elapsed_s"]) / 3600
    energy_wh = core_hours * WATTS_PER_CORE
    began_from = run["plan"].get("began_from")
    before = " (BEFORE: a folder with that file out of `git log -- export/train/checkpoints`)" if began_from else ""
    return f"""## Training

The last run, on top of those that `export/train/RUNS.md` tells of: {run["steps"]:,} steps of {_mixtures(run)} mixtures
of 2 s (workers: {workers}, each with a thread for the network in bfloat16 and one for mixing), on two cores shared with
other work: {core_hours:.2f} core hours as the processes counted them, about {energy_wh:.0f} Wh if a core takes
{WATTS_PER_CORE:.0f} W (a guess for a datacentre CPU). Trials that were thrown away are not counted. Again, from the
repository's root{before}:

{recipe}

The running mean of the weights (which the bundle is made of, to the bit), the last weights and the optimiser's state
(these two in half precision) lie in `export/train/checkpoints/{name}.pt`;
`--from export/train/checkpoints/{name}.pt` goes on from there with a new schedule, words that it does not know being
new ones."""
