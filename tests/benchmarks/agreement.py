"""Every real file read and compared: `python tests/benchmarks/agreement.py [FOLDER] [--json FILE] [--only NAME]`.

Reads each folder of test data through medseg's public functions, compares with what other programs make of the same
files, and prints one table, every refusal with its message, and what was noted. Values of float64 are rounded to
float32 where medseg keeps float32, label maps to whole numbers; colours are compared as luminance.
Takes twenty seconds.
"""

import argparse
import csv
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import truths
from ledger import Ledger, show
from rich.console import Console
from rich.progress import track

from medseg import Dataset, Geometry, Labels, ReadOptions, open_dataset, read_image, read_segmentation, scan_dicom
from medseg.datasets.case_table import CaseTable
from medseg.io import LabelMap, read_label_map
from medseg.io.formats import ending, stem

NIBABEL, ITK, HIGHDICOM, PYDICOM, D2N = "nibabel", "SimpleITK", "highdicom", "pydicom", "dicom2nifti's NIfTI"
LESION = Labels.from_config({"lesion": 255})
LUNG = Labels.from_config({"lung": 255, "ignore": 127})
BREAST = Labels.from_config({"benign": "#00ff00", "malignant": "#ff0000"})
Reader = Callable[[Path], truths.Truth]
BY_OTHERS: dict[str, tuple[Reader, str]] = {
    "mlut_18.dcm": (truths.of_pydicom, "pydicom (ITK ignores the LUT)"),
    "parametric_map_float.dcm": (truths.of_pydicom, "pydicom (ITK reads no floats)"),
    "SC_rgb_jpeg.dcm": (truths.of_pydicom, "pydicom (ITK takes 9 s)"),
    "examples_rgb_color.dcm": (truths.of_itk, "SimpleITK (one luminance is 114.5)"),
}


def volumes(ledger: Ledger, pattern: str, masks: Sequence[str] = ("label", "mask")) -> None:
    """NIfTI, MGH and NRRD files one by one; as label maps where their name or folder holds a word of `masks`."""
    for path in ledger.files(pattern):
        known = ending(path)
        if known not in (".nii", ".nii.gz", ".mgz", ".hdr", ".nrrd"):
            continue
        kind = {".nrrd": "NRRD", ".mgz": "MGZ"}.get(known, "NIfTI")
        truth, by = (truths.of_itk, ITK) if known == ".nrrd" else (truths.of_nibabel, NIBABEL)
        if any(word in f"{path.parent.name}/{path.name}".lower() for word in masks):
            ledger.check(f"{kind} masks", path, read_label_map, partial(truths.whole, truth, path), by)
        elif ledger.check(f"{kind} images", path, read_image, partial(truth, path), by) is None:
            for k in range(truths.volumes_in(path) if known != ".hdr" else 0):
                theirs = partial(truths.of_nibabel, path, k)
                ledger.check(f"volumes of 4D {kind} by address", f"{path}:/{k}", read_image, theirs, NIBABEL)


def pictures(ledger: Ledger, pattern: str, what: str) -> None:
    """Pictures one by one."""
    for path in ledger.files(pattern):
        ledger.check(what, path, read_image, partial(truths.of_itk, path), ITK)


def series(ledger: Ledger, below: str = ".") -> None:
    """All DICOM volumes and radiographs below a folder."""
    for one in scan_dicom(ledger.folder / below).series:
        for where, volume in zip(one.addresses, one.volumes, strict=True):
            truth = partial(truths.of_itk_series, sorted(volume.files))
            ledger.check(f"{one.modality} {volume.kind}s", where, read_image, truth, ITK, volume.files)


def segments(ledger: Ledger, path: Path, on: Path | None = None) -> None:
    """The segments of a DICOM SEG, each where highdicom puts it."""
    found = ledger.check("", path, partial(read_segmentation, on=read_image(on) if on else None))
    for number, name in enumerate(found.labels.names if found else (), start=1):
        mine = LabelMap(found.of(name), found.geometry)
        ledger.compare("SEG segments", mine, truths.of_highdicom(path, number), HIGHDICOM, [path])


