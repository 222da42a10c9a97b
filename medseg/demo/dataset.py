"""Whole generated data sets: studies as a hospital would hand them over, labels, a manifest and the truth."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from medseg.atomic import write_text
from medseg.demo.lesions import Lesion
from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import write_image, write_mask
from medseg.labels import Labels
from medseg.reporting import Reporter, Silent

__all__ = ["Kind", "generate"]

Kind = Literal["ct", "mammogram"]
_SERIES = "abdomen"
_MANIFEST = ("id", "patient", "image", "label", "split")
_CT_TRUTH = ("case", "lesion", "volume_ml", "mask_volume_ml", "x_mm", "y_mm", "z_mm", "contrast_hu", "irregularity")
_MAMMOGRAM_TRUTH = ("case", "lesion", "area_px", "x_px", "y_px", "irregularity")
_EVERY_SECOND_STUDY = 5  # each fifth study is the second one of the patient before


@dataclass(frozen=True)
class _Slot:
    """One study to generate: whose, and on which side of the split."""

    number: int
    patient: str
    study: str
    held_back: bool

    @property
    def split(self) -> str:
        return "test" if self.held_back else ""

    @property
    def part(self) -> str:
        return "held_back" if self.held_back else "train"


@dataclass(frozen=True)
class _Written:
    """Rows of the manifest and of the truth for one study."""

    manifest: dict[str, str]
    truth: list[dict[str, str]]


def generate(
    kind: Kind, out: Path, *, studies: int, held_back: int, seed: int = 0, progress: Reporter | None = None
) -> Path:
    """Generate a data set into a folder.

    CT: `studies/{train,held_back}/PATIENT/STUDY/SERIES/*.dcm` and `labels/ID.nii.gz` on the grid that a reader
    finds in the series. Mammograms: `studies/{train,held_back}/ID.png` (16 bit) and `labels/ID.png` (0, 255).
    Both: `manifest.csv` (id, patient, image, label, split; "test" for what is held back) and `truth.csv`, a row
    for each lesion with the volume (ml) or area (pixels) of its continuous body. Some patients have two studies.
    Equal arguments give equal bytes. What is there already under the same names is replaced; the manifest comes last.

    Args:
        kind: "ct" or "mammogram".
        out: Folder to write to; made if it is not there.
        studies: How many to learn from.
        held_back: How many more to test on, of other patients.
        seed: Another seed gives other patients.
        progress: Told about every study.

    Returns:
        The folder, which `open_dataset` reads.

    Raises:
        InputError: The kind is unknown or a number is below what makes sense.
        OutputError: The folder cannot be written to.
    """
    if kind not in ("ct", "mammogram"):
        raise InputError("kind", f"{kind!r}", "Choose one of them.", "ct or mammogram")
    if studies < 1 or held_back < 0:
        raise InputError("studies", f"{studies} studies and {held_back} held back", "Ask for at least one study.")
    slots = [*_slots(studies, False, 1), *_slots(held_back, True, studies + 1)]
    write = _write_ct if kind == "ct" else _write_mammogram
    written = [
        write(out, slot, seed)
        for slot in (progress or Silent()).track(slots, f"Generating {kind} studies", total=len(slots))
    ]
    truth = [row for study in written for row in study.truth]
    _write_rows(out / "truth.csv", truth, _CT_TRUTH if kind == "ct" else _MAMMOGRAM_TRUTH)
    _write_rows(out / "manifest.csv", [study.manifest for study in written], _MANIFEST)
    return out


def _slots(count: int, held_back: bool, first: int) -> list[_Slot]:
    """Studies numbered on from `first`; every fifth belongs to the patient of the one before."""
    slots: list[_Slot] = []
    for i in range(count):
        second = i % _EVERY_SECOND_STUDY == _EVERY_SECOND_STUDY - 1
        patient = slots[-1].patient if second else f"P{first + i:03d}"
        slots.append(_Slot(first + i, patient, "study2" if second else "study1", held_back))
    return slots


def _chances(slot: _Slot, kind: int, seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Sources of chance of the patient (the same in both his studies) and of the study."""
    return np.random.default_rng([seed, kind, 0, int(slot.patient[1:])]), np.random.default_rng(
        [seed, kind, 1, slot.number]
    )


def _write_ct(out: Path, slot: _Slot, seed: int) -> _Written:
    from medseg.demo.ct import draw_patient, scan
    from medseg.demo.dicom import SeriesTags, stored_geometry, write_ct_series

    of_patient, of_study = _chances(slot, 0, seed)
    study = scan(draw_patient(of_patient), of_study)
    series = Path("studies") / slot.part / slot.patient / slot.study / _SERIES
    date = f"20{20 + slot.number % 6}{1 + slot.number % 12:02d}{10 + slot.number % 18}"
    tags = SeriesTags(slot.patient, slot.study, _SERIES, date, f"medseg phantom {seed}")
    write_ct_series(out / series, study.voxels, study.geometry, tags, of_study)
    case = f"{slot.patient}_{slot.study}_{_SERIES}"
    label = Path("labels") / f"{case}.nii.gz"
    geometry = stored_geometry(study.geometry)
    write_mask(out / label, Segmentation(study.mask, geometry, Labels.from_config({"lesion": 1})))
    rows = [
        _where(case, number, lesion, "mm")
        | {
            "volume_ml": f"{lesion.size / 1000:.4f}",
            "mask_volume_ml": f"{np.count_nonzero(study.lesion_map == number) * geometry.voxel_size / 1000:.4f}",
            "contrast_hu": f"{contrast:.1f}",
        }
        for number, (lesion, contrast) in enumerate(zip(study.lesions, study.contrasts_hu, strict=True), start=1)
    ]
    return _Written(_manifest_row(case, slot, series, label), rows)


def _write_mammogram(out: Path, slot: _Slot, seed: int) -> _Written:
    from medseg.demo.mammogram import draw_breast, expose

    of_patient, of_study = _chances(slot, 1, seed)
    side: Literal["L", "R"] = "L" if slot.number % 2 else "R"
    study = expose(draw_breast(of_patient), side, of_study)
    case = f"{slot.patient}_{slot.study}_{side}"
    image, label = Path("studies") / slot.part / f"{case}.png", Path("labels") / f"{case}.png"
    grid = Geometry.from_spacing(study.pixels.shape, None)
    write_image(out / image, Image(study.pixels[np.newaxis], grid))
    write_mask(out / label, Segmentation(study.mask, grid, Labels.from_config({"lesion": 255})))
    rows = [
        _where(case, number, mass, "px") | {"area_px": f"{mass.size:.1f}"}
        for number, mass in enumerate(study.masses, start=1)
    ]
    return _Written(_manifest_row(case, slot, image, label), rows)


def _where(case: str, number: int, lesion: Lesion, unit: str) -> dict[str, str]:
    """What both kinds say of a lesion."""
    centre = {f"{axis}_{unit}": f"{value:.2f}" for axis, value in zip("xyz", lesion.centre, strict=False)}
    return {"case": case, "lesion": str(number), "irregularity": f"{lesion.irregularity:.3f}"} | centre


def _manifest_row(case: str, slot: _Slot, image: Path, label: Path) -> dict[str, str]:
    return {
        "id": case,
        "patient": slot.patient,
        "image": image.as_posix(),
        "label": label.as_posix(),
        "split": slot.split,
    }


def _write_rows(path: Path, rows: Sequence[dict[str, str]], columns: Sequence[str]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
