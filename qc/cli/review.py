"""`qc review`: people hear drawn calls and say what they heard; their word counts above the machine's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console, options
from qc.errors import Exit

review_app = typer.Typer(
    name="review", help="Draw calls for people to judge, take their answers, see how right each rule is.", no_args_is_help=True
)


@review_app.command("draw")
def draw(
    store: options.StoreFolder = Path("qc-store"),
    per_rule: Annotated[int, typer.Option("--per-rule", min=1, max=1000, help="Calls to judge for each rule.")] = 20,
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only this rule; may be given again.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same calls.")] = 1,
    output: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the page to.")] = Path("reports/review"),
    pack: Annotated[str | None, typer.Option("--pack", help="Pack id; needed when the store holds findings of several.")] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Mask personal data in the words, and drown it out by a tone in the recordings.")
    ] = False,
    lang: options.Lang = "both",
    as_json: options.Json = False,
) -> None:
    """Draw calls for each rule and write the page to judge them on: half of them hits, the rest misses near a hit and other misses.

    The chances are kept in the store, so that precision and recall of each rule can be told from the answers. The page works
    offline, from disk; it saves the answers as a file for `qc review take`.

    Example:  qc review draw --per-rule 20 -o reports/review
    """
    from qc.review.draw import DrawOptions, draw_reviews
    from qc.review.page import PageOptions, write_review

    opened = options.existing_store(store)
    plan = draw_reviews(opened, DrawOptions(per_rule, seed, tuple(rule or ()), "", pack))
    index = write_review(opened, output, plan, PageOptions(options.langs(lang), redact))
    opened.replace("review_plan", plan)
    if not console.result({"index": str(index), "to_judge": len(plan)}, as_json):
        console.out(f"{len(plan)} calls to judge; open {index}")
        console.out(f"Then: qc review take answers-NAME.csv --store {store}")


@review_app.command("take")
def take(
    files: Annotated[list[Path], typer.Argument(help="Files of answers: CSV that the page saved, or XLSX.", metavar="FILE")],
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who answered, where the file does not say.")] = "",
    store: options.StoreFolder = Path("qc-store"),
    as_json: options.Json = False,
) -> None:
    """Take answers into the store and score anew: a reviewer's word counts above the machine's, whose verdict is kept.

    Where several reviewers answered, most decide; a tie and «cannot tell» leave the machine's verdict. Prints precision and
    recall of each rule with their 95 % intervals. Exits 3 when some lines could not be taken.

    Example:  qc review take answers-li.csv answers-wang.csv
    """
    from qc.review.take import take_reviews
    from qc.score import score

    opened = options.existing_store(store)
    taken = [take_reviews(opened, file, reviewer) for file in files]
    problems = [p for t in taken for p in t.problems]
    score(opened)
    rows = opened.read("quality").to_pylist()
    value = {
        "answers": sum(t.answers for t in taken),
        "blank": sum(t.blank for t in taken),
        "problems": [str(p) for p in problems],
        "rules": rows,
    }
    if not console.result(value, as_json):
        console.out(f"{value['answers']} answers taken, {value['blank']} lines without one")
        columns = ("rule", "judged", "cannot tell", "precision", "95 %", "recall", "95 %")
        console.table("How right the rules are", columns, [_row(r) for r in rows], (1, 2, 3, 4, 5, 6))
        for problem in problems[:20]:
            console.say(str(problem))
    if problems:
        raise typer.Exit(int(Exit.FAILED_CALLS))


def _row(r: dict) -> tuple[str, ...]:
    def share(name: str) -> tuple[str, str]:
        if r[name] is None:
            return "–", "–"
        return f"{r[name]:.0%}", f"{r[f'{name}_low']:.0%} – {r[f'{name}_high']:.0%}"

    return (r["rule"], str(r["reviewed"]), str(r["cannot_tell"]), *share("precision"), *share("recall"))