def paired(ledger: Ledger, dataset: Dataset, kind: str, read: Reader, by: str, **sizes: int) -> None:
    """Cases of one image and one mask, whose table states how many voxels have each value."""
    for case in dataset.cases:
        (image,), (mask,) = case.images, case.masks
        grid = ledger.check(f"{kind} images", image, read_image, partial(read, image), by).geometry
        masks = partial(read_label_map, on=grid, labels=dataset.labels)
        found = ledger.check(f"{kind} masks", mask, masks, partial(read, mask), by)
        counted = [(found.mask == value).sum() for value in sizes.values()]
        ledger.figures("label sizes", "cases.csv", counted, [int(case.columns[name]) for name in sizes])


def awkward(ledger: Ledger) -> None:
    """Odd headers, gaps, tilts, two orientations, mosaics, 12 bits, a DICOMDIR."""
    for below in ("derived_nifti", "nibabel", "monai_testing_data", "mirp_misc_masks", "dcm_qa_12bit/Ref"):
        volumes(ledger, f"{below}/**/*", ("mask/", "label"))
    for below in ("dicom2nifti_failing", "dicomdir_tree", "monai_testing_data/CT_DICOM", "nibabel/decimal_rescale.dcm"):
        series(ledger, below)
    for below in ("dicomdir_tree/77654033/CT2", "monai_testing_data/CT_DICOM"):
        pictures(ledger, f"{below}/*", "slices of refused CT, one by one")
    tilted = ledger.folder / "dicom2nifti_failing/gantrytilting/001"
    upright = ledger.check("", tilted, partial(read_image, options=ReadOptions(untilt=True)))
    files = ledger.files("dicom2nifti_failing/gantrytilting/*/*")
    truth = truths.of_tilted(files, upright.geometry)
    ledger.compare("tilted CT, upright on request", upright, truth, "pydicom, then scipy (linear)", files)
    index = ledger.folder / "dicomdir_tree/DICOMDIR"
    named, walked = scan_dicom(index), scan_dicom(index.parent)
    ledger.figures("DICOMDIR", PYDICOM, [named.files, walked.files], [truths.files_of_dicomdir(index)] * 2, [index])
    mosaic = ledger.folder / "nibabel/siemens_dwi_0.dcm.gz"
    ledger.check("Siemens mosaic in gzip", mosaic, read_image, partial(truths.of_siemens_mosaic, mosaic), NIBABEL)
    for name, reference in (("In/12bitUnsigned.dcm", "Ref/2.nii"), ("In/12bitSigned_0x0F0F.dcm", "Ref/4.nii")):
        path, truth = ledger.folder / "dcm_qa_12bit" / name, ledger.folder / "dcm_qa_12bit" / reference
        ledger.check("MR of 12 in 16 bits", path, read_image, partial(truths.of_nibabel, truth), "dcm_qa's NIfTI")


def busi(ledger: Ledger) -> None:
    """Ultrasound pictures with one or several masks each."""
    pictures(ledger, "images/*", "PNG images")
    for row in table(ledger, "cases.csv"):
        masks = ledger.files(f"masks/{row['name']}_mask*.png")
        grid = read_image(ledger.folder / f"images/{row['name']}.png").geometry
        read = partial(read_label_map, on=grid, labels=LESION)
        found = ledger.check("PNG masks", masks, read, partial(truths.union, masks), ITK)
        ledger.figures("lesion sizes", "cases.csv", [(found.mask > 0).sum()], [int(row["lesion_pixels"])])


def cddcesm(ledger: Ledger) -> None:
    """Colour-coded masks with soft edges, and masks kept as JPEG."""
    pixels = {row["name"]: int(row["lesion_pixels"]) for row in table(ledger, "cases.csv")}
    pictures(ledger, "masks_index/*", "PNG index masks")
    pictures(ledger, "jpeg_masks/masks_binary/*", "PNG binary masks")
    for below, labels, twins in (("", BREAST, "masks_index"), ("jpeg_masks", LESION, "masks_binary")):
        for case in open_dataset(ledger.folder / below, layout="paired", labels=labels).cases:
            (image,), (mask,) = case.images, case.masks
            grid = ledger.check("JPEG images", image, read_image, partial(truths.of_itk, image), ITK).geometry
            truth = partial(truths.of_itk, ledger.folder / below / twins / f"{case.id}.png")
            what = "JPEG masks" if below else "colour-coded PNG masks"
            found = ledger.check(what, mask, partial(read_label_map, on=grid, labels=labels), truth, twins)
            ledger.figures("lesion sizes", "cases.csv", [(found.mask > 0).sum()], [pixels[case.id]])


