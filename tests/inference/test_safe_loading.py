"""Reading a checkpoint runs nothing: what needs more is refused with its reason, its hash and a way to convert it."""

import hashlib
import os
import pickle
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medseg.errors import ModelFolderError
from medseg.inference.safe_loading import NUMPY_SCALARS, file_hash, read_checkpoint, tensors_of

WEIGHTS = {"conv.weight": torch.arange(6.0).reshape(2, 3)}


class Touching:
    """What makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize(
    "write",
    [
        lambda held, path: torch.save(held, path),
        lambda held, path: torch.save(held, path, _use_new_zipfile_serialization=False),
        lambda held, path: path.write_bytes(pickle.dumps(held)),
    ],
    ids=["zip", "legacy", "bare pickle"],
)
def test_a_checkpoint_with_code_is_refused_and_not_run(write, tmp_path):
    path = tmp_path / "model.pth"
    write({"state_dict": {}, "more": Touching(tmp_path / "ran")}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ModelFolderError, match=r"would run code.*save_file") as raised:
        read_checkpoint(path)
    assert digest in str(raised.value)
    assert not (tmp_path / "ran").exists()


def test_what_a_checkpoint_asks_for_is_named(tmp_path):
    torch.save(Touching(tmp_path / "ran"), tmp_path / "model.pth")
    with pytest.raises(ModelFolderError, match=r"asks for (posix|nt)\.system"):
        read_checkpoint(tmp_path / "model.pth")


def test_a_program_in_the_place_of_weights_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; such files are about
        torch.jit.trace(torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 4, 4)).save(tmp_path / "model.pt")
    with pytest.raises(ModelFolderError, match="TorchScript program"):
        read_checkpoint(tmp_path / "model.pt")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04cut", b"\x80\x02cut"])
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_damage_is_told_by_the_file(content, ending, tmp_path):
    path = tmp_path / f"model{ending}"
    path.write_bytes(content)
    with pytest.raises(ModelFolderError, match=path.name):
        read_checkpoint(path)


def test_a_missing_file_is_told(tmp_path):
    for call in (read_checkpoint, file_hash):
        with pytest.raises(ModelFolderError, match="cannot be read"):
            call(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("key", [None, "state_dict", "model", "network_weights"])
def test_tensors_are_found_where_they_usually_lie(key, tmp_path):
    torch.save(WEIGHTS if key is None else {key: WEIGHTS, "epoch": 3}, tmp_path / "model.pt")
    found = tensors_of(tmp_path / "model.pt")
    assert torch.equal(found["conv.weight"], WEIGHTS["conv.weight"])


def test_safetensors_are_read(tmp_path):
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    assert torch.equal(tensors_of(tmp_path / "model.safetensors")["conv.weight"], WEIGHTS["conv.weight"])


def test_a_checkpoint_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "model.pt")
    with pytest.raises(ModelFolderError, match="no state dictionary"):
        tensors_of(tmp_path / "model.pt")


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True)])
def test_numbers_of_numpy_are_read_where_they_are_allowed(number, tmp_path):
    torch.save({"model": WEIGHTS, "best": number}, tmp_path / "model.pt")
    with pytest.raises(ModelFolderError, match="numpy"):
        read_checkpoint(tmp_path / "model.pt")
    held = read_checkpoint(tmp_path / "model.pt", allowed=NUMPY_SCALARS)
    assert held["best"] == number
    with pytest.raises(ModelFolderError):  # what was allowed once stays refused elsewhere
        read_checkpoint(tmp_path / "model.pt")
