"""A run on a cluster: a real scheduler and worker processes on loopback, killed midway, and every byte as without."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
import pytest

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

import torch
from distributed import Client, LocalCluster
from plans import plan_3d, untrained_model
from test_line import contents

import medseg
from medseg.datasets import cases_from_inputs
from medseg.errors import ConfigError, UnreadableFileError
from medseg.ledger import Listing, fingerprint, read_ledger
from medseg.line.network import Opening
from medseg.outputs.record import versions
from medseg.reporting import Silent
from medseg.scale import crew, job_script, read_cluster_file
from medseg.scale.crew import greet
from medseg.scale.hands import Hand, threads_each
from medseg.scale.lease import Lease, Mark, Noted, sweep
from medseg.scale.places import workers_here
from medseg.scale.terms import Seen, Terms, Unfit


class Watching(Silent):
    """Keeps what is said; calls `then` with how many cases are done."""

    def __init__(self, then=lambda done: None):
        self.said, self.then = [], then

    def say(self, text):
        self.said.append(text)

    def advance(self, text, done, total, note=""):
        self.then(done)


@contextmanager
def scheduler():
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs="CRITICAL") as found:
        yield found.scheduler_address


@pytest.fixture(scope="module")
def cluster():
    """A scheduler with two workers, and the processes of these."""
    with scheduler() as address, workers_here(address, 2) as processes:
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, processes


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def studies(blobs, tmp_path):
    """Ten good studies and a bad one."""
    shutil.copytree(blobs / "images", tmp_path / "in")
    (tmp_path / "in" / "bad.nii.gz").write_bytes(b"not a gzip")
    return tmp_path / "in"


def same(one: Path, other: Path) -> bool:
    """Whether all files are, but for those that tell of the run itself."""
    volatile = {"run.html"}
    left, right = contents(one), contents(other)
    return {k: v for k, v in left.items() if k not in volatile} == {k: v for k, v in right.items() if k not in volatile}


def at_work(nanny) -> tuple[psutil.Process, list[psutil.Process]]:
    """The worker that a nanny keeps, and the processes of it in which the model is open."""
    for worker in psutil.Process(nanny.pid).children():
        own = [child for child in worker.children() if any("medseg.line" in word for word in child.cmdline())]
        if own:
            return worker, own
    raise AssertionError("it has none")


def test_a_run_with_a_killed_worker_is_that_of_one_process_to_the_last_byte(cluster, studies, tmp_path, one_thread):
    address, processes = cluster
    folder = untrained_model(tmp_path / "model", plan_3d(spacing_mm=(2.0, 2.0, 2.0)))
    plain = medseg.predict(folder, studies, tmp_path / "plain", jobs=0, precision="fp32")
    killed = []

    def kill(done):
        if done == 2:
            worker, own = at_work(processes[0])
            killed.extend(one.pid for one in (worker, *own))
            worker.kill()

    reporter = Watching(kill)
    done = medseg.predict(folder, studies, tmp_path / "out", cluster=address, precision="fp32", reporter=reporter)
    assert len(killed) >= 2
    assert list(done.failed["case"]) == ["bad"]
    assert same(tmp_path / "plain", tmp_path / "out")
    assert done.regions.equals(plain.regions)
    assert len(pd.read_csv(tmp_path / "out" / "timings.csv")) == 11
    assert not list((tmp_path / "out").glob(".cluster-*"))
    assert not [pid for pid in killed if psutil.pid_exists(pid)]


def test_a_process_that_dies_at_a_case_costs_attempts_of_that_case_alone(cluster, studies, tmp_path):
    """The processes of the workers are killed while they are at cases; then what was done is not done again."""
    address, processes = cluster
    medseg.predict("classical:otsu", studies, tmp_path / "plain", jobs=0)

    def kill(done):
        if done in (1, 4):
            for child in at_work(processes[1])[1]:
                child.kill()

    out = tmp_path / "out"
    done = medseg.predict("classical:otsu", studies, out, cluster=address, attempts=5, reporter=Watching(kill))
    assert list(done.failed["case"]) == ["bad"]
    assert same(tmp_path / "plain", out)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("mask.nii.gz")}
    reporter = Watching()
    medseg.predict("classical:otsu", studies, out, cluster=address, reporter=reporter)
    assert stamps == {path: path.stat().st_mtime_ns for path in out.rglob("mask.nii.gz")}
    assert any("10 of 11 cases were done before" in text for text in reporter.said)


def test_a_process_that_hangs_is_ended_and_its_case_done_by_another(cluster, studies, tmp_path):
    medseg.predict("classical:otsu", studies, tmp_path / "plain", jobs=0)
    hung = []

    def stop(done):
        if done == 2:
            hung.extend(at_work(cluster[1][0])[1])
            for child in hung:
                child.suspend()

    done = medseg.predict(
        "classical:otsu", studies, tmp_path / "out", cluster=cluster[0], timeout=3, reporter=Watching(stop)
    )
    assert list(done.failed["case"]) == ["bad"]
    assert hung
    assert not [child for child in hung if child.is_running()]
    assert same(tmp_path / "plain", tmp_path / "out")


def test_a_worker_without_the_disk_is_refused_by_name(studies, tmp_path):
    """A worker in a mount namespace of its own, where the folder of the run is another, empty one."""
    hidden = tmp_path / "disk"
    hidden.mkdir()
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount anything")
    with scheduler() as address:
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--host", "127.0.0.1", "--no-nanny"]
        worker += ["--name", "elsewhere", "--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path)]
        script = 'mount -t tmpfs none "$0" && exec "$@"'
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(["unshare", "-m", "sh", "-c", script, str(hidden), *worker], **silent)
        try:
            with pytest.raises(ConfigError, match=r"worker elsewhere tcp://\S+: does not see .*disk/out"):
                medseg.predict("classical:otsu", studies, hidden / "out", cluster=address)
        finally:
            process.kill()
            process.wait()
    assert not list(hidden.rglob("*"))[1:]


def test_workers_agree_in_versions_files_and_folders(studies, tmp_path):
    lease = Lease.taken(tmp_path / "out")
    cases = cases_from_inputs([studies])
    samples = ((cases[1], fingerprint(cases[1], Listing())),)
    terms = Terms(lease, Path.cwd(), versions(), samples=samples)
    seen = greet(terms, "tcp://here", "a")
    assert isinstance(seen, Seen)
    assert seen.host
    assert lease.answered("a")
    assert not lease.answered("b")
    other = greet(replace(terms, versions={**versions(), "medseg": "9.9"}), "tcp://here", "c")
    assert isinstance(other, Unfit)
    assert "where the run has 9.9" in other.found
    (studies / "case0.nii.gz").write_bytes(b"other bytes")
    assert "does not see" in greet(terms, "tcp://here", "d").found
    assert "from which the run was started" in greet(replace(terms, cwd=tmp_path / "no"), "tcp://here", "e").found
    lease.end()
    assert "the folder of the run" in greet(terms, "tcp://here", "f").found


def test_a_model_that_is_not_there_is_told_with_the_worker(cluster, studies, tmp_path):
    with pytest.raises(ConfigError, match=r"worker here-. tcp://127\S+ cannot open the model: \S*nowhere"):
        medseg.predict(tmp_path / "nowhere", studies, tmp_path / "out", cluster=cluster[0])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ConfigError, match="no scheduler answers"):
        medseg.predict("classical:otsu", studies, tmp_path / "out", cluster=f"tcp://127.0.0.1:{port}")


def test_a_worker_of_two_runs_keeps_the_model_open_for_each_until_it_is_over(tmp_path):
    def kept(run: str) -> tuple[Terms, object]:
        opening = Opening(Path("classical:otsu"))
        terms = Terms(Lease.taken(tmp_path / run), Path.cwd(), versions(), opening=opening)
        return terms, crew.crew_of(terms)

    (first, its), (second, other) = kept("a"), kept("b")
    assert crew.crew_of(first) is its
    assert crew.crew_of(second) is other
    assert crew.crew_of(replace(first, turn=1)) is not its  # the model was opened anew
    second.lease.end()
    assert crew.crew_of(first) is not its
    assert crew.crew_of(second) is not other
    for terms in (first, second):
        terms.lease.end()
        crew.dismiss(terms.lease.token)


def test_marks_outlive_who_wrote_them(tmp_path):
    lease = Lease.taken(tmp_path)
    assert lease.noted(7) is None
    path = lease.begin(7)
    assert lease.begin(7) is None
    assert lease.noted(7) == Noted()
    mark = Mark(path)
    long = Noted("segmenting", (4, 5), 2, {"4": {"scanner": "A long name of a scanner"}})
    mark.note(long)
    assert lease.noted(7) == long
    mark.note(Noted("ended"))
    assert lease.noted(7) == Noted("ended")
    mark.close()
    lease.forget(7)
    assert lease.noted(7) is None
    other = Lease.taken(tmp_path)
    sweep(tmp_path, other)
    assert (lease.held, other.held) == (False, True)
    other.drain()
    assert other.draining


def test_no_processor_has_two_threads():
    def hand(host, cores, slots):
        return Hand("", "", slots, Seen(host, tuple(range(cores))))

    assert threads_each([hand("a", 8, 1)]) == 8
    assert threads_each([hand("a", 8, 1), hand("a", 8, 1)]) == 4
    assert threads_each([hand("a", 8, 3), hand("b", 32, 2)]) == 2
    assert threads_each([hand("a", 2, 8)]) == 1


SLURM = """
system: slurm
jobs: 3
cases_at_once: 2
gpu: true
options:
  cores: 8
  memory: 32GiB
  walltime: "12:00:00"
  queue: long
  job_extra_directives: ["--gres=gpu:1"]
  scheduler_options: {host: 127.0.0.1}
