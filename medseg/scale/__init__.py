"""Predict on a cluster by Dask: each case a task, this side alone writes the ledger, every byte as without it."""

from medseg.scale.dispatch import Dispatch
from medseg.scale.fleet import Fleet, Muster, assembled
from medseg.scale.places import job_script
from medseg.scale.settings import ClusterFile, read_cluster_file

__all__ = ["ClusterFile", "Dispatch", "Fleet", "Muster", "assembled", "job_script", "read_cluster_file"]
