"""The command `winnow`. It parses, calls one function, and prints; what a command needs is imported inside it, so that
`winnow --help` answers at once.

Exit codes: 0 done, 1 our fault (or the disk's, or the network's), 2 the caller's, 3 a server that did not start (its
log says why), 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from engine.errors import BadInput, BundleError, CallerError, WinnowError

if TYPE_CHECKING:
    from rich.console import Console

DISTRIBUTION = "winnow-live"
DEFAULT_SERVER = "ws://127.0.0.1:8000"
CALLERS_FAULT, OUR_FAULT, INTERRUPTED = 2, 1, 130
_CLIENT_CLOSE_CODES = range(4400, 4500)


class _Commands(TyperGroup):
    """The commands; what is wrong with an option's value is told with the value."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            from pydantic import ValidationError

            if isinstance(error.__cause__, ValidationError):
                error.message += f", got {error.__cause__.errors()[0]['input']!r}"
            raise


app = typer.Typer(
    name="winnow",
    cls=_Commands,
    help="Name a sound, hear it alone: live, 20 ms behind, and for files.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Prompts = Annotated[
    list[str],
    typer.Option("--prompt", "-p", help="What to keep, in words; several times for several.", show_default=False),
]
Model = Annotated[str, typer.Option("--model", "-m", help="Name of an embedded model, or a bundle's folder.")]
Mode = Annotated[
    str | None,
    typer.Option(
        help="For a model with modes (SAM Audio): quality, balanced, low_latency or fast.", show_default=False
    ),
]
Watermark = Annotated[
    int | None,
    typer.Option(help="For a model that marks its sound (SAM Audio): the mark, 0 to 65535.", show_default=False),
]
_FLAG_OF = {"reranking_candidates": "candidates", "video": "file"}
"""Fields of what `separate` calls, where its own flags have other names."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def _example(*lines: str) -> str:
    return "[bold]Example:[/bold]\n\n" + "\n\n".join(f"  [cyan]{line}[/cyan]" for line in lines)


def _version(wanted: bool) -> None:
    if wanted:
        try:
            print(f"winnow {version(DISTRIBUTION)}")
        except PackageNotFoundError:
            print("winnow (not installed; running from its source)")
        raise typer.Exit


@app.callback()
def _root(
    _version_flag: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Name a sound, hear it alone: live, 20 ms behind, and for files."""


@app.command(epilog=_example("winnow serve --port 9000", "WINNOW_API_KEYS=… winnow serve --host 0.0.0.0"))
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Embedded model or a bundle's folder.")] = None,
    provider: Annotated[str | None, typer.Option(help="auto, cpu, cuda or tensorrt.")] = None,
    mode: Mode = None,
    watermark: Watermark = None,
    hop: Annotated[
        str | None,
        typer.Option(help="10ms (the model's own, default), 20ms or 40ms: more sessions a core, so much later."),
    ] = None,
    max_sessions: Annotated[int | None, typer.Option(help="Ceiling over the measured capacity.")] = None,
    log_level: Annotated[str | None, typer.Option(help="critical, error, warning, info or debug.")] = None,
    api_keys_file: Annotated[
        Path | None, typer.Option(help="File of API keys, one a line, in place of WINNOW_API_KEYS.")
    ] = None,
    token_secret_file: Annotated[
        Path | None, typer.Option(help="File of what tokens are signed with, in place of WINNOW_TOKEN_SECRET.")
    ] = None,
    turn_secret_file: Annotated[
        Path | None, typer.Option(help="File of the TURN servers' secret, in place of WINNOW_TURN_SECRET.")
    ] = None,
) -> None:
    """Start the server. Every flag can be set as WINNOW_…; a flag wins. Secrets come by a file or by WINNOW_API_KEYS
    and WINNOW_TOKEN_SECRET (none: tokens hold for this process), and never by the command line. Exit status: 2 for
    flags that cannot be read, 3 where it does not start with them (no such model or hop, a port that is taken): its log
    says why."""
    from streaming.app import serve as run
    from streaming.settings import Settings

    flags = {
        "host": host,
        "port": port,
        "model": model,
        "provider": provider,
        "mode": mode,
        "watermark_message": watermark,
        "hop_ms": _milliseconds(hop),
        "max_sessions": max_sessions,
        "log_level": log_level,
        "api_keys": None if api_keys_file is None else ",".join(_lines_in(api_keys_file, "api_keys_file")),
        "token_secret": _secret_in(token_secret_file, "token_secret_file"),
        "turn_secret": _secret_in(turn_secret_file, "turn_secret_file"),
    }
    run(Settings(**{name: value for name, value in flags.items() if value is not None}))  # type: ignore[arg-type]


