"""`qc review`: people hear drawn calls and say what they heard; their word counts above the machine's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qc.cli import console, options
from qc.errors import Exit

if TYPE_CHECKING:
    from qc.store import Store

review_app = typer.Typer(
    name="review",
    help="Draw calls for people to judge, take their answers, see how right each rule is and how far people agree.",
    no_args_is_help=True,
)


_Evidence = Annotated[
    bool,
    typer.Option("--evidence", help="What the machine found lies folded up beside each call; answers given after a look say so."),
]


@review_app.command("draw")
def draw(
    store: options.StoreFolder = Path("qc-store"),
    per_rule: Annotated[int, typer.Option("--per-rule", min=1, max=1000, help="Calls to judge for each rule.")] = 20,
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only this rule or manual item; may be given again.")] = None,
    call: Annotated[
        list[str] | None,
        typer.Option(
            "--call", help="This call instead of drawn ones (a dispute, say); counts in no statistic; may be given again."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same calls.")] = 1,
    output: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the page to.")] = Path("reports/review"),
    pack: Annotated[str | None, typer.Option("--pack", help="Pack id; needed when the store holds findings of several.")] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Mask personal data in the words, and drown it out by a tone in the recordings.")
    ] = False,
    evidence: _Evidence = False,
    lang: options.Lang = "both",
    as_json: options.Json = False,
) -> None:
    """Draw calls for each rule and write the page to judge them on: half of them hits, the rest misses near a hit and other misses.

    For manual items of the pack, calls are drawn out of all. The chances are kept in the store, so that precision and recall of each rule can be told from the answers. The page works
    offline, from disk; it saves the answers as a file for `qc review take`.

    Example:  qc review draw --per-rule 20 -o reports/review
    """
    from qc.errors import UsageError
    from qc.review.draw import DrawOptions, draw_reviews, keep_plan
    from qc.review.page import PageOptions, write_review

    opened = options.existing_store(store)
    plan = draw_reviews(opened, DrawOptions(per_rule, seed, tuple(rule or ()), "", tuple(call or ()), pack))
    if not plan:
        raise UsageError(
            "there is nothing to judge", where=str(store), hint="these calls have no finding, and the pack no manual item"
        )
    index = write_review(opened, output, plan, PageOptions(options.langs(lang), redact, evidence))
    keep_plan(opened, plan)
    if not console.result({"index": str(index), "to_judge": len(plan)}, as_json):
        console.out(f"{len(plan)} calls to judge; open {index}")
        console.out(f"Then: qc review take answers-NAME.csv --store {store}")
        console.out(f"Or judge them in the browser, each answer saved at once: qc review serve --store {store}")


@review_app.command("take")
def take(
    files: Annotated[list[Path], typer.Argument(help="Files of answers: CSV that the page saved, or XLSX.", metavar="FILE")],
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who answered, where the file does not say.")] = "",
    store: options.StoreFolder = Path("qc-store"),
    as_json: options.Json = False,
) -> None:
    """Take answers into the store and score anew: a reviewer's word counts above the machine's, whose verdict is kept.

    Where several reviewers answered, most decide; a tie and «cannot tell» leave the machine's verdict. Prints precision and
    recall of each rule with their 95 % intervals, and how far reviewers agree. Exits 3 when some lines could not be taken.

    Example:  qc review take answers-li.csv answers-wang.csv
    """
    from qc.review.take import take_reviews
    from qc.score import score

    opened = options.existing_store(store)
    taken = [take_reviews(opened, file, reviewer) for file in files]
    problems = [p for t in taken for p in t.problems]
    score(opened)
    value = {
        "answers": sum(t.answers for t in taken),
        "blank": sum(t.blank for t in taken),
        "problems": [str(p) for p in problems],
        "rules": opened.read("quality").to_pylist(),
        "agreement": opened.read("agreement").to_pylist(),
    }
    if not console.result(value, as_json):
        console.out(f"{value['answers']} answers taken, {value['blank']} lines without one")
        _print(opened)
        for problem in problems[:20]:
            console.say(str(problem))
    if problems:
        raise typer.Exit(int(Exit.FAILED_CALLS))


@review_app.command("serve")
def serve(
    store: options.StoreFolder = Path("qc-store"),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on this machine; 0: any that is free.")] = 0,
    pack: Annotated[str | None, typer.Option("--pack", help="Pack id; needed when calls of several were drawn.")] = None,
    evidence: _Evidence = False,
    redact: Annotated[
        bool, typer.Option("--redact", help="Mask personal data in the words, and drown it out by a tone in the recordings.")
    ] = False,
    lang: options.Lang = "both",
    as_json: options.Json = False,
) -> None:
    """Serve the drawn calls to a browser on this machine alone; every answer is stored at once. Ctrl-C stops, and scores anew.

    It listens on 127.0.0.1 only. The address that it prints holds a secret token: whoever has it can answer, so keep it.

    Example:  qc review serve --store qc-store
    """
    from qc.errors import UsageError
    from qc.review.page import PageOptions
    from qc.review.serve import ReviewServer
    from qc.score import score

    opened = options.existing_store(store)
    plan = [r for r in opened.read("review_plan").to_pylist() if pack in (None, r["pack_id"])]
    packs = sorted({r["pack_id"] for r in plan})
    if len(packs) > 1:
        raise UsageError("calls of several packs were drawn", where="--pack", hint=f"choose one of: {', '.join(packs)}")
    server = ReviewServer(opened, plan, PageOptions(options.langs(lang), redact, evidence), port)
    try:
        if not console.result({"url": server.url, "to_judge": len(plan)}, as_json):
            console.out(f"{len(plan)} calls to judge; open {server.url}")
            console.out("Ctrl-C stops.")
        sys.stdout.flush()
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    if server.saved:
        score(opened)
    if not as_json:
        console.out(f"{server.saved} answers saved")
        if server.saved:
            _print(opened)


@review_app.command("agreement")
def agreement(
    store: options.StoreFolder = Path("qc-store"),
    as_json: options.Json = False,
) -> None:
    """How far reviewers who judged the same calls agree, by rule and in all: Krippendorff's alpha, Cohen's kappa, number of pairs.

    The coefficients need NLTK (pip install 'qc[agreement]'); the share of pairs that agree does not.

    Example:  qc review agreement
    """
    opened = options.existing_store(store)
    rows = opened.read("agreement").to_pylist()
    if not console.result({"agreement": rows}, as_json):
        if not rows:
            console.out("No call was judged by two reviewers yet; hand the same page to two of them.")
        _print_agreement(rows)


def _print(opened: Store) -> None:
    columns = ("rule", "judged", "cannot tell", "precision", "95 %", "recall", "95 %")
    rows = opened.read("quality").to_pylist()
    console.table("How right the rules are", columns, [_row(r) for r in rows], (1, 2, 3, 4, 5, 6))
    _print_agreement(opened.read("agreement").to_pylist())


def _print_agreement(rows: list[dict]) -> None:
    from qc.score.agreement import measurable

    def figure(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    if rows:
        cells = [
            (
                r["rule"] or "all",
                str(r["reviewers"]),
                str(r["calls"]),
                str(r["pairs"]),
                f"{r['agreed']:.0%}",
                *map(figure, (r["alpha"], r["kappa"])),
            )
            for r in rows
        ]
        console.out("")
        console.table(
            "How far reviewers agree",
            ("rule", "reviewers", "calls", "pairs", "agree", "alpha", "kappa"),
            cells,
            (1, 2, 3, 4, 5, 6),
        )
        if not measurable():
            console.say("Alpha and kappa need NLTK: pip install 'qc[agreement]'")


def _row(r: dict) -> tuple[str, ...]:
    def share(name: str) -> tuple[str, str]:
        if r[name] is None:
            return "–", "–"
        return f"{r[name]:.0%}", f"{r[f'{name}_low']:.0%} – {r[f'{name}_high']:.0%}"

    return (r["rule"], str(r["reviewed"]), str(r["cannot_tell"]), *share("precision"), *share("recall"))
