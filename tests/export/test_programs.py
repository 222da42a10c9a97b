"""Every network's model folder runs in plain MONAI, where neither medseg nor the user's code can be imported."""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image as Picture
from plain_monai import run_bundles
from plans import LEVELS_2D, LEVELS_3D, plan_2d, plan_3d, untrained_model

import medseg
from medseg.errors import ModelFolderError
from medseg.export.program import PROGRAM
from medseg.plan import Plan
from medseg.segmenter import Segmenter

OVERLAPPING = {"whole tumour": 1, "core": 2, "overlapping": True}


def volume(name: str, **changes) -> Plan:
    return plan_3d(network=LEVELS_3D.model_copy(update={"name": name, "blocks": (1, 1, 1)}), **changes)


def picture(name: str, options=None, **changes) -> Plan:
    return plan_2d(network=LEVELS_2D.model_copy(update={"name": name, "options": options or {}}), **changes)


PLANS = {
    "dynunet": volume("dynunet", resampling="cubic", spacing_mm=(1.2, 0.9, 1.0)),
    "resenc": volume("resenc"),
    "segresnet": volume("segresnet"),
    "flexible": picture("flexible", {"encoder": "resnet18"}),
    "own": picture("our_networks:pointwise"),
    "ensemble": volume("dynunet", members=2),
    "overlapping": volume("dynunet", labels=OVERLAPPING),
    "overlapping pictures": picture("resenc", labels=OVERLAPPING),
}
AS_PROGRAMS = {"resenc", "flexible", "own", "ensemble", "overlapping pictures"}


@dataclass
class Ran:
    model: Path
    image: Path
    out: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> dict[str, Ran]:
    """All of them, run once in one process."""
    root = tmp_path_factory.mktemp("programs")
    rng = np.random.default_rng(0)
    affine = np.diag([-0.9, 1.1, 1.4, 1.0])
    nibabel.save(nibabel.Nifti1Image(rng.normal(90, 20, (21, 19, 17)).astype(np.float32), affine), root / "scan.nii.gz")
    Picture.fromarray(rng.integers(0, 255, (50, 41), dtype=np.uint8)).save(root / "chest.png")
    cases = {}
    for name, plan in PLANS.items():
        model = untrained_model(root / name.replace(" ", "_"), plan)
        image = root / ("scan.nii.gz" if plan.dims == 3 else "chest.png")
        cases[name] = Ran(model, image, root / f"out_{name.replace(' ', '_')}")
    run_bundles([(case.model, case.image, case.out) for case in cases.values()], root)
    return cases


def masks_of(out: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in sorted(out.iterdir()):
        stem = path.name.split(".")[0].split("_", 1)[1]
        found[stem] = nibabel.load(path).get_fdata() if path.suffix == ".gz" else np.asarray(Picture.open(path)).T
    return found


@pytest.mark.parametrize("name", PLANS)
def test_plain_monai_says_the_same(ran, name):
    case, plan = ran[name], PLANS[name]
    ours = medseg.load_model(case.model, portable=True, trusted=name == "own").segment(case.image).mask
    theirs = masks_of(case.out)
    expected = {"mask": ours} if plan.label_set.exclusive else {"mask_whole_tumour": ours[0], "mask_core": ours[1]}
    assert theirs.keys() == expected.keys()
    for stem, mask in expected.items():
        assert (theirs[stem] == mask).mean() >= 0.999
        assert np.bincount(mask.ravel()).max() < 0.98 * mask.size  # noise, in which little agrees by chance


@pytest.mark.parametrize("name", PLANS)
def test_only_what_is_not_monais_own_travels_as_a_program(ran, name):
    root = ran[name].model
    config = json.loads((root / "configs" / "inference.json").read_text())
    assert (root / PROGRAM).exists() == (name in AS_PROGRAMS)
    assert isinstance(config["network_def"], str) == (name in AS_PROGRAMS)
    text = (root / "README.md").read_text()
    assert PLANS[name].title in text
    assert ("--trusted" in text) == (name == "own")


def test_a_program_takes_any_number_of_patches(ran):
    program = torch.export.load(ran["ensemble"].model / PROGRAM).module()
    assert [program(torch.zeros(n, 1, 16, 16, 16)).shape[0] for n in (1, 2, 5)] == [1, 2, 5]


def test_a_network_whose_code_is_missing_runs_as_its_program_where_the_folder_is_trusted(ran, tmp_path):
    case = ran["own"]
    here = medseg.load_model(case.model, device="cpu", precision="fp32", trusted=True)
    assert here.origin == "weights"
    text = (case.model / "plan.json").read_text()
    for part in ("configs", "models"):
        (tmp_path / part).symlink_to(case.model / part)
    (tmp_path / "plan.json").write_text(text.replace("our_networks:", "elsewhere.networks:"))
    with pytest.raises(ModelFolderError, match=r"elsewhere\.networks:pointwise is code.*trusted=True"):
        medseg.load_model(tmp_path)
    there = medseg.load_model(tmp_path, device="cpu", precision="fp32", trusted=True)
    assert there.origin == "exported program"
    assert "exported program" in there._repr_html_()
    assert isinstance(there, Segmenter)
    assert np.array_equal(there.segment(case.image).mask, here.segment(case.image).mask)


def test_a_broken_or_missing_program_is_refused(ran, tmp_path):
    case = ran["own"]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.safetensors").symlink_to(case.model / "models" / "model.safetensors")
    text = (case.model / "plan.json").read_text().replace("our_networks:", "elsewhere:")
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ModelFolderError, match="PYTHONPATH"):
        medseg.load_model(tmp_path, trusted=True)
    (tmp_path / PROGRAM).write_bytes((case.model / PROGRAM).read_bytes()[:500])
    with pytest.raises(ModelFolderError, match=r"model\.pt2: cannot be read"):
        medseg.load_model(tmp_path, trusted=True)


def test_a_network_that_cannot_be_exported_runs_in_medseg_only_and_says_why(tmp_path):
    model = untrained_model(tmp_path / "model", picture("our_networks:branching"))
    assert not (model / PROGRAM).exists()
    assert not (model / "configs" / "inference.json").exists()
    opened = medseg.load_model(model, trusted=True)
    assert not opened.plan.portable
    assert "our_networks:branching: cannot be exported" in opened.plan.reasons["portable"]
    assert "It runs in medseg only: the network our_networks:branching" in (model / "README.md").read_text()
