"""Where the command `qc` begins and ends, as fast as it can: the rest of the command line is `qc.cli.main`."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with one of `errors.Exit`. A large scan has its processes begin before the command line is built."""
    if sys.argv[1:2] == ["scan"]:
        from qc.scan.ahead import glance

        glance(sys.argv[1:])
    from qc.cli.main import main as verbs

    try:
        verbs()
    except SystemExit as end:
        leave(end.code)
        raise
    sys.exit()


def leave(code: object) -> None:
    """End the process now, after what is to be done at its end: to take every module and library apart first takes Python a tenth of
    a second, and threads of libraries have been seen to abort meanwhile. Comes back where only Python's own way will do.
    """
    import atexit
    import os
    import threading

    if not (code is None or isinstance(code, int)) or any(
        not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()
    ):
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # Python says it, and gives its own code
        return
    atexit._run_exitfuncs()
    os._exit(code or 0)