"""


@pytest.mark.parametrize(
    ("system", "line"), [("slurm", "#SBATCH -p long"), ("pbs", "#PBS -q long"), ("lsf", "#BSUB -q long")]
)
def test_the_script_of_a_job_says_what_the_file_says(tmp_path, system, line):
    path = tmp_path / "cluster.yaml"
    text = SLURM.replace("slurm", system).replace('"12:00:00"', '"12:00"' if system == "lsf" else '"12:00:00"')
    path.write_text(text)
    script = job_script(str(path))
    assert line in script
    assert "--gres=gpu:1" in script
    worker = next(line for line in script.splitlines() if "dask_worker" in line).split()
    values = {name: worker[len(worker) - worker[::-1].index(name)] for name in ("--nthreads", "--resources")}
    assert values == {"--nthreads": "2", "--resources": "GPU=1"}
    assert worker[worker.index("--dashboard-address") + 1] == "127.0.0.1:0"
    assert any(word.startswith("tcp://127.0.0.1:") for word in worker)


def test_files_that_say_no_cluster_are_refused(tmp_path):
    path = tmp_path / "cluster.yaml"
    for text, told in (
        (SLURM + "job: 1\n", "job"),
        (SLURM.replace("jobs: 3", "jobs: 0"), "jobs"),
        ("jobs: 1\n", "system"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=told):
            read_cluster_file(path)
    path.write_text(SLURM.replace("cores: 8", "kernels: 8"))
    with pytest.raises(ConfigError, match="slurm refuses them"):
        job_script(str(path))
    with pytest.raises(ConfigError, match="is no cluster"):
        job_script("somewhere")
    with pytest.raises(UnreadableFileError):
        job_script(str(tmp_path / "none.yaml"))


def test_a_cluster_of_jobs_leaves_ctrl_c_as_it_was(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(SLURM)
    code = (
        "import signal, sys; from medseg.scale import job_script; before = signal.getsignal(signal.SIGINT);"
        "assert job_script(sys.argv[1]); assert signal.getsignal(signal.SIGINT) is before"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_ctrl_c_finishes_what_has_begun_and_all_is_seen_from_loopback_alone(studies, tmp_path):
    """`--cluster local` as a user types it, with a listener nowhere but on 127.0.0.1; then it goes on."""
    for number in range(60):
        shutil.copy(studies / "case0.nii.gz", studies / f"more{number}.nii.gz")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "medseg", "predict", "classical:otsu", str(studies), "--out", str(out)]
    command += ["--cluster", "local", "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 60
    while len(list(out.glob("*/mask.nii.gz"))) < 3:
        assert time.monotonic() < until
        time.sleep(0.02)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    listening = {one.laddr.ip for member in family for one in _connections(member) if one.status == "LISTEN"}
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "the same command goes on" in told
    assert listening == {"127.0.0.1"}
    assert not [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    assert not list(out.glob(".cluster-*"))
    with read_ledger(out) as ledger:
        counts = ledger.counts()
    assert counts["queued"] > 0
    assert "running" not in counts
    masks = len(list(out.glob("*/mask.nii.gz")))
    assert masks == counts["done"]
    medseg.predict("classical:otsu", studies, out, jobs=0)
    medseg.predict("classical:otsu", studies, tmp_path / "plain", jobs=0)
    assert {k: v for k, v in contents(out).items() if "run." not in k} == {
        k: v for k, v in contents(tmp_path / "plain").items() if "run." not in k
    }


def _connections(member):
    try:
        return member.net_connections()
    except psutil.Error:
        return []
