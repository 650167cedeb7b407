"""Pages and workbooks made in several processes: which process makes what changes nothing in any of it."""

from __future__ import annotations

import signal
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from qc.report.folder import Folder, Writer
from qc.report.html import Pages, call_href
from qc.report.pages import Item, batches, front, made, prepare, shared, without_words
from qc.report.xlsx import xlsx_file

BATCH_PAGES = 50
PAGES_A_PROCESS = 200
"""A process takes a second to start: it is not worth it for fewer."""


class Work:
    """What takes long in a report, being made. `start` returns at once; `workbook` and `finish` wait for what they give.

    With one process, everything happens when it is asked for. Raises StoreError where a page cannot be written.
    """

    def __init__(self, pages: Pages, folder: Folder, processes: int) -> None:
        self.pages = prepare(pages)
        self._folder = folder
        data = pages.data
        several = len(data.agents) + len(data.rules) + len(data.providers) + len(self.pages.paged)
        self._processes = max(1, min(processes, several // PAGES_A_PROCESS))
        self._pool: ProcessPoolExecutor | None = None
        self._running: list[Future[dict[str, str]]] = []
        self._workbooks: dict[str, Future[bytes]] = {}

    def start(self) -> None:
        """Set other processes to work: on the workbooks first, for each takes as long as a thousand pages."""
        if self._processes == 1:
            return
        data, options = self.pages.data, self.pages.options
        self._pool = ProcessPoolExecutor(self._processes, get_context("spawn"), _begin, (shared(self.pages), self._folder.writer))
        if "xlsx" in options.formats:
            told = without_words(data)
            self._workbooks = {lang: self._pool.submit(xlsx_file, told, lang, self.links(lang)) for lang in options.langs}
        if "html" in options.formats:
            self._running = [self._pool.submit(_work, batch) for batch in batches(self.pages, BATCH_PAGES)]

    def links(self, lang: str, up: str = "../") -> dict[str, str]:
        """Pages of calls by id, as seen from a folder of the report; none where there are no pages."""
        return {c: f"{up}{lang}/{call_href(c)}" for c in self.pages.paged} if "html" in self.pages.options.formats else {}

    def workbook(self, lang: str) -> bytes:
        """The spreadsheet in one language."""
        future = self._workbooks.get(lang)
        return xlsx_file(self.pages.data, lang, self.links(lang)) if future is None else future.result()

    def finish(self, downloads: tuple[tuple[str, str], ...]) -> None:
        """Wait until all pages are written; write the overview, which offers `downloads` as (name, path)."""
        if self._pool is None:
            base = shared(self.pages)
            for batch in batches(self.pages, BATCH_PAGES):
                for name, page in made(base, batch):
                    self._folder.write(name, page)
        else:
            for future in self._running:
                self._folder.written(future.result())
        ordered = tuple(sorted(downloads, key=lambda d: (not d[0].endswith(".xlsx"), d)))
        for name, page in front(replace(self.pages, downloads=ordered)):
            self._folder.write(name, page)

    def close(self) -> None:
        """End the other processes, whatever they do."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


_given: tuple[Pages, Writer] | None = None


def _begin(base: Pages, writer: Writer) -> None:
    """In a new process: an interrupt is the parent's to handle."""
    global _given
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _given = base, writer


def _work(batch: list[Item]) -> dict[str, str]:
    """Make and write the pages of a batch: names and digests."""
    assert _given is not None
    base, writer = _given
    return {name: writer.put(name, page) for name, page in made(base, batch)}
