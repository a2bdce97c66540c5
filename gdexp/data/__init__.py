"""A named dataset becomes features, target, names and a fingerprint, reduced to the problem that is descended on."""

from gdexp.data.dataset import Dataset, load
from gdexp.data.datasets import DATASETS, dataset_class
from gdexp.data.scaling import SCALINGS, Scaling
from gdexp.data.source import Source, Table

__all__ = ["DATASETS", "SCALINGS", "Dataset", "Scaling", "Source", "Table", "dataset_class", "load"]
