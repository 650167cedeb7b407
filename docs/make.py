"""Write the docs pages that are made from the code, or with --check say which are stale (exit 1).

    python docs/make.py [--check]

Tables come from `qc/tables.py`, the command line from the verbs themselves, the rule language from its own reference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
NOTICE = "<!-- Made by docs/make.py from the code. Change the code, then run `make docs`. -->\n"


def tables_page() -> str:
    """Every table and field, from `qc.tables`."""
    from qc.tables import TABLES, Field

    def lines(fields: tuple[Field, ...], prefix: str) -> Iterator[str]:
        for field in fields:
            unit = f" ({field.unit})" if field.unit else ""
            name = f"{prefix}{field.name}" + ("[]" if field.type.startswith("list") else "")
            kind = field.type.replace("list<struct>", "list of structs").replace("<", " of ").replace(">", "")
            yield f"| `{name}` | {kind} | {field.meaning}{unit} | {field.since} |"
            yield from lines(field.fields, f"{name}.")

    text = [NOTICE, "# Tables\n", (DOCS / "tables.intro.md").read_text(encoding="utf-8")]
    for table in TABLES.values():
        text += [f"\n## {table.name}\n", f"{table.meaning} Key: {', '.join(f'`{k}`' for k in table.key)}.\n"]
        text += ["| field | type | meaning | since |", "|---|---|---|---|", *lines(table.fields, "")]
    return "\n".join(text) + "\n"


def cli_page() -> str:
    """Every verb with its arguments and options, and every exit code."""
    import typer

    from qc.cli.main import app
    from qc.errors import EXIT_MEANINGS

    root = typer.main.get_command(app)
    text = [
        NOTICE,
        "# The command line\n",
        "`qc VERB --help` prints the same.\n",
        "## Exit codes\n",
        "| code | meaning |",
        "|---|---|",
    ]
    text += [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_MEANINGS.items()]
    for name, command in commands(root, "qc"):
        text += [f"\n## {name}\n", prose(command.help or ""), "", *parameters(command)]
    return "\n".join(text) + "\n"


def commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every leaf command under a group with its full name, in the order of the help."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def prose(text: str) -> str:
    """A help text as Markdown: paragraphs, the example set apart."""
    blocks = []
    for block in text.strip().split("\n\n"):
        if block.lstrip().startswith("\b"):  # lines as they are
            blocks.append("```\n" + "\n".join(line.strip() for line in block.strip().splitlines()[1:]) + "\n```")
            continue
        joined = " ".join(line.strip() for line in block.splitlines())
        before, mark, example = joined.partition("Example:")
        if before.strip():
            blocks.append(before.strip())
        if mark:
            blocks.append(f"```\n{example.strip()}\n```")
    return "\n\n".join(blocks)


def parameters(command: Any) -> list[str]:
    """A command's arguments and options as a table."""
    shown = [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]
    if not shown:
        return []
    lines = ["| argument or option | default | meaning |", "|---|---|---|"]
    for param in shown:
        if param.param_type_name == "argument":
            name = (param.metavar or param.name).upper()
        else:
            name = ", ".join(f"`{o}`" for o in [*param.opts, *param.secondary_opts])
        default = "" if param.default in (None, False, [], ()) or callable(param.default) else f"`{param.default}`"
        lines.append(f"| {name} | {default} | {(getattr(param, 'help', None) or '').replace('|', '/').replace(chr(10), ' ')} |")
    return lines


def rules_pages() -> dict[str, str]:
    """The rule language's reference, in English and Chinese."""
    from qc.packs.reference import reference

    return {"rules.md": NOTICE + reference("en"), "rules.zh.md": NOTICE + reference("zh")}


def privacy_pages() -> dict[str, str]:
    """What is masked, in English and Chinese, from `qc.text.personal`."""
    from qc.text.personal import KINDS

    found = {}
    for language, name, at in (("en", "privacy.md", 1), ("zh", "privacy.zh.md", 0)):
        intro = (DOCS / ("privacy.intro.md" if language == "en" else "privacy.intro.zh.md")).read_text(encoding="utf-8")
        rows = ["| kind | what |" if language == "en" else "| 种类 | 内容 |", "|---|---|"]
        rows += [f"| `{kind}` | {texts[at]} |" for kind, texts in KINDS.items()]
        found[name] = NOTICE + intro.replace("KINDS_TABLE", "\n".join(rows) + "\n")
    return found


def pages() -> dict[str, str]:
    """File name under docs/ to text, for every page that is made from the code."""
    single: dict[str, Callable[[], str]] = {"tables.md": tables_page, "cli.md": cli_page}
    return {**{name: make() for name, make in single.items()}, **rules_pages(), **privacy_pages()}


def main() -> int:
    stale = []
    for name, text in pages().items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    print(("stale: " if "--check" in sys.argv else "written: ") + (", ".join(stale) or "none"))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
