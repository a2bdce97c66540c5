"""What can go wrong between gdexp and the tracking store."""

from gdexp.core.errors import GdexpError


class TrackingError(GdexpError):
    """The tracking store cannot be used; the text names the store and what it answered."""
