"""python -m reglab COMMAND ...: what the commands share. Each is a file in `commands/`.

Exit status: 0 done, 1 the run failed, 2 what was asked cannot be (one sentence on standard error).
With --json, standard output is one JSON object a line, and the last line is the summary.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from reglab import __version__, compat
from reglab.cli.commands import commands
from reglab.errors import ConfigError, DataError, RunError


class Parser(argparse.ArgumentParser):
    """argparse that answers a mistake with one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        """Ends with status 2 and one sentence on standard error."""
        known = [option for action in compat.python.options_of(self) for option in action.option_strings]
        if message.startswith("unrecognized arguments: "):
            unknown = message.partition(": ")[2].split()[0]
            near = difflib.get_close_matches(unknown, known, n=1, cutoff=0.5)
            instead = f"did you mean {near[0]}?" if near else f"see `{self.prog} --help`."
            message = f"There is no option {unknown}: {instead}"
        else:
            message = f"{message[0].upper()}{message[1:]}: see `{self.prog} --help`."
        self.exit(2, message + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status. Raises `SystemExit` for `--help` and for what cannot be read."""
    compat.python.print_anything()
    parser = build_parser()
    args, rest = parser.parse_known_args(arguments)
    if rest:
        args.parser.error("unrecognized arguments: " + " ".join(rest))
    try:
        return int(args.run(args) or 0)
    except (ConfigError, DataError, RunError) as error:
        print(error, *getattr(error, "__notes__", ()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # as a shell says it
    except BrokenPipeError:  # `reglab runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build_parser() -> Parser:
    """All commands with their options. A command's module stands in `args.run`, its parser in `args.parser`."""
    parser = Parser(prog="python -m reglab", description="See what regularization does to a convolutional network.")
    parser.add_argument("--version", action="version", version=f"reglab {__version__}")
    listed = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name, command in commands().items():
        sub: Parser = listed.add_parser(name, help=command.ABOUT, description=command.ABOUT, allow_abbrev=False)
        command.add(sub)
        sub.set_defaults(run=command.run, parser=sub)
    return parser