@app.command(
    epilog=_example('winnow separate talk.mp4 -p "man speaking" -o out', "winnow separate a.wav -p dog --span +1.0:2.5")
)
def separate(
    file: Annotated[Path, typer.Argument(help="Any sound or video file.", show_default=False)],
    prompt: Prompts,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write to; beside the file if not given.")
    ] = None,
    residual: Annotated[bool, typer.Option(help="Also write what is left.")] = True,
    format_: Annotated[str, typer.Option("--format", "-f", help="wav (32-bit float), flac (24 bit) or mp3.")] = "wav",
    span: Annotated[
        list[str] | None,
        typer.Option(help="+START:END, seconds in which it sounds; -START:END, in which it does not."),
    ] = None,
    video: Annotated[bool, typer.Option(help="For a video: also a video with each isolated sound.")] = True,
    predict_spans: Annotated[bool, typer.Option("--predict-spans", help="Also say when each one sounds.")] = False,
    mask_video: Annotated[
        Path | None,
        typer.Option(help="For a model that sees: a video whose bright pixels mark the source in FILE's picture."),
    ] = None,
    mask_hides: Annotated[bool, typer.Option("--mask-hides", help="They mark what to blank instead.")] = False,
    candidates: Annotated[
        int, typer.Option(help="For a model with a judge: make so many of each (up to 8), keep the best.")
    ] = 1,
    model: Model = "default",
    mode: Mode = None,
    watermark: Watermark = None,
    provider: Annotated[str, typer.Option(help="auto, cpu, cuda or tensorrt.")] = "auto",
    as_json: Json = False,
) -> None:
    """Separate a file: FILE.PROMPT.wav for every prompt, and FILE.residual.wav."""
    from engine.bundle import load_bundle, mode_for_files
    from streaming.file_report import print_report
    from streaming.file_separation import parse_span, separate_file
    from streaming.mask_video import MaskedPictures

    spans = [parse_span(text) for text in span or ()]
    if mask_hides and mask_video is None:
        raise BadInput("mask_hides", "a mask video beside it (--mask-video)", None)
    with _ProgressBar(f"{file.name}", shown=not as_json) as tell, ExitStack() as opened:
        bundle = load_bundle(model, provider=provider, mode=mode_for_files(model, mode), watermark=watermark)
        if bundle.provider_note:
            _errors().print(bundle.provider_note, style="yellow", markup=False, highlight=False)
        pictures = None
        if mask_video is not None and not bundle.vocabulary.sees:
            raise BadInput("mask_video", "none: this model sees no pictures", str(mask_video))
        try:
            if mask_video is not None:
                pictures = opened.enter_context(MaskedPictures(file, mask_video, "hide" if mask_hides else "target"))
            report = separate_file(
                file,
                prompt,
                bundle=bundle,
                folder=output,
                residual=residual,
                kind=format_.lower(),
                spans=spans,
                video=video,
                predict_spans=predict_spans,
                pictures=pictures,
                reranking_candidates=candidates,
                progress=tell,
            )
        except BadInput as error:
            raise error.called(_FLAG_OF.get(error.field, error.field)) from error
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        print_report(report)


