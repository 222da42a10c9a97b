"""What processes of the line do in tests: the real thing, but that some cases kill the process that is at them."""

import os
import signal
import time

from medseg.line import tasks

__all__ = ["finish_fatally", "finish_slowly", "read_fatally", "unsendable"]


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
        (how.out / "case2").mkdir(parents=True)
        (how.out / "case2" / ".mask.nii-0123.nii.gz").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGSEGV)
    return tasks.finish(how, work)


def finish_slowly(how, work):
    """`finish` after a while."""
    time.sleep(0.3)
    return tasks.finish(how, work)


def unsendable(given, message):
    """What cannot be pickled, where the message is 0."""
    return message or (lambda: None)
