"""Records runs in MLflow and reads them back: the one place that imports mlflow, and only when a store is opened."""

from gdexp.tracking.errors import TrackingError
from gdexp.tracking.record import RunRecord, recorded_run
from gdexp.tracking.settings import Tracking, masked
from gdexp.tracking.store import Store, open_store

__all__ = ["RunRecord", "Store", "Tracking", "TrackingError", "masked", "open_store", "recorded_run"]
