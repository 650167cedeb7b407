"""`python -m qc` is `qc`."""

from qc.cli.begin import main

main()
