"""Which layout opens each folder of the test data, and what the doctor finds there. By hand.

    python tests/benchmarks/opened.py [DATA] [--page FOLDER] [FOLDER ...]

DATA is `MEDSEG_TEST_DATA` where it is left out. Folders that hold several data sets are taken apart; folders
that hold none say so. `--page FOLDER` also writes the doctor's page of each.
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import medseg
from medseg.datasets import inspect_dataset, survey_dataset
from medseg.labels import Labels
from medseg.outputs.inspection_page import write_inspection_page

# Folders inside a folder that are data sets of their own, in place of it.
PARTS = {
    "awkward": ["derived_nifti", "monai_testing_data", "mirp_misc_masks/uninformative", "dicomdir_tree"],
    "ibsi": ["ibsi_1_ct_radiomics_phantom/nifti", "ibsi_1_digital_phantom/nifti"],
    "metrics_oracles": ["picai_eval/test-maps"],
    "hdf5_derived": ["cxr_stack.h5", "hippocampus_volumes.h5"],
    "dicom_seg": ["dcmqi", "highdicom"],
    "dicom_series": ["sts_002", "."],
}
LABELS = {
    "hippocampus": {"anterior": 1, "posterior": 2},
    "busi_ultrasound": {"lesion": 255},
    "sarcoma_sts": {"lesion": 1},
    "ms_lesions": {"lesion": 1},
}


def row(path: Path, name: str, page: Path | None) -> str:
    """One line of the table."""
    labels = LABELS.get(name)
    try:
        dataset = survey_dataset(path, labels=Labels.from_config(labels) if labels else None)
    except medseg.MedsegError as error:
        return f"| {name} | none | | | {error} |"
    found = inspect_dataset(dataset, thumbnails=96 if page else None)
    if page:
        write_inspection_page(page / f"{name.replace('/', '_')}.html", found)
    kinds = Counter(one.kind for one in found.findings if one.severity == "problem")
    said = "; ".join(f"{kind} {count}" for kind, count in kinds.items()) or "–"
    return f"| {name} | {dataset.layout} | {len(dataset)} | {len(dataset.labelled)} | {said} |"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", nargs="?", type=Path, default=Path(os.environ.get("MEDSEG_TEST_DATA", "../shared/data"))
    )
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    sys.stdout.write("| folder | layout | cases | labelled | problems |\n| --- | --- | --- | --- | --- |\n")
    for folder in sorted(path for path in given.data.iterdir() if path.is_dir()):
        if given.folders and folder.name not in given.folders:
            continue
        for part in PARTS.get(folder.name, ["."]):
            path = folder / part
            sys.stdout.write(f"{row(path, path.relative_to(given.data).as_posix(), given.page)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
