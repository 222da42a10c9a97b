"""Prepared cases: by memory map, named by what the files hold, never half-written."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from plans import plan_3d

from medseg.case import Case
from medseg.datasets import open_dataset
from medseg.errors import InputError, OutputError
from medseg.io import read_case_image
from medseg.labels import Labels
from medseg.reporting import Silent
from medseg.training.cache import cache_cases
from medseg.training.cases import read_targets
from medseg.training.content import case_content
from medseg.training.each_case import CaseWork
from medseg.transforms.prepare import prepare, prepare_labels

PLAN = plan_3d(labels={"low": 1, "high": 4}, resampling="cubic")


@pytest.fixture
def cases(blobs: Path) -> tuple[Case, ...]:
    return tuple(open_dataset(blobs).cases[:3])


def test_a_cached_case_is_what_preparing_gives(cases, tmp_path):
    cached = cache_cases(cases, PLAN, tmp_path, Silent())
    assert [one.id for one in cached.results] == ["case0", "case1", "case2"]
    for case, one in zip(cases, cached.results, strict=True):
        image = read_case_image(case)
        prepared = prepare(image, PLAN)
        np.testing.assert_array_equal(one.voxels, prepared.voxels.numpy())
        targets = prepare_labels(read_targets(case, PLAN.label_set, image), prepared.restoration).numpy()
        np.testing.assert_array_equal(one.targets, targets)
        for index, places in enumerate(one.places):
            assert (one.targets.reshape(-1)[places] == index).all()
        assert isinstance(one.voxels, np.memmap)
        assert one.voxels.dtype == np.float32


def test_what_is_prepared_is_not_prepared_again_and_what_died_half_way_is(cases, tmp_path):
    cache_cases(cases[:2], PLAN, tmp_path, Silent())
    places = sorted(tmp_path.iterdir())
    times = [place.stat().st_mtime_ns for place in places]
    shutil.rmtree(places[1])
    (tmp_path / f".{places[1].name}.1-dead").mkdir()
    cache_cases(cases[:2], PLAN, tmp_path, Silent())
    assert places[0].stat().st_mtime_ns == times[0]
    assert places[1].is_dir()


def test_what_was_cut_off_is_prepared_again_and_old_leftovers_go(cases, tmp_path):
    cache_cases(cases[:2], PLAN, tmp_path, Silent())
    damaged = sorted(tmp_path.iterdir())
    for place, name in zip(damaged, ("label.npy", "places.npz"), strict=True):
        (place / name).write_bytes((place / name).read_bytes()[:100])
    old, young = tmp_path / ".case7-0.1-dead", tmp_path / ".case8-0.1-busy"
    for folder, age in ((old, 7200), (young, 60)):
        folder.mkdir()
        os.utime(folder, (time.time() - age,) * 2)
    again = cache_cases(cases[:2], PLAN, tmp_path, Silent())
    assert [one.targets.shape for one in again.results] == [one.voxels.shape[1:] for one in again.results]
    assert young.exists()
    assert not old.exists()


def test_the_key_is_what_the_files_hold_and_how_they_are_prepared(cases, tmp_path):
    copy = tmp_path / "else" / cases[0].images[0].name
    copy.parent.mkdir()
    shutil.copy(cases[0].images[0], copy)
    moved = replace(cases[0], images=(copy,))
    assert case_content(moved) == case_content(cases[0])
    assert case_content(replace(moved, spacing_mm=(1.0, 1.0, 2.0))) != case_content(cases[0])
    assert case_content(replace(moved, images=cases[1].images)) != case_content(cases[0])
    cache = tmp_path / "cache"
    for changes in ({}, {"batch_size": 7}, {"resampling": "linear"}, {"spacing_mm": (2.0, 2.0, 2.0)}):
        cache_cases([moved], PLAN.model_copy(update=changes), cache, Silent())
    assert len(list(cache.iterdir())) == 3


def test_a_folder_of_slices_and_a_header_with_its_voxels_are_hashed_whole(tmp_path):
    for name in ("series/1.dcm", "series/deep/2.dcm", "scan[1].mhd", "scan[1].raw"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    cases = [Case("a", "a", (tmp_path / "series",)), Case("a", "a", (tmp_path / "scan[1].mhd",))]
    before = [case_content(case) for case in cases]
    (tmp_path / "series/deep/2.dcm").write_bytes(b"other")
    (tmp_path / "scan[1].raw").write_bytes(b"other")
    assert all(now != then for now, then in zip(map(case_content, cases), before, strict=True))


def test_a_case_that_does_not_fit_the_plan_is_named_or_left_out(cases, tmp_path):
    odd = replace(cases[1], images=(*cases[1].images, cases[1].images[0]))
    with pytest.raises(InputError, match=r"has 2 channel\(s\), expected 1"):
        cache_cases([cases[0], odd], PLAN, tmp_path, Silent())
    work = CaseWork("Preparing", unreadable="leave_out", record=tmp_path / "left_out.csv")
    done = cache_cases([cases[0], odd, cases[2]], PLAN, tmp_path, Silent(), work=work)
    assert [one.id for one in done.results] == ["case0", "case2"]
    assert "has 2 channel" in done.left_out["case1"]


def test_a_full_or_forbidden_folder_is_named(cases, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        cache_cases(cases[:1], PLAN, tmp_path / "file", Silent())
    assert not list(tmp_path.glob("**/.*"))


def test_overlapping_labels_have_a_channel_and_places_each(tmp_path):
    grid = np.indices((10, 12, 9)).sum(0)
    for name, array in (("image", grid.astype(np.float32)), ("whole", grid < 14), ("core", grid < 8)):
        nibabel.save(nibabel.Nifti1Image(np.float32(array), np.eye(4)), tmp_path / f"{name}.nii")
    masks = (tmp_path / "whole.nii", tmp_path / "core.nii")
    case = Case("a", "a", (tmp_path / "image.nii",), masks, structures=("whole", "core"))
    labels = Labels.from_config({"whole": ["whole"], "core": ["core"], "overlapping": True})
    (one,) = cache_cases([case], plan_3d(labels=labels.to_config()), tmp_path / "cache", Silent()).results
    assert one.targets.shape == (2, 10, 12, 9)
    whole, core = one.targets.reshape(2, -1)
    background, of_whole, of_core = one.places
    assert not (whole | core)[background].any()
    assert whole[of_whole].all()
    assert core[of_core].all()
    assert len(of_whole) == (grid < 14).sum()
