"""A short seeded run of what `run.py` does for an hour; see `test_headers.py` for one number at a time."""

import mmap
import os
import random
from pathlib import Path

import pytest
from contract import ViolationError, kept
from mutations import damaged
from seeds import seeds
from targets import TARGETS, run

from medseg.errors import MedsegError

RUNS = 100
SLOW_RUNS = 50  # of formats that are read in more ways
SLOW = ("dicom", "dicom_gz", "dicom_folder", "structures", "tiff", "hdf5")


def raise_unnamed() -> None:
    raise MedsegError("geometry", "is odd", "Mend it.")


def fill_pages(size: int) -> None:
    """Take fresh memory from the system: what malloc gives may have been this process's all along."""
    with mmap.mmap(-1, size) as pages:
        for start in range(0, size, mmap.PAGESIZE):
            pages[start] = 1


@pytest.mark.parametrize("kind", TARGETS)
def test_sound_files_are_read(kind: str) -> None:
    for name, content in seeds(kind).items():
        assert run(kind, content).refused < len(TARGETS[kind].readings(Path(name)))


@pytest.mark.parametrize("kind", TARGETS)
def test_damaged_files_are_read_or_refused_by_name(kind: str) -> None:
    rng, sound = random.Random(kind), list(seeds(kind).values())
    for _ in range(SLOW_RUNS if kind in SLOW else RUNS):
        run(kind, damaged(rng.choice(sound), rng))


@pytest.mark.parametrize("kind", TARGETS)
def test_files_cut_off_anywhere_are_read_or_refused_by_name(kind: str) -> None:
    for content in list(seeds(kind).values())[:3]:
        for share in (0.0, 0.1, 0.5, 0.9, 0.99):
            run(kind, content[: int(len(content) * share)])


@pytest.mark.parametrize(
    ("faulty", "kind"),
    [
        (lambda: [][0], "leaked"),
        (lambda: raise_unnamed(), "unnamed"),
        (lambda: os.write(2, b"on the console"), "printed"),
        (lambda: fill_pages(1 << 29), "memory"),
    ],
)
def test_the_contract_notices_what_breaks_it(faulty: object, kind: str) -> None:
    with pytest.raises(ViolationError) as caught:
        kept([faulty], ("case",), 10)  # type: ignore[list-item]
    assert caught.value.kind == kind
