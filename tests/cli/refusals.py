"""What cannot be, asked of the command line in this very process."""

from __future__ import annotations

from reglab.cli import main as cli


def refused_here(arguments: str, capsys) -> str:
    """Status 2, nothing on standard output, one sentence on standard error: the sentence."""
    try:
        status = cli.main(arguments.split())
    except SystemExit as exit:
        status = exit.code
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, ""), printed.err
    assert len(printed.err.splitlines()) == 1
    return printed.err.strip()
