"""What processes of the line do in tests: the real thing, but that some cases kill the process that is at them."""

import errno
import os
import signal
import time

import numpy as np

from medseg import Labels, Segmentation
from medseg.errors import OutputError
from medseg.line import tasks

__all__ = [
    "finish_fatally",
    "finish_slowly",
    "finish_when_there_is_room",
    "never_opens",
    "never_ready",
    "read_fatally",
    "read_greedily",
    "read_never",
    "segment_fatally",
    "segment_nothing",
    "unsendable",
]


def read_fatally(options, case):
    """`read`, but `case1` ends its process as a broken decoder does, and `case4` as the kernel does out of memory."""
    if case.id == "case1":
        os.abort()
    if case.id == "case4":
        os.kill(os.getpid(), signal.SIGKILL)
    return tasks.read(options, case)


def finish_fatally(how, work):
    """`finish`, but of `case2` a half-written file is all that remains."""
    if work[0].id == "case2":
        (how.out / "case2").mkdir(parents=True, exist_ok=True)
        (how.out / "case2" / ".mask.nii-0123.nii.gz").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGSEGV)
    return tasks.finish(how, work)


def finish_slowly(how, work):
    """`finish` after a while."""
    time.sleep(0.3)
    return tasks.finish(how, work)


def finish_when_there_is_room(how, work):
    """`finish`, but for `case1` the disk is full at first, and never answers afterwards."""
    if work[0].id == "case1":
        if not (how.out / "was full").exists():
            (how.out / "was full").touch()
            raise OutputError(how.out, "is full", "Make room.", error=OSError(errno.ENOSPC, "no space"))
        time.sleep(3600)
    return tasks.finish(how, work)


def unsendable(given, message):
    """What cannot be pickled, where the message is 0."""
    return message or (lambda: None)


def read_never(options, case):
    """`read`, but `case1` is waited for in vain."""
    while case.id == "case1":
        time.sleep(1)
    return tasks.read(options, case)


def read_greedily(options, case):
    """`read`, but `case1` takes ever more memory."""
    held = []
    while case.id == "case1":
        held.append(np.ones(1 << 23))  # 64 MiB
        time.sleep(0.05)
    return tasks.read(options, case)


def segment_fatally(labels, ask):
    """A mask of nothing for each image, but `case2` ends the process; how many share the call is a note."""
    if any(case.id == "case2" for case in ask.cases):
        os.kill(os.getpid(), signal.SIGKILL)
    found = Labels.from_config(labels)
    note = (f"{len(ask.images)} of {ask.among}",)
    return [Segmentation(np.zeros(i.geometry.shape, np.uint8), i.geometry, found, notes=note) for i in ask.images]


def segment_nothing(labels, ask):
    """A mask of nothing for each image."""
    found = Labels.from_config(labels)
    return [Segmentation(np.zeros(i.geometry.shape, np.uint8), i.geometry, found) for i in ask.images]


def never_ready(given):
    """What cannot be prepared."""
    raise MemoryError("no room on this GPU")


def never_opens(given):
    """What is prepared in vain."""
    while True:
        time.sleep(1)
