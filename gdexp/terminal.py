"""What is said on the terminal."""

from __future__ import annotations

import os
import sys


def say(text: str, *, error: bool = False) -> None:
    """Print a line at once; a reader who has gone, as `head` has after its lines, does not end what is running."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
