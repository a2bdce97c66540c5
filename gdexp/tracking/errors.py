"""What can go wrong between gdexp and the tracking store."""

import re
import sqlite3

from gdexp.core.errors import GdexpError
from gdexp.tracking.settings import masked


class TrackingError(GdexpError):
    """The tracking store cannot be used; the text names the store and what it answered."""


class StoreAwayError(TrackingError):
    """A store did not take something, although it was tried for as long as it was to be."""


def is_away(error: BaseException) -> bool:
    """Tell whether the store, and not what was sent, is the reason for `error`: it may be another time."""
    if isinstance(error, TrackingError):
        return isinstance(error, StoreAwayError) or isinstance(error.__cause__, sqlite3.OperationalError)
    if isinstance(error, OSError):  # requests' errors, too
        answer = getattr(error, "response", None)
        return answer is None or answer.status_code >= 500
    status = getattr(error, "get_http_status_code", None)  # of MLflow's own errors
    return status is not None and (status() >= 500 or status() in (408, 429))


def reason(error: BaseException) -> str:
    """Return why a store does not do what it should, in a few words without credentials."""
    text = masked(str(error)).strip()
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror.lower()}: {error.filename}"
    # What the operating system said is at the end of a long line of requests' and MLflow's.
    said = re.findall(r"\[Errno -?\d+\] ([^'\")\]]+)|([Rr]ead timed out)|(Remote end closed connection)", text)
    found = next((word for word in said[-1] if word), "") if said else ""
    return found.lower() or text.removesuffix("; see tracking.uri").partition("\n")[0] or type(error).__name__
