"""The folds of a cross-validation become one model folder that answers with the mean of their logits."""

import numpy as np
import pytest
import torch
from plans import plan_3d
from safetensors.torch import load_file

import medseg
from medseg.errors import ModelFolderError
from medseg.export.bundle import write_bundle
from medseg.export.ensembling import write_ensemble
from medseg.image import Image
from medseg.networks.building import build_network
from medseg.plan import Postprocessing

CARD = {"name": "joined", "Dice": {"a": 0.9, "b": 0.8}}


def fold(folder, seed: int, **changes):
    plan = plan_3d(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        write_bundle(folder, plan, build_network(plan), {"name": f"fold {seed}"})
    return folder


def test_the_joined_model_averages_logits_and_keeps_each_members_weights(tmp_path):
    folds = [fold(tmp_path / f"fold{n}" / "model", n, reasons={"patch_size": f"for fold {n}"}) for n in range(3)]
    rules = Postprocessing(largest=("a",))
    plan = write_ensemble(tmp_path / "joined", [folds[0], tmp_path / "fold1", folds[2]], CARD, postprocessing=rules)
    assert (plan.members, plan.postprocessing, plan.portable) == (3, rules, True)
    joined = medseg.load_model(tmp_path / "joined", device="cpu", precision="fp32")
    assert joined.plan == plan
    members = [medseg.load_model(folder, device="cpu", precision="fp32") for folder in folds]
    windows = torch.randn(2, 1, 16, 16, 16)
    each = torch.stack([member.backend(windows) for member in members])
    assert torch.allclose(joined.backend(windows), each.mean(0), atol=1e-5)
    weights = load_file(tmp_path / "joined" / "models" / "model.safetensors")
    for number, folder in enumerate(folds):
        for name, tensor in load_file(folder / "models" / "model.safetensors").items():
            assert torch.equal(weights[f"members.{number}.{name}"], tensor)
    plain = torch.load(tmp_path / "joined" / "models" / "model.pt", weights_only=True)
    assert weights.keys() <= plain.keys()


def test_its_card_tells_the_scores_the_reasons_and_the_cleaning(tmp_path):
    folds = [fold(tmp_path / f"{n}", n, reasons={"batch_size": "2: no less suits"}) for n in range(2)]
    write_ensemble(tmp_path / "joined", folds, CARD, postprocessing=Postprocessing(min_size={"b": 0.01}))
    text = (tmp_path / "joined" / "README.md").read_text()
    for words in (
        "(ensemble of 2)",
        "- Dice:\n    - a: 0.9\n    - b: 0.8",
        "2: no less suits",
        "before their cleaning",
    ):
        assert words in text
    image = Image(np.zeros((1, 16, 16, 16), np.float32), medseg.Geometry.from_spacing((16, 16, 16), (1, 1, 1)))
    assert medseg.load_model(tmp_path / "joined").segment(image).mask.shape == (16, 16, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spacing_mm": (1.0, 1.0, 2.0)}, "has another spacing_mm than the first"),
        ({"labels": {"a": 1, "c": 2}, "overlap": 0.25}, "has another labels and overlap"),
        ({"members": 2}, "is an ensemble of 2"),
    ],
)
def test_models_that_do_not_fit_one_another_are_refused(changes, message, tmp_path):
    folds = [fold(tmp_path / "one", 1), fold(tmp_path / "two", 2, **changes)]
    with pytest.raises(ModelFolderError, match="two: ") as error:
        write_ensemble(tmp_path / "joined", folds, CARD)
    assert message in str(error.value)
    assert not (tmp_path / "joined").exists()


def test_one_model_is_no_ensemble_and_an_incomplete_one_is_named(tmp_path):
    one, two = fold(tmp_path / "one", 1), fold(tmp_path / "two", 2)
    with pytest.raises(ModelFolderError, match="two at least"):
        write_ensemble(tmp_path / "joined", [one], CARD)
    (two / "models" / "model.safetensors").unlink()
    with pytest.raises(ModelFolderError, match=r"two.models.model\.safetensors: cannot be read"):
        write_ensemble(tmp_path / "joined", [one, two], CARD)
