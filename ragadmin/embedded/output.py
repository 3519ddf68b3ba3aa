"""The supervisor's log: every line begins with the name of the service that wrote it."""

from __future__ import annotations

import os
import sys

WIDTH = 8
PLAIN = "\033[0m"
COLOURS = {
    "ragadmin": "\033[1m",
    "web": "\033[36m",
    "worker": "\033[35m",
    "beat": "\033[33m",
    "postgres": "\033[34m",
    "redis": "\033[31m",
}


class Output:
    def __init__(self) -> None:
        self.coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def write(self, name: str, text: str) -> None:
        prefix = f"{name:<{WIDTH}} |"
        if self.coloured:
            prefix = f"{COLOURS.get(name, '')}{prefix}{PLAIN}"
        try:
            sys.stdout.write(f"{prefix} {text}\n")
            sys.stdout.flush()
        except OSError:  # the reader of a pipe has gone: the services go on
            return
