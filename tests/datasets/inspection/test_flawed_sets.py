"""Sets made with flaws: each is found with its kind and its cases, and nothing else is."""

import os
import signal
from pathlib import Path

import nibabel
import numpy as np
import pytest
from clouds import disk, save_picture, save_volume, texture
from PIL import Image

from medseg.datasets import inspect_dataset
from medseg.datasets.inspection import KINDS, Inspection
from medseg.datasets.opening import survey_dataset
from medseg.labels import Labels

LABELS = Labels.from_config({"lesion": 1})


def inspected(root: Path, **options: int) -> Inspection:
    return inspect_dataset(survey_dataset(root, labels=LABELS), **options)


def kinds(inspection: Inspection) -> set[tuple[str, tuple[str, ...]]]:
    assert {one.kind for one in inspection.findings} <= set(KINDS)
    return {(one.kind, one.cases) for one in inspection.findings}


@pytest.mark.parametrize("name", ["pictures", "volumes"])
def test_a_sound_set_has_no_finding(name: str, request: pytest.FixtureRequest) -> None:
    inspection = inspected(request.getfixturevalue(name))
    assert inspection.findings == ()
    assert inspection.sound


def _add(root: Path, rows: list[str]) -> None:
    with (root / "manifest.csv").open("a") as file:
        file.write("\n".join(rows) + "\n")


def test_every_flaw_of_pictures_is_found_and_nothing_else(pictures: Path) -> None:
    first, second, third = (texture(n, (128, 160)) for n in (0, 1, 2))
    save_picture(pictures / "resaved.jpg", first, quality=40)
    save_picture(pictures / "mirrored.png", second[:, ::-1])
    save_picture(pictures / "brighter.png", third * 0.6 + 80)
    smaller = Image.fromarray(texture(3, (128, 160)).astype(np.uint8)).resize((80, 64), Image.Resampling.BILINEAR)
    smaller.save(pictures / "resized.png")
    (pictures / "copied.png").write_bytes((pictures / "p4.png").read_bytes())
    (pictures / "linked.png").symlink_to("p7.png")
    Image.fromarray(texture(5, (128, 160)).astype(np.uint8).astype(np.uint16)).save(pictures / "wide.png")
    save_picture(pictures / "negative.png", 255 - texture(6, (128, 160)))
    save_picture(pictures / "flat.png", np.full((128, 160), 7))
    for name, seed in (("undeclared", 21), ("void", 22), ("doubled", 23), ("normal", 24), ("leaking", 25)):
        save_picture(pictures / f"{name}.png", texture(seed, (128, 160)))
    mask = disk((128, 160))
    save_picture(pictures / "mask_5.png", mask * 5)
    save_picture(pictures / "mask_0.png", mask * 0)
    save_picture(pictures / "mask_2x.png", np.kron(mask, np.ones((2, 2), np.uint8)))
    plain = "p0_mask.png"
    files = {
        "resaved": ("resaved.jpg", plain, "train"),
        "mirrored": ("mirrored.png", plain, "train"),
        "brighter": ("brighter.png", plain, "train"),
        "resized": ("resized.png", "", "train"),
        "copied": ("copied.png", plain, "test"),
        "wide": ("wide.png", plain, "train"),
        "inverted": ("negative.png", plain, "train"),
        "again": ("linked.png", plain, "train"),
        "flat": ("flat.png", plain, "train"),
        "undeclared": ("undeclared.png", "mask_5.png", "train"),
        "void": ("void.png", "mask_0.png", "train"),
        "doubled": ("doubled.png", "mask_2x.png", "train"),
    }
    _add(pictures, [f"{name},{name},{image},{mask},{split}" for name, (image, mask, split) in files.items()])
    _add(pictures, ["leaking,q8,leaking.png,p0_mask.png,test"])
    inspection = inspected(pictures)
    assert kinds(inspection) == {
        ("near_duplicate", ("p0", "resaved")),
        ("near_duplicate", ("mirrored", "p1")),
        ("near_duplicate", ("brighter", "p2")),
        ("near_duplicate", ("p3", "resized")),
        ("near_duplicate", ("inverted", "p6")),
        ("duplicate_across_splits", ("copied", "p4")),
        ("duplicate", ("p5", "wide")),
        ("duplicate", ("again", "p7")),
        ("constant", ("flat",)),
        ("undeclared_values", ("undeclared",)),
        ("empty_mask", ("void",)),
        ("grid_size", ("doubled",)),
        ("leak", ("leaking", "p8")),
        ("unlabelled", ("resized",)),
    }
    texts = {one.cases: one.text for one in inspection.findings}
    assert "mirrored along x" in texts["mirrored", "p1"]
    assert "inverted contrast" in texts["inverted", "p6"]
    assert "exactly 2 times larger" in texts[("doubled",)]
    assert "the same file" in texts["again", "p7"]
    by_id = {one.case.id: one for one in inspection.facts}
    assert by_id["doubled"].label_voxels == {"lesion": 4 * int(disk((128, 160)).sum())}
    parallel = inspected(pictures, jobs=2, thumbnails=32)
    assert parallel.findings == inspection.findings
    assert all(one.thumbnail is not None and one.thumbnail.shape[0] == 32 for one in parallel.facts)


