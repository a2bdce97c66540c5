"""The errors that gdexp raises for what a user can mend: each text is one line."""

from __future__ import annotations


class GdexpError(Exception):
    """Base class of every error of gdexp."""


class ParameterError(GdexpError, ValueError):
    """A setting has a value that it does not take.

    `key` is the setting, `takes` what it accepts, `got` the value, and `hint` what to do instead.
    """

    def __init__(self, key: str, takes: str, got: object, hint: str = "") -> None:
        self.key, self.takes, self.got, self.hint = key, takes, got, hint
        super().__init__(key, takes, got, hint)

    def within(self, group: str) -> ParameterError:
        """Return the same error with the key as a user writes it: `group.key`."""
        return type(self)(f"{group}.{self.key}", self.takes, self.got, self.hint)

    def __str__(self) -> str:
        return f"{self.key} takes {self.takes}; got {self.got!r}." + (f" {self.hint}" if self.hint else "")


class DataError(GdexpError):
    """The data cannot be used; the text names the place and what is wrong there."""