def cxr_lungs(ledger: Ledger) -> None:
    """Chest radiographs with ignored devices."""
    dataset = open_dataset(ledger.folder, labels=LUNG, table=CaseTable(id="name", patient="patientid"))
    paired(ledger, dataset, "PNG", truths.of_itk, ITK, lung_pixels=255, ignore_pixels=127)


def dicom_pydicom(ledger: Ledger) -> None:
    """Odd syntaxes, headers and objects, file by file."""
    for path in [*ledger.files("*.dcm"), *ledger.files("*.gz")]:
        if path.name.startswith(("liver", "rtstruct")):
            continue
        truth, by = BY_OTHERS.get(path.name, (truths.of_itk, ITK))
        if ledger.check("DICOM files", path, read_image, partial(truth, path), by) is None:
            for k in range(truths.frames_in(path)):
                frame = partial(truths.of_itk, path, k)
                ledger.check("frames of sequences by address", f"{path}:/{k}", read_image, frame, ITK)
    for path in ledger.files("liver*"):
        segments(ledger, path)
    path, affine = ledger.folder / "rtstruct.dcm", np.diag([-10.0, -10, 10, 1])
    affine[:3, 3] = (305, 305, -250)
    found = ledger.check("", path, partial(read_segmentation, on=Geometry((62, 62, 20), affine)))
    sizes = [found.of(name).sum() * 1000 for name in found.labels.names]
    stated = truths.contour_volumes_mm3(path, 10)
    ledger.figures("RTSTRUCT on a made grid, mm³", "areas of its contours", sizes, stated, [path])


def dicom_transfer_syntaxes(ledger: Ledger) -> None:
    """One CT in seven syntaxes, nuclear medicine and radiographs."""
    for path in ledger.files("*.dcm"):
        truth, by = BY_OTHERS.get(path.name, (truths.of_itk, ITK))
        ledger.check("DICOM files", path, read_image, partial(truth, path), by)
    plain = truths.of_itk(ledger.folder / "CT1_UNC.dcm")
    for name in ("J2KR", "JLSL", "JPLL", "RLE"):
        ledger.compare("lossless CT1", read_image(ledger.folder / f"CT1_{name}.dcm"), plain, "CT1_UNC by SimpleITK")


def dicom_seg(ledger: Ledger) -> None:
    """Binary, overlapping, fractional and label-map SEG, and the NRRD that dcmqi makes of some."""
    series(ledger)
    pictures(ledger, "highdicom/source_ct_CT2/*", "slices of refused CT, one by one")
    volumes(ledger, "**/*.nrrd", ("nrrd",))
    for pattern in ("highdicom/seg_image_[cs][tm]*", "dcmqi/liver.dcm", "**/*.seg"):
        for path in ledger.files(pattern):
            segments(ledger, path)
    chest, folder = ledger.folder / "highdicom/seg_image_cr_binary.dcm", ledger.folder / "dcmqi"
    ledger.check("DICOM SEG of radiographs", chest, read_segmentation, partial(truths.of_pydicom, chest), PYDICOM)
    for seg, image, nrrd in (
        ("liver.dcm", "ct-3slice", "liver_seg.nrrd"),
        ("23x38x3/seg/label.seg", "23x38x3/image", "23x38x3/nrrd/label.nrrd"),
        ("23x38x3/seg/label.seg", "23x38x3/multiframe/mf.dcm", "23x38x3/nrrd/label.nrrd"),
    ):
        found = read_segmentation(folder / seg, on=read_image(folder / image))
        mine = LabelMap(found.mask > 0, found.geometry)
        ledger.compare("SEG on their series", mine, truths.binary(truths.of_itk(folder / nrrd)), "dcmqi's NRRD")


