"""Checkpoints of nnU-Net: every tensor is used, shapes are equal, and nothing is run."""

import hashlib
import os
import shlex
import subprocess
import sys

import pytest
import torch
from nnunet_results import checkpoint, network_of, nnunet_names, plans

from medseg.errors import ModelFolderError
from medseg.inference.nnunet.weights import CONVERSION, open_checkpoint, take_weights


class Opener:
    """Something that runs a command when it is unpickled."""

    def __reduce__(self):
        return os.getcwd, ()


@pytest.fixture
def network():
    return network_of(plans(), "3d_fullres", 3, seed=1)


@pytest.fixture
def save(tmp_path, network):
    def _save(change=None, **changes):
        held = checkpoint(network.state_dict(), **changes)
        if change is not None:
            change(held["network_weights"])
        torch.save(held, tmp_path / "checkpoint_final.pth")
        return tmp_path / "checkpoint_final.pth"

    return _save


def test_numbers_of_numpy_are_no_reason_to_refuse(save, network):
    found = open_checkpoint(save())
    other = network_of(plans(), "3d_fullres", 3, seed=2)
    take_weights(other, found)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), network.parameters(), strict=True))
    assert (found.configuration, found.mirroring, found.trainer) == ("3d_fullres", (0, 1, 2), "nnUNetTrainer")


def test_prefixes_of_distributed_and_compiled_trainings_are_dropped(save, network, tmp_path):
    held = checkpoint(network.state_dict())
    held["network_weights"] = {f"module._orig_mod.{name}": t for name, t in held["network_weights"].items()}
    torch.save(held, tmp_path / "a.pth")
    take_weights(network, open_checkpoint(tmp_path / "a.pth"))


def test_no_mirroring_where_the_training_forbade_it(save):
    assert open_checkpoint(save(inference_allowed_mirroring_axes=None)).mirroring == ()


NAME = "decoder.seg_layers.0.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop(NAME), f"{NAME} is missing in the checkpoint"),
        (lambda weights: weights.update({"extra.weight": torch.zeros(1)}), "extra.weight is only in the checkpoint"),
        (
            lambda weights: weights.update({NAME: torch.zeros(2, 4, 1, 1, 1)}),
            r"\(2, 4, 1, 1, 1\), not \(3, 4, 1, 1, 1\)",
        ),
        (
            lambda weights: weights.update({"decoder.encoder.stages.0.0.convs.0.conv.bias": torch.ones(3)}),
            "differs from the tensor that it repeats",
        ),
    ],
)
def test_weights_of_another_network_are_refused_by_name(save, network, change, message):
    with pytest.raises(ModelFolderError, match=message):
        take_weights(network, open_checkpoint(save(change)))


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "a.pth")
    with pytest.raises(ModelFolderError, match="network_weights"):
        open_checkpoint(tmp_path / "a.pth")


def test_what_would_run_code_is_refused_and_the_conversion_that_is_named_works(save, network):
    path = save(init_args={"configuration": "3d_fullres", "fold": Opener()}, scheduler=Opener())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ModelFolderError) as caught:
        open_checkpoint(path)
    message = str(caught.value)
    assert "getcwd" in message
    assert digest in message
    assert " ".join(CONVERSION.split()) in message
    words = shlex.split(CONVERSION)
    subprocess.run([sys.executable, *words[1:-1], str(path)], check=True)
    take_weights(network, open_checkpoint(path))


def test_all_names_of_a_tensor_are_made_for_the_tests(network):
    names = nnunet_names(network.state_dict())
    assert "decoder.encoder.stages.0.0.convs.0.all_modules.1.weight" in names
    assert len(names) > 2 * len(network.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inference_allowed_mirroring_axes": 5}, "mirrors along 5"),
        ({"network_weights": {"a": 1}}, "no tensors"),
    ],
)
def test_a_checkpoint_of_other_things_is_refused_by_name(save, changes, message):
    with pytest.raises(ModelFolderError, match=message):
        open_checkpoint(save(**changes))
