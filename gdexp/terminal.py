"""What is said on the terminal."""

from __future__ import annotations

import os
import sys

from gdexp.tracking import masked


def say(text: str, *, error: bool = False) -> None:
    """Print a line at once, without the credentials of any URI in it and without control codes.

    A reader who has gone, as `head` has after its lines, does not end what is running.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        print(masked(visible(text)), file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def visible(text: str) -> str:
    """Return `text` with a space for whatever is neither a visible character nor a line break."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def printable(text: str) -> str:
    """Return `text` as one line of visible characters."""
    return " ".join(visible(text).split())
