"""`qc rules conform`: the conformance suite, answered by this program or marked for another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.cli import console
from qc.errors import Exit, UsageError

if TYPE_CHECKING:
    from qc.conformance.suite import Case


def conform(
    case: Annotated[str, typer.Option("--case", help="Only cases whose id begins so, for example silence.")] = "",
    answers: Annotated[
        Path | None, typer.Option("--answers", help="Mark another program's answers: a file of JSON lines, one for each case.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the cases to this file, one JSON object a line, and answer nothing.")
    ] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Let the reference evaluator answer, not the scanner.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show that rules mean here what they mean everywhere: answer the conformance suite. Exit code 1 when an answer is wrong.

    The suite is dialogues, rules, and the verdicts and evidence that they must give (docs/conformance.md). Another program
    reads the cases (--write), answers them, and has its answers marked (--answers).

    Example:  qc rules conform --write cases.jsonl
    """
    from qc.conformance.suite import load_suite, mark, read_answers

    cases = [one for one in load_suite() if one.id.startswith(case)]
    if not cases:
        raise UsageError(f"there is no case whose id begins with {case!r}", where="--case", hint="look at --write - for the ids")
    if write is not None:
        _write(cases, write)
        return
    given = read_answers(answers) if answers is not None else _answer(cases, reference=reference)
    wrong = {one.id: problems for one in cases if (problems := mark(one, given.get(one.id)))}
    results = [{"id": one.id, "about": one.about, "wrong": wrong.get(one.id, [])} for one in cases]
    if not console.result({"cases": len(cases), "wrong": len(wrong), "results": results}, as_json):
        for one in cases:
            for problem in wrong.get(one.id, []):
                console.out(f"{one.id}: {problem}   ({one.about})")
        console.out(
            f"{console.several(len(cases), 'case')}, {len(wrong)} answered wrongly."
            if wrong
            else f"{console.several(len(cases), 'case')}, all as they must be."
        )
    raise typer.Exit(int(Exit.FINDINGS if wrong else Exit.OK))


def _answer(cases: list[Case], *, reference: bool) -> dict[str, dict[str, Any]]:
    from qc.conformance.answers import by_reference, by_scanner

    return by_reference(cases) if reference else by_scanner(cases)


def _write(cases: list[Case], path: Path) -> None:
    from qc.store import atomic_write

    lines = [json.dumps(one.as_json(), ensure_ascii=False, sort_keys=True) for one in cases]
    if str(path) == "-":
        for line in lines:
            console.out(line)
        return
    try:
        atomic_write(path, "".join(line + "\n" for line in lines).encode())
    except OSError as error:
        raise UsageError(f"cannot write: {error.strerror}", where=str(path), hint="choose another file") from error
    console.say(f"{console.several(len(cases), 'case')} written to {path}")


VERBS: dict[str, Callable[..., None]] = {"conform": conform}
