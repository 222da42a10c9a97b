"""Where workers come from: started here on loopback, a scheduler that runs already, or jobs of a batch system."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.errors import ConfigError, MissingExtraError
from medseg.scale.settings import LOOPBACK, ClusterFile, place_of

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["connected", "gpus_here", "job_cluster", "job_script", "require_dask", "workers_here"]

_GPUS = Path("/proc/driver/nvidia/gpus")
_CONNECT = 10  # seconds
_FAREWELL = 10.0
_MEND = "Install it: pip install 'medseg[cluster]'."
_CLASSES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
}


def require_dask() -> None:
    """Refuse where it is missing.

    Raises:
        MissingExtraError: The extra `cluster` is not installed.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("--cluster", f"{error.name} is not installed", _MEND) from error


@contextmanager
def connected(where: str | ClusterFile, workers: int, gpus: int) -> Iterator["Client"]:
    """A client of the cluster; what was started for it ends with the block.

    Args:
        where: "local", the address of a scheduler, or the jobs to ask for.
        workers: Of "local".
        gpus: Of this machine, one for each worker of "local"; 0 for none.

    Raises:
        ConfigError: There is no such cluster.
    """
    if isinstance(where, ClusterFile):
        with job_cluster(where) as cluster, _client(cluster) as client:
            cluster.scale(jobs=where.jobs)
            yield client
    elif where == "local":
        from distributed import LocalCluster

        quiet: dict[str, Any] = {"dashboard_address": LOOPBACK, "silence_logs": "CRITICAL"}
        with (
            LocalCluster(n_workers=0, host="127.0.0.1", **quiet) as cluster,
            _client(cluster) as client,
            workers_here(cluster.scheduler_address, workers, gpus),
        ):
            yield client
    else:
        with _client(where) as client:
            yield client


@contextmanager
def _client(cluster: Any) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(cluster, set_as_default=False, timeout=_CONNECT)
    except (OSError, ValueError) as error:
        mend = "Start it with `dask scheduler`, and name the address that it tells."
        raise ConfigError("--cluster", f"no scheduler answers at {cluster} ({error})", mend) from error
    try:
        yield client
    finally:
        client.close()


@contextmanager
def job_cluster(file: ClusterFile) -> Iterator[Any]:
    """The cluster of a batch system, of which no job has been asked for yet; `job_script()` is what it will submit.

    Raises:
        MissingExtraError: dask-jobqueue is not installed.
        ConfigError: It does not take the options.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        import dask_jobqueue
        from distributed import Status
    except ImportError as error:
        raise MissingExtraError("--cluster", "dask-jobqueue is not installed", _MEND) from error
    if before is not None and signal.getsignal(signal.SIGINT) is not before:
        signal.signal(signal.SIGINT, before)  # the import took Ctrl-C, which would exit as if all were well
    kind = getattr(dask_jobqueue, _CLASSES[file.system])
    cluster = kind.__new__(kind)
    try:
        cluster.__init__(**file.arguments())
    except (TypeError, ValueError, RuntimeError) as error:
        cluster.status = Status.closed  # as it never was open, which it does not know
        mend = "See the documentation of dask-jobqueue for what this batch system takes."
        raise ConfigError("options", f"{file.system} refuses them ({error})", mend) from error
    with cluster:
        yield cluster


def job_script(where: str) -> str:
    """What a batch system would be given for each job; "" where the cluster is none of a batch system.

    Args:
        where: As in `medseg.predict`.

    Raises:
        MissingExtraError: dask-jobqueue is not installed.
        ConfigError: There can be no such cluster.
    """
    place = place_of(where)
    if not isinstance(place, ClusterFile):
        return ""
    with job_cluster(place) as cluster:
        script: str = cluster.job_script()
        return script


@contextmanager
def workers_here(scheduler: str, count: int, gpus: int = 0) -> Iterator[Sequence["subprocess.Popen[bytes]"]]:
    """Workers on this machine that do one case at a time each, in processes that hear no Ctrl-C.

    They are plain interpreters, so that a script needs no `__main__` guard.
    """
    with tempfile.TemporaryDirectory(prefix="medseg-workers-") as folder:
        processes = [_worker(scheduler, number, gpus, folder) for number in range(count)]
        try:
            yield processes
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                _end(process)


def _worker(scheduler: str, number: int, gpus: int, folder: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler, "--name", f"here-{number}"]
    command += ["--host", "127.0.0.1", "--nthreads", "1", "--memory-limit", "0", "--local-directory", folder]
    command += ["--no-dashboard", "--dashboard-address", LOOPBACK, "--death-timeout", "60"]
    environment: Mapping[str, str] = os.environ
    if gpus:
        command += ["--resources", "GPU=1"]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": str(number % gpus)}
    silent: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    return subprocess.Popen(command, env=environment, start_new_session=True, **silent)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(_FAREWELL)
        return
    process.kill()
    process.wait()


def gpus_here(folder: Path = _GPUS) -> int:
    """GPUs of this machine that NVIDIA's driver tells of; no library is loaded to know."""
    return len(list(folder.iterdir())) if folder.is_dir() else 0
