"""Predict on a cluster by Dask: each case a task, this side alone writes the ledger, every byte as without it."""

from medseg.scale.fleet import Fleet, Muster, assembled
from medseg.scale.settings import ClusterFile, read_cluster_file

__all__ = ["ClusterFile", "Fleet", "Muster", "assembled", "read_cluster_file"]
