"""Fuzz every reader with atheris: `python tests/fuzz/run.py --minutes 60 [--only FORMAT …] [--corpus FOLDER]`.

Each format gets an equal share of the time in a process of its own with a limit on its memory; a process that dies
or hangs is a finding and is started again. Inputs that break the contract are kept in the corpus folder.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

_MEMORY = 8 << 30  # bytes of address space
_MEMORY_DISK = Path("/dev/shm")
_HANGS_S = 20
_LONGEST = 1 << 16  # bytes of an input
_LARGEST_SEED = 200_000
_REAL = {
    "nifti": (".nii",),
    "nifti_gz": (".nii.gz",),
    "mgz": (".mgz",),
    "hdf5": (".h5",),
    "npy": (".npy",),
    "png": (".png",),
    "jpeg": (".jpg",),
    "tiff": (".tif",),
    "bmp": (".bmp",),
    "pnm": (".pgm",),
    "nrrd": (".nrrd",),
    "metaimage": (".mha",),
    "dicom": (".dcm",),
    "dicom_gz": (".dcm.gz",),
    "dicom_folder": (".dcm",),
    "dicomdir": ("DICOMDIR",),
    "structures": (".dcm",),
}


@dataclass
class Tally:
    """What the runs of one format came to."""

    runs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0
    found: set[str] = field(default_factory=set)

    def add(self, figures: dict) -> None:
        self.runs += figures["runs"]
        self.seconds += figures["seconds"]
        self.slowest, self.peak = max(self.slowest, figures["slowest"]), max(self.peak, figures["peak"])
        self.found |= set(figures["found"])

    def row(self, kind: str) -> str:
        """A line of the table, and one for each finding."""
        speed, minutes = self.runs / max(self.seconds, 1), self.seconds / 60
        figures = (f"{speed:.0f}", f"{minutes:.1f}", len(self.found), f"{self.slowest:.2f}", f"{self.peak / 2**20:.0f}")
        return _row(kind, self.runs, *figures) + "".join(f"    {name}\n" for name in sorted(self.found))


def _row(kind: str, *figures: object) -> str:
    return f"{kind:14}" + "".join(f"{figure:>11}" for figure in figures) + "\n"


def main() -> int:
    from seeds import seeds
    from targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="for all formats together")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="FORMAT")
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "medseg-fuzz", help="keeps inputs")
    parser.add_argument("--real", type=Path, default=os.environ.get("MEDSEG_TEST_DATA"), help="a folder of more seeds")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed: pip install atheris (Linux, and macOS with LLVM's clang)")
    given.corpus.mkdir(parents=True, exist_ok=True)
    share = 60 * given.minutes / len(given.only)
    sys.stdout.write(_row("format", "runs", "runs/s", "minutes", "findings", "slowest s", "peak MiB"))
    clean = True
    for kind in given.only:
        corpus = given.corpus / kind
        corpus.mkdir(exist_ok=True)
        for name, content in {**seeds(kind), **_real(kind, given.real)}.items():
            (corpus / name).write_bytes(content)
        tally = _fuzzed(kind, given.corpus, share)
        sys.stdout.write(tally.row(kind))
        sys.stdout.flush()
        clean = clean and not tally.found
    return 0 if clean else 1


def _real(kind: str, folder: str | Path | None) -> dict[str, bytes]:
    """Small real files, by a name without their path."""
    if not folder or kind not in _REAL:
        return {}
    found = sorted(path for path in Path(folder).rglob("*") if path.name.endswith(_REAL[kind]) and path.is_file())
    small = [path for path in found if path.stat().st_size <= _LARGEST_SEED]
    return {f"real{number}": path.read_bytes() for number, path in enumerate(small[:: max(1, len(small) // 40)])}


def _fuzzed(kind: str, corpus: Path, seconds: float) -> Tally:
    """One format for so many seconds, started again after each crash."""
    tally, until = Tally(), time.monotonic() + seconds
    while (left := until - time.monotonic()) > 1:
        # libFuzzer ends its process at once: what that leaves behind goes with this folder.
        with tempfile.TemporaryDirectory(dir=_MEMORY_DISK if _MEMORY_DISK.is_dir() else None) as folder:
            figures = Path(folder) / "tally.json"
            status = _one_process(kind, corpus, figures, left)
            if figures.exists():
                tally.add(json.loads(figures.read_text()))
        if status:
            tally.found.add(f"crash {status}: see {corpus}/{kind}.log")
    return tally


def _one_process(kind: str, corpus: Path, figures: Path, seconds: float) -> int:
    command = [
        *(sys.executable, str(HERE / "one_format.py"), kind, str(corpus), str(figures)),
        *(f"-max_total_time={int(seconds)}", f"-timeout={_HANGS_S}", f"-max_len={_LONGEST}", "-rss_limit_mb=4096"),
        *(f"-artifact_prefix={corpus}/{kind}-", "-print_final_stats=1", "-verbosity=0", str(corpus / kind)),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[:3]), "OMP_NUM_THREADS": "1"}
    environment["TMPDIR"] = str(figures.parent)
    with (corpus / f"{kind}.log").open("ab") as log:
        try:
            return subprocess.run(
                command, stdout=log, stderr=log, env=environment, timeout=seconds + 120, preexec_fn=_limited
            ).returncode
        except subprocess.TimeoutExpired:
            return -1


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    sys.exit(main())