def dicom_series(ledger: Ledger) -> None:
    """Series of several makers, NIfTI made of them by others, contours."""
    for below in ("sts_002", "totalseg_ct_no_extension", "hippo_crop_mr_study1", "dicom2nifti/generic",
                  "dicom2nifti/hitachi", "dicom2nifti/philips_enhanced/anatomical"):  # fmt: skip
        series(ledger, below)
    for nifti in ledger.files("**/*_ground_truth.nii.gz"):
        folder, times = nifti.with_name(nifti.name.removesuffix("_ground_truth.nii.gz")), truths.volumes_in(nifti)
        for k in range(times):
            where, truth = f"{next(folder.iterdir())}:/{k}", partial(truths.of_nibabel, nifti, k)
            ledger.check("volumes of enhanced 4D MR by address", where, read_image, truth, D2N)
        if not times:
            ledger.check("MR volumes", folder, read_image, partial(truths.of_nibabel, nifti), D2N)
    volumes(ledger, "**/*_ground_truth.nii.gz")
    for modality in ("CT", "MR_T1", "PET"):
        folder, twins = ledger.folder / "sts_002" / modality, ledger.root / "sarcoma_sts/STS_002"
        image = read_image(folder / "image")
        ledger.compare("CT, MR, PET in SUV", image, truths.of_nibabel(twins / f"{modality}_image.nii.gz"), "NIfTI twin")
        truth = partial(truths.of_nibabel, twins / f"{modality}_mask.nii.gz")
        ledger.check("RTSTRUCT", folder / "mask/RS.dcm", partial(read_segmentation, on=image), truth, "NIfTI twin")
    mask = ledger.root / "totalsegmentator/example_seg_dicom.nii.gz"
    found = read_label_map(mask, on=read_image(ledger.folder / "totalseg_ct_no_extension").geometry)
    ledger.compare("mask on the grid of its CT", found, truths.of_nibabel(mask), NIBABEL)


def hdf5_derived(ledger: Ledger) -> None:
    """A group a case with its affine, and stacks of pictures."""
    for path in ledger.files("*.h5"):
        for case in open_dataset(path).cases:
            truth, nifti = partial(truths.of_h5, case.images[0]), ledger.root / "hippocampus"
            image = ledger.check("HDF5 images", case.images[0], read_image, truth, "h5py")
            read, truth = partial(read_label_map, on=image.geometry), partial(truths.of_h5, case.masks[0])
            mask = ledger.check("HDF5 masks", case.masks[0], read, truth, "h5py")
            for found, below in ((image, "images"), (mask, "labels")) if image.geometry.ndim == 3 else ():
                theirs = truths.of_nibabel(nifti / below / f"{case.id}.nii.gz")
                ledger.compare("HDF5 volumes", found, theirs, "their NIfTI by nibabel")


def hippocampus(ledger: Ledger) -> None:
    """Small MR volumes with two labels."""
    dataset = open_dataset(ledger.folder, table=CaseTable(id="case"))
    paired(ledger, dataset, "NIfTI", truths.of_nibabel, NIBABEL, voxels_label1_anterior=1, voxels_label2_posterior=2)
    volumes(ledger, "orphans/**/*")


def ibsi(ledger: Ledger) -> None:
    """Phantoms with reference values."""
    volumes(ledger, "**/*", ("mask/",))
    below = "ibsi_1_digital_phantom/dicom_deprecated"
    series(ledger, f"{below}/image")
    segments(ledger, ledger.folder / below / "mask/mask.deprecated", ledger.folder / below / "image")
    for phantom, digits, stated in (("digital", 2, 2.15), ("ct_radiomics", 1, -46.9)):
        nifti = ledger.folder / f"ibsi_1_{phantom}_phantom/nifti"
        mask = read_label_map(nifti / "mask/mask.nii.gz").mask > 0
        mean = read_image(nifti / "image/phantom.nii.gz").voxels[0][mask].mean(dtype=float)
        ledger.figures("means in the mask", "IBSI's, as many digits", [round(float(mean), digits)], [stated])