@app.command(
    epilog=_example(
        "winnow live -p speech --input talk.wav --output voice.wav",
        'arecord -f S16_LE -r 48000 -c 1 -t raw | winnow live -p "man speaking" -i - -o - | aplay -f S16_LE -r 48000',
    )
)
def live(
    prompt: Annotated[
        list[str],
        typer.Option(
            "--prompt",
            "-p",
            help='What to keep, in words ("dog and siren" for both).',
            show_default=False,
            metavar="<str>",  # a list only so that a second one is refused, and not silently the one that holds
        ),
    ],
    server: Annotated[str, typer.Option("--server", "-s", help="The server's address.")] = DEFAULT_SERVER,
    input_: Annotated[str, typer.Option("--input", "-i", help="FILE (in real time), - (raw PCM), or mic.")] = "mic",
    output: Annotated[str, typer.Option("--output", "-o", help="FILE, - (raw PCM), or speaker.")] = "speaker",
    residual: Annotated[bool, typer.Option("--residual", help="What is left, in place of the target.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Use raw mode (no reconnecting) in place of framed mode.")] = False,
    sample_rate: Annotated[int, typer.Option("--sample-rate", "-r", help="Hz, for - and mic.")] = 48000,
    channels: Annotated[int, typer.Option("--channels", "-c", help="1 or 2, for - and mic.")] = 1,
    encoding: Annotated[str, typer.Option(help="pcm_s16le or pcm_f32le, for -.")] = "pcm_s16le",
    model: Annotated[str, typer.Option("--model", "-m", help="The server's model.")] = "default",
    api_key_file: Annotated[
        Path | None, typer.Option(help="File that holds the API key (a key has no place in a command line).")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File that holds a short-lived token, for who has no key (POST /v1/tokens).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Separate live through a server, until the input ends or Ctrl-C."""
    from streaming.live_command import LiveOrder, run_live

    order = LiveOrder(
        server=server,
        prompts=tuple(prompt),
        input=input_,
        output=output,
        track="residual" if residual else "target",
        raw=raw,
        sample_rate=sample_rate,
        channels=channels,
        encoding=encoding,
        model=model,
        api_key=_secret_in(api_key_file, "api_key_file"),
        token=_secret_in(token_file, "token_file"),
    )
    told = None if as_json else lambda text: _errors().print(text, highlight=False)
    totals = run_live(order, told)
    if as_json:
        print(json.dumps(totals), file=sys.stderr if output == "-" else sys.stdout)


@app.command(epilog=_example("winnow demo", "winnow demo -p rain --output-dir demo-output --json"))
def demo(
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="What to keep; a sound of the scene.")] = None,
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Where target.wav … go.")] = Path(
        "demo-output"
    ),
    model: Model = "default",
    as_json: Json = False,
) -> None:
    """Stream the scene in the repository through a real server, in real time, and print what was measured."""
    from streaming.demo import print_result, run_demo

    result = run_demo(output_dir, prompt=prompt, model=model, quiet=as_json)
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        print_result(result)


@app.command(epilog=_example("winnow models", "winnow models bundles --json"))
def models(
    folder: Annotated[
        Path | None, typer.Argument(help="A bundle or a folder of bundles; the embedded ones if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List models, what they know, and which of them are broken."""
    from streaming.model_list import describe_models, print_models

    found = describe_models(folder)
    if as_json:
        print(json.dumps(found))
    else:
        print_models(found)
    if any("error" in one for one in found):
        raise typer.Exit(OUR_FAULT)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    epilog=_example("winnow export sam-audio sam-audio-small bundles/small --t5 t5-base"),
)
def export(context: typer.Context) -> None:
    """Make a bundle of a checkpoint: winnow export sam-audio CHECKPOINT OUT; --help after it tells all."""
    from streaming.export_command import run_export

    raise typer.Exit(run_export(context.args))


# --- what the commands share --------------------------------------------------------------------------------------


def _errors() -> Console:
    from rich.console import Console

    return Console(stderr=True)


class _ProgressBar:
    """A progress bar on stderr, as a context that gives the function to call."""

    def __init__(self, title: str, shown: bool) -> None:
        from rich.markup import escape
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = _errors()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._bar.add_task(escape(title), total=None, speed="")

    def __enter__(self) -> Callable[[float, float | None], None]:
        self._bar.start()
        return self._tell

    def _tell(self, done_s: float, total_s: float | None) -> None:
        elapsed_s = self._bar.tasks[0].elapsed or 0.0
        speed = f"{done_s / elapsed_s:.0f}× real time" if elapsed_s > 0.05 else ""
        self._bar.update(self._task, completed=done_s, total=total_s, speed=speed)

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def _milliseconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text.strip().removesuffix("ms"))
    except ValueError as error:
        raise BadInput("hop", "a length in milliseconds, as 20ms", text) from error


def _secret_in(path: Path | None, field: str) -> str | None:
    if path is None:
        return None
    lines = _lines_in(path, field)
    if len(lines) != 1:
        raise BadInput(field, "a file of one line", f"{path}: {len(lines)} lines")
    return lines[0]


def _lines_in(path: Path, field: str) -> list[str]:
    """The lines of a file of secrets that are not empty. What is in it is never shown."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(field, "a file that can be read", f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise BadInput(field, "a file of text", str(path)) from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:  # an empty file of keys must not open a server to everybody
        raise BadInput(field, "a file with something in it", str(path))
    return lines


def _exit_code(error: WinnowError) -> int:
    if isinstance(error, CallerError | BundleError):
        return CALLERS_FAULT
    return CALLERS_FAULT if getattr(error, "close", 0) in _CLIENT_CLOSE_CODES else OUR_FAULT


def _fail(message: str, code: int, kind: str) -> NoReturn:
    if "--json" in sys.argv:
        print(json.dumps({"error": {"code": kind, "message": message}}))
    else:
        print(f"winnow: {message}", file=sys.stderr)
    sys.exit(code)


def main() -> None:
    """The entry point: errors become one line and an exit code."""
    try:
        app()
    except WinnowError as error:
        _fail(str(error), _exit_code(error), error.code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone: nothing to say, and no traceback at the interpreter's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OUR_FAULT)
    except Exception as error:
        if (sentence := _wrong_setting(error)) is not None:
            _fail(sentence, CALLERS_FAULT, "bad_settings")
        raise


def _wrong_setting(error: Exception) -> str | None:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return None
    first: Any = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    sentence = str(first["msg"]).removeprefix("Value error, ")
    # What came, but where it could be a secret: those are judged by sentences of our own.
    came = "" if first["type"] == "value_error" else f", got {first['input']!r}"
    return f"{place}: {sentence}{came}" if place else sentence


if __name__ == "__main__":
    main()
