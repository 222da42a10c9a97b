"""What an archive holds of a batch's results, compared with what the batch wrote."""

from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
from orthanc_server import Orthanc

from medseg.io import read_mask

__all__ = ["fill", "objects_in", "require_equal_masks"]


def fill(orthanc: Orthanc, folder: Path) -> list[Path]:
    """Put all files of a folder into an archive; they."""
    files = sorted(folder.rglob("*.dcm"))
    for path in files:
        orthanc.put(path.read_bytes())
    return files


def objects_in(orthanc: Orthanc, modality: str) -> dict[str, str]:
    """The archive's own ids of its instances of a modality, by SOPInstanceUID."""
    found = orthanc.ask("tools/find", Level="Instance", Query={"Modality": modality}, Expand=True)
    return {one["MainDicomTags"]["SOPInstanceUID"]: one["ID"] for one in found}


def require_equal_masks(orthanc: Orthanc, out: Path, studies: int, *, reports: bool = True) -> None:
    """Every study has one SEG in the archive (and one SR), which is the mask of its case; and there is no other."""
    assert len(pd.read_csv(out / "cases.csv", dtype=str)) == studies
    local = {pydicom.dcmread(path).SOPInstanceUID: path for path in out.glob("*/seg.dcm")}
    archived = objects_in(orthanc, "SEG")
    assert sorted(archived) == sorted(local)
    assert len(local) == studies
    assert len(objects_in(orthanc, "SR")) == studies * reports
    for uid, own in archived.items():
        stored = out.parent / "archived.dcm"
        stored.write_bytes(orthanc.file(own))
        mask, grid = read_mask(local[uid].parent / "mask.nii.gz")
        np.testing.assert_array_equal(read_mask(stored, on=grid)[0] > 0, mask > 0)
        assert mask.any()