def mini_mias(ledger: Ledger) -> None:
    """Mammograms as PNG and PGM; circles whose rows count from below."""
    pictures(ledger, "images/*.png", "PNG images")
    for path in ledger.files("images/*.pgm"):
        ledger.check("PGM images", path, read_image, partial(truths.of_pgm, path), "bytes of the file")
    for row in table(ledger, "annotations.csv"):
        path = ledger.folder / f"circle_masks/{row['Name']}.png"
        found = ledger.check("PNG masks", path, read_label_map, partial(truths.of_itk, path), ITK)
        circles = [tuple(float(row[name]) for name in "xyr")] if row["x"] else []
        mine = LabelMap(found.mask > 0, found.geometry)
        ledger.compare("PNG masks", mine, truths.circles(mine.mask.shape, circles), "annotations.csv")


def ms_lesions(ledger: Ledger) -> None:
    """Many small lesions."""
    volumes(ledger, "**/*")
    for patient, stated in (("07", 1300), ("19", 49769)):
        sizes(ledger, ledger.folder / f"full/patient{patient}_lesion_mask.nii.gz", stated, "README")


def pyradiomics(ledger: Ledger) -> None:
    """NRRD with stated features."""
    volumes(ledger, "*.nrrd")
    rows = [*table(ledger, "baseline/baseline_firstorder.csv"), *table(ledger, "baseline/baseline_shape.csv")]
    stated = {row["featureName"]: row for row in rows}
    names = ("diagnostics_Mask-original_VoxelNum", "original_firstorder_Mean", "original_shape_VoxelVolume")
    for case in ("brain1", "brain2", "breast1"):
        image = read_image(ledger.folder / f"{case}_image.nrrd")
        mask = read_label_map(ledger.folder / f"{case}_label.nrrd").mask == 1
        ours = [mask.sum(), image.voxels[0][mask].mean(dtype=float), mask.sum() * image.geometry.voxel_size]
        ledger.figures("count, mean, mm³", "baseline/*.csv", ours, [float(stated[name][case]) for name in names])


def totalsegmentator(ledger: Ledger) -> None:
    """Volumes and masks, those of one run with stated volumes."""
    volumes(ledger, "**/*", ("example_seg",))
    stated = json.loads((ledger.folder / "example_seg_fast/statistics.json").read_text())
    for path in ledger.files("example_seg_fast/*.nii.gz"):
        sizes(ledger, path, stated[stem(path)]["volume"], "statistics.json")


def sizes(ledger: Ledger, path: Path, stated: float, by: str) -> None:
    """Volume of a binary mask in mm³."""
    found = read_label_map(path)
    ledger.figures("masks' mm³", by, [(found.mask > 0).sum() * found.geometry.voxel_size], [stated])


def table(ledger: Ledger, name: str) -> list[dict[str, str]]:
    """The rows of a CSV of the folder."""
    with (ledger.folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


FOLDERS: dict[str, Callable[[Ledger], None]] = {
    "awkward": awkward,
    "brats2015_sample": partial(volumes, pattern="**/*", masks=("multiclass", "mask")),
    "busi_ultrasound": busi,
    "cddcesm_mammo": cddcesm,
    "cxr_lungs": cxr_lungs,
    "dicom_cxr": series,
    "dicom_pydicom": dicom_pydicom,
    "dicom_seg": dicom_seg,
    "dicom_series": dicom_series,
    "dicom_transfer_syntaxes": dicom_transfer_syntaxes,
    "hdf5_derived": hdf5_derived,
    "hippocampus": hippocampus,
    "ibsi": ibsi,
    "metrics_oracles": partial(volumes, pattern="**/*", masks=("label", "pred", "ref")),
    "mini_mias": mini_mias,
    "ms_lesions": ms_lesions,
    "pyradiomics": pyradiomics,
    "sarcoma_sts": partial(volumes, pattern="**/*"),
    "totalsegmentator": totalsegmentator,
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser()
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("folder", type=Path, nargs="?", default=Path(os.environ.get("MEDSEG_TEST_DATA", beside)))
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--only", default="", help="folders whose name contains this")
    options = parser.parse_args()
    found = []
    for name in track([name for name in FOLDERS if options.only in name]):
        ledger = Ledger(options.folder.resolve(), name)
        with truths.quiet():
            FOLDERS[name](ledger)
        found.append(ledger.accounts())
    show(found, Console(width=230))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
