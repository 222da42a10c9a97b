"""The YAML file that says which jobs of a batch system (Slurm, PBS, LSF ...) are the workers of a run."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from medseg.config import Settings, check, read_yaml
from medseg.errors import ConfigError

__all__ = ["LOOPBACK", "ClusterFile", "place_of", "read_cluster_file"]

LOOPBACK = "127.0.0.1:0"  # nothing of Dask's pages is seen from elsewhere


class ClusterFile(Settings):
    """Jobs that are asked for, and what each of them is.

    Args:
        system: The batch system.
        jobs: How many; each is `options["processes"]` workers, one unless that says otherwise.
        cases_at_once: Cases that a worker does at a time; each has a process with the model open.
        threads: Of torch for each; left out, the processors of a worker are divided among its cases.
        gpu: Whether each worker has a GPU of its own, as `options` has to ask of the batch system.
        options: What dask-jobqueue's class for the system takes: cores, memory, walltime, queue, interface,
            job_extra_directives, job_script_prologue ...
    """

    system: Literal["slurm", "pbs", "lsf", "sge", "oar", "moab", "htcondor"]
    jobs: int = Field(ge=1)
    cases_at_once: int = Field(default=1, ge=1)
    threads: int | None = Field(default=None, ge=1)
    gpu: bool = False
    options: dict[str, Any] = Field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """What dask-jobqueue's class is made with; pages of scheduler and workers listen on loopback alone."""
        worker = ["--nthreads", str(self.cases_at_once), "--no-dashboard", "--dashboard-address", LOOPBACK]
        worker += ["--resources", "GPU=1"] if self.gpu else []
        given = dict(self.options)
        return {
            "processes": 1,
            **given,
            "worker_extra_args": [*worker, *given.get("worker_extra_args", [])],
            "scheduler_options": {"dashboard_address": LOOPBACK, **given.get("scheduler_options", {})},
        }


def read_cluster_file(path: Path) -> ClusterFile:
    """Such a file, checked.

    Raises:
        UnreadableFileError: It cannot be read.
        ConfigError: It says what no such file can.
    """
    return check(ClusterFile, read_yaml(path), path)


def place_of(where: str | Path) -> str | ClusterFile:
    """What the user named, checked: "local", the address of a scheduler, or such a file.

    Raises:
        ConfigError: It is none of them.
        UnreadableFileError: The file cannot be read.
    """
    text = str(where)
    if text == "local" or text.startswith(("tcp://", "tls://")):
        return text
    if text.endswith((".yaml", ".yml")):
        return read_cluster_file(Path(text))
    raise ConfigError(
        "--cluster", f"{text!r} is no cluster", "Write local, tcp://HOST:PORT, or the path of a YAML file."
    )
