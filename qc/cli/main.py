"""`qc`: the app, its verbs, and the one place where an error becomes text and an exit code.

Verb modules are light; whatever is heavy (torch, pyarrow, polars, whisper) is imported inside their functions, so that
`qc --help` answers at once.
"""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Annotated, Any

import typer

from qc.cli import console
from qc.cli.demo import demo
from qc.cli.doctor import doctor
from qc.cli.import_ import import_
from qc.cli.listen import listen
from qc.cli.plan import plan
from qc.cli.report import report
from qc.cli.review import review_app
from qc.cli.rules import rules_app
from qc.cli.run import run
from qc.cli.scan import scan
from qc.cli.score import score
from qc.cli.search import search
from qc.cli.store import store_app
from qc.cli.transcribe import transcribe
from qc.errors import EXIT_MEANINGS, Exit, QcError
from qc.version import VERSION

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {int(code):>3}  {text}" for code, text in EXIT_MEANINGS.items())

VERBS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "run": run,
    "transcribe": transcribe,
    "plan": plan,
    "import": import_,
    "scan": scan,
    "score": score,
    "report": report,
    "listen": listen,
    "search": search,
    "doctor": doctor,
}
GROUPS = {"review": review_app, "rules": rules_app, "store": store_app}


def _interruptible(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb, but Ctrl-C ends it with a word and the code for that, not with the framework's «Aborted!» and code 1."""

    @functools.wraps(verb)
    def run_it(*arguments: Any, **options: Any) -> Any:
        try:
            return verb(*arguments, **options)
        except KeyboardInterrupt:
            console.leave_interrupted("What was finished is saved.")

    return run_it


def _version(show: bool) -> None:
    if show:
        typer.echo(f"qc {VERSION}")
        raise typer.Exit()


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Call quality inspection: recordings to text, rule packs to verdicts, scores to pages.

    \b
    One command does it all:  qc run FOLDER --rules PACK
    Try it first:             qc demo
    """


for _group in GROUPS.values():
    for _command in _group.registered_commands:
        _command.callback = _interruptible(_command.callback) if _command.callback else None


def _with(names: Iterable[str]) -> typer.Typer:
    """The app with these verbs and groups."""
    made = typer.Typer(
        name="qc",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        epilog=_EPILOG,
    )
    made.callback()(_root)
    for name in names:
        if name in VERBS:
            made.command(name)(_interruptible(VERBS[name]))
        else:
            made.add_typer(GROUPS[name], name=name)
    return made


app = _with([*VERBS, *GROUPS])


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with one of `errors.Exit`."""
    signal.signal(signal.SIGTERM, _terminate)
    arguments = sys.argv[1:] if argv is None else argv
    asked = arguments[:1] if arguments and arguments[0] in {*VERBS, *GROUPS} else []
    built = _with(asked) if asked else app  # to build what all verbs understand takes a fifth of a second
    try:
        code = built(args=arguments, prog_name="qc", standalone_mode=True)
    except QcError as error:
        console.show_error(error, as_json="--json" in arguments)
        code = int(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        code = int(Exit.OK)
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
