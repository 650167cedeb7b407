"""Cases of rules as JUnit XML, which CI systems show as a list of tests: a suite a pack, a test a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from qc.packs.model import Pack
    from qc.scan import CaseResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (production 2, Char) cannot hold."""


def junit(results: Sequence[tuple[Pack, CaseResult]]) -> bytes:
    """The results as UTF-8 XML. A test is `PACK.RULE` and its case; a failure says what must come out and what did."""
    from xml.etree import ElementTree as ET

    failed = sum(not result.ok for _, result in results)
    root = ET.Element("testsuites", name="qc rules test", tests=str(len(results)), failures=str(failed))
    suites: dict[str, Element] = {}
    for pack, result in results:
        suite = suites.get(pack.id)
        if suite is None:
            mine = [other for owner, other in results if owner.id == pack.id]
            wrong = sum(not other.ok for other in mine)
            name = f"{pack.id} {pack.version}"
            suite = ET.SubElement(
                root, "testsuite", name=name, tests=str(len(mine)), failures=str(wrong), errors="0", skipped="0"
            )
            suites[pack.id] = suite
        _case(suite, pack, result)
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="utf-8") + b"\n"


def _case(suite: Element, pack: Pack, result: CaseResult) -> None:
    from xml.etree import ElementTree as ET

    case, finding = result.case, result.finding
    file, line = (*case.where.rsplit(":", 2), "", "")[:2] if case.where.count(":") >= 2 else ("", "")
    said = " / ".join(line.text or line.what for line in case.lines)
    attributes = {"classname": _text(f"{pack.id}.{result.rule.id}"), "name": _text(f"{case.verdict}: {said}"[:300])}
    test = ET.SubElement(suite, "testcase", attributes | ({"file": _text(file), "line": line} if file else {}))
    if not result.ok:
        message = f"must be {case.verdict}, came out {finding.verdict}" + (f" ({finding.why})" if finding.why else "")
        failure = ET.SubElement(test, "failure", message=message, type="verdict")
        words = ", ".join(e.quote for e in finding.evidence if e.quote)
        failure.text = _text("\n".join(part for part in (case.where, said, words) if part))


def _text(text: str) -> str:
    return _NOT_XML.sub("�", text)
