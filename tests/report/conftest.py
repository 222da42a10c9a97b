"""Folders of predictions as `predict` leaves them, made by hand, so that what a report must show is known."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image as PillowImage

from medseg.image import Segmentation
from medseg.io import read_image, write_mask
from medseg.labels import Labels
from medseg.regions import measure_segmentation

LABELS = Labels.from_config({"lesion": 1, "node": 2})
# Oblique, its axes left, posterior, superior, its slices thick.
TURN = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = TURN @ np.diag([-1.0, -1.0, 3.0])
OBLIQUE[:3, 3] = (20, 30, -40)


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    grid = np.indices(shape)
    parts = zip(grid, centre, radii, strict=True)
    return sum(((axis - middle) / radius) ** 2 for axis, middle, radius in parts) <= 1


def volume(path: Path, mask: np.ndarray, affine: np.ndarray) -> None:
    voxels = np.random.default_rng(3).normal(100, 10, mask.shape) + 150.0 * mask
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), affine), path)


def entered(out: Path, case: str, image: Path, mask: np.ndarray) -> pd.DataFrame:
    """Write the mask of a case, and measure it."""
    read = read_image(image)
    segmentation = Segmentation(mask.astype(np.uint8), read.geometry, LABELS, image=read)
    write_mask(out / case / ("mask.png" if read.geometry.ndim == 2 else "mask.nii.gz"), segmentation)
    return measure_segmentation(read, segmentation, case=case)


def tables(out: Path, rows: list[dict[str, str]], regions: list[pd.DataFrame]) -> None:
    columns = ["case", "patient", "status", "regions", "warnings", "error", "images", "modality", "accession"]
    pd.DataFrame(rows).reindex(columns=columns).to_csv(out / "cases.csv", index=False)
    pd.concat(regions, ignore_index=True).to_csv(out / "regions.csv", index=False)
    run = {"plan": {"labels": LABELS.to_config(), "channels": ["t1"]}, "model_sha256": "0123456789abcdef" * 4}
    run |= {"versions": {"medseg": "0.1.0"}, "settings": {"reading": {}}, "command": "medseg predict /secret/Doe"}
    (out / "run.json").write_text(json.dumps(run))


@pytest.fixture(scope="session")
def make_predictions() -> Callable[[Path], Path]:
    """Writes a folder of predictions; for tests that change it."""
    return predictions_in


@pytest.fixture(scope="session")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume, a radiograph, a DICOM case of a patient, one that failed, and one whose image is gone; read-only."""
    return predictions_in(tmp_path_factory.mktemp("predictions"))


def predictions_in(root: Path) -> Path:
    out, studies = root / "out", root / "studies"
    out.mkdir()
    shape = (40, 36, 12)
    mask = 1 * ball(shape, (12, 20, 6), (7, 4, 2)) + 2 * ball(shape, (30, 10, 3), (3, 3, 2))
    volume(studies / "scan one.nii.gz", mask, OBLIQUE)
    flat = 1 * ball((90, 60), (30, 20), (14, 6)) + 1 * ball((90, 60), (70, 45), (4, 9))
    grey = np.clip(np.random.default_rng(5).normal(80, 9, flat.shape) + 90 * flat, 0, 255)
    PillowImage.fromarray(grey.astype(np.uint8).T).save(studies / "chest.png")
    volume(studies / "Doe_John" / "lost.nii.gz", mask, OBLIQUE)
    measured = [
        entered(out, "scan_one", studies / "scan one.nii.gz", mask),
        entered(out, "chest", studies / "chest.png", flat),
        entered(out, "Doe_John_7", studies / "Doe_John" / "lost.nii.gz", mask),
    ]
    (studies / "Doe_John" / "lost.nii.gz").unlink()
    broken = studies / "Doe_John" / "broken.dcm"
    rows = [
        {"case": "scan_one", "patient": "scan_one", "images": str(studies / "scan one.nii.gz"), "modality": "MR"},
        {"case": "chest", "patient": "chest", "images": str(studies / "chest.png"), "accession": "A-77"},
        {"case": "Doe_John_7", "patient": "Doe^John", "images": str(studies / "Doe_John" / "lost.nii.gz")},
        {"case": "broken", "patient": "broken", "images": str(broken)},
    ]
    for row in rows[:3]:
        row |= {"status": "done", "warnings": f"{row['images']}: slices of Doe John are thick; doubtful"}
    rows[3] |= {"status": "failed", "error": f"{broken}: ends too early. Fetch {broken.name} again."}
    tables(out, rows, measured)
    return out
