"""A batch from an archive that is killed and started again: no result is missing, and none is there twice."""

import signal
import subprocess
import sys
import time

import pytest
from archived_results import fill, objects_in, require_equal_masks


@pytest.mark.parametrize("moment", ["fetching", "storing"])
def test_a_killed_run_goes_on_without_duplicates(orthanc, node, studies, tmp_path, moment):
    fill(orthanc, studies)
    out = tmp_path / "out"
    (tmp_path / "codes.yaml").write_text("foreground: lesion\n")
    (tmp_path / "nodes.yaml").write_text(
        f"orthanc: {{web: {{url: '{orthanc.url}', user: medseg, password_file: password}}}}\n"
    )
    words = ["predict", "classical:otsu", f"dicomweb+{orthanc.url}?Modality=CT", "--out", str(out), "--jobs", "0"]
    words += ["--write", "seg,sr", "--codes", str(tmp_path / "codes.yaml"), "--store"]
    command = [sys.executable, "-m", "medseg", *words, "--nodes", str(tmp_path / "nodes.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if moment == "fetching" and len(list((out / "archive" / "fetched").rglob("*.dcm"))) >= 6:
            break
        if moment == "storing" and len(objects_in(orthanc, "SEG")) >= 1:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    require_equal_masks(orthanc, out, 4)
    secret = (tmp_path / "password").read_text().strip().encode()
    assert not [path for path in out.rglob("*") if path.is_file() and secret in path.read_bytes()]