def test_a_case_with_nothing_to_find_must_hold_nothing(tmp_path: Path) -> None:
    for seed, name in enumerate(("sound", "normal", "wrong")):
        save_picture(tmp_path / f"{name}.png", texture(seed, (64, 64)))
    save_picture(tmp_path / "mask.png", disk((64, 64)))
    save_picture(tmp_path / "empty.png", disk((64, 64)) * 0)
    rows = ["id,patient,image,label,negative", "sound,1,sound.png,mask.png,no"]
    rows += ["normal,2,normal.png,empty.png,yes", "wrong,3,wrong.png,mask.png,yes"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    assert kinds(inspected(tmp_path)) == {("not_empty", ("wrong",))}


def _volume(root: Path, name: str, seed: int, mask_affine: np.ndarray, mask: np.ndarray | None = None) -> None:
    save_volume(root / "images" / f"{name}.nii.gz", texture(seed, (40, 36, 30)).astype(np.int16))
    save_volume(root / "labels" / f"{name}.nii.gz", disk((40, 36, 30)) if mask is None else mask, mask_affine)


def test_every_flaw_of_volumes_is_found_and_nothing_else(volumes: Path) -> None:
    usual = np.diag([1.0, 1.0, 2.0, 1.0])
    for name, shift in (("noise", 5e-4), ("slight", 5e-3), ("shifted", 3.0)):
        moved = usual.copy()
        moved[0, 3] = shift
        _volume(volumes, name, 30 + len(name), moved)
    _volume(volumes, "coarse", 40, np.diag([2.0, 2.0, 2.0, 1.0]), disk((20, 18, 30)))
    away = usual.copy()
    away[:3, 3] = 500
    _volume(volumes, "away", 41, away, disk((20, 18, 30)))
    turned = np.diag([-1.0, 1.0, 2.0, 1.0])
    turned[0, 3] = 39
    _volume(volumes, "turned", 42, turned)  # the same voxels, stored from right to left
    broken = texture(43, (40, 36, 30)).astype(np.float32)
    broken[3, 3, 3:5] = np.nan, np.inf
    ct = texture(46, (40, 36, 30)).astype(np.int16)
    for name, voxels, affine in (
        ("nan", broken, usual),
        ("metres", texture(44, (40, 36, 30)).astype(np.int16), np.diag([1e-3, 1e-3, 2e-3, 1.0])),
        ("small", texture(45, (6, 6, 4)).astype(np.int16), usual),
        ("offset", ct + 1024, usual),
        ("float", nibabel.load(volumes / "images" / "v3.nii.gz").get_fdata().astype(np.float32), usual),
    ):
        save_volume(volumes / "images" / f"{name}.nii.gz", voxels, affine)
        small = np.ones_like(voxels, np.uint8) if name == "small" else disk((40, 36, 30))
        save_volume(volumes / "labels" / f"{name}.nii.gz", small, affine)
    (volumes / "images" / "cut.nii.gz").write_bytes((volumes / "images" / "v1.nii.gz").read_bytes()[:3000])
    save_volume(volumes / "labels" / "cut.nii.gz", disk((40, 36, 30)))
    inspection = inspected(volumes)
    assert kinds(inspection) == {
        ("grid_header", ("shifted",)),
        ("grid_resample", ("coarse",)),
        ("grid_size", ("away",)),
        ("nonfinite", ("nan",)),
        ("spacing_outlier", ("metres",)),
        ("size_outlier", ("small",)),
        ("intensity_outlier", ("offset",)),
        ("duplicate", ("float", "v3")),
        ("unreadable", ("cut",)),
    }
    notes = {one.case.id: " ".join(one.notes) for one in inspection.facts}
    assert "0.005 voxels off" in notes["slight"]
    assert notes["noise"] == ""
    assert next(one for one in inspection.facts if one.case.id == "nan").intensities[0].nonfinite == 2
    assert inspection.summary["findings"]["grid_header"] == 1


def test_a_defect_of_ours_in_one_case_costs_no_other(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medseg.datasets.inspection import one_case

    real = one_case.described

    def fails(case, image):  # type: ignore[no-untyped-def]
        if case.id == "v4":
            raise ZeroDivisionError("of all things")
        return real(case, image)

    monkeypatch.setattr(one_case, "described", fails)
    inspection = inspected(volumes, jobs=1)
    assert kinds(inspection) == {("crash", ("v4",))}
    assert len(inspection.facts) == 10


def test_a_case_that_takes_its_process_down_costs_no_other(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medseg.datasets.inspection import inspecting

    real = inspecting._guarded

    def dies(case, *how):  # type: ignore[no-untyped-def]
        if case.id == "v4":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(case, *how)

    monkeypatch.setattr(inspecting, "_guarded", dies)
    inspection = inspected(volumes, jobs=2)
    assert kinds(inspection) == {("crash", ("v4",))}
    assert [one.case.id for one in inspection.facts] == [f"v{n}" for n in range(10)]
