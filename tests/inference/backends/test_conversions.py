"""A converted network is made once, is never another model's, and computes only where it agrees with PyTorch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from plans import plan_2d
from torch import nn

from medseg.device import open_compute
from medseg.errors import ConfigError, MissingExtraError
from medseg.inference.backends import choosing, conversions
from medseg.inference.backends.choosing import open_backend

pytest.importorskip("openvino", reason="needs the extra openvino")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

WINDOW = (1, 40, 40)


def small(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 3, padding=1)).eval()


@pytest.fixture(scope="module")
def cpu():
    return open_compute("cpu", "fp32")


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def opened(name, folder, compute, seed=0):
    return open_backend(name, small(seed), WINDOW, compute, folder=folder)


def kept(model):
    (folder,) = (model / "backends").iterdir()
    return folder


def stamps(folder):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize(("name", "precision"), [("openvino", "fp32"), ("openvino", "bf16"), ("onnx", "bf16")])
def test_it_converts_once_and_tells_how_far_it_agrees(name, precision, model, cpu):
    compute = open_compute("cpu", precision)
    first = opened(name, model, compute)
    before = stamps(kept(model))
    again = opened(name, model, compute)
    assert stamps(kept(model)) == before
    assert first.why == again.why
    assert "agrees with torch (" in first.why
    record = json.loads((kept(model) / "agreement.json").read_text())
    assert list(record["agreements"]) == [first.precision]
    windows = torch.randn(2, *WINDOW)
    assert torch.equal(first(windows), again(windows))
    away = (first(windows) - opened("torch", model, cpu)(windows)).abs().max()
    assert away < {"fp32": 1e-5, "bf16": 0.05}[first.precision]


def test_one_conversion_serves_both_precisions(model, cpu):
    opened("openvino", model, cpu)
    before = stamps(kept(model))
    second = opened("openvino", model, open_compute("cpu", "bf16"))
    after = stamps(kept(model))
    assert {name: after[name] for name in after if "network" in name} == {
        name: before[name] for name in before if "network" in name
    }
    record = json.loads((kept(model) / "agreement.json").read_text())
    assert second.precision in record["agreements"]


@pytest.mark.parametrize("harm", ["cut", "changed", "no file", "no record", "not json"])
def test_what_is_damaged_is_made_anew(harm, model, cpu):
    opened("openvino", model, cpu)
    numbers, record = kept(model) / "network.bin", kept(model) / "agreement.json"
    sound = numbers.read_bytes()
    match harm:
        case "cut":
            numbers.write_bytes(sound[:-4])
        case "changed":
            numbers.write_bytes(bytes([sound[0] ^ 1]) + sound[1:])
        case "no file":
            numbers.unlink()
        case "no record":
            record.unlink()
        case "not json":
            record.write_text("{")
    opened("openvino", model, cpu)
    assert numbers.read_bytes() == sound
    assert json.loads(record.read_text())["agreements"]
    assert [path.name for path in (model / "backends").iterdir()] == [kept(model).name]


def test_a_conversion_of_other_weights_is_not_taken(model, cpu):
    windows = torch.randn(1, *WINDOW)
    opened("openvino", model, cpu, seed=1)
    foreign = kept(model)
    right = opened("openvino", model, cpu, seed=2)
    assert len(list((model / "backends").iterdir())) == 2
    mine = right.conversion.folder
    shutil.rmtree(mine)
    shutil.copytree(foreign, mine)  # its own record still tells its own key
    expected = opened("torch", model, cpu, seed=2)(windows)
    assert torch.allclose(opened("openvino", model, cpu, seed=2)(windows), expected, atol=1e-5)


def test_the_same_weights_under_another_activation_are_another_network(model, cpu):
    network = small()
    for activation in (nn.ReLU(), nn.GELU()):
        network[1] = activation
        backend = open_backend("onnx", network, WINDOW, cpu, folder=model, digest="d" * 64)
        windows = torch.randn(1, *WINDOW)
        with torch.no_grad():
            assert torch.allclose(backend(windows), network(windows), atol=1e-5)


def forged(model, cpu):
    """A conversion of other weights under the key of these, with right hashes, that nobody has judged."""
    other = opened("openvino", model, cpu, seed=1).conversion.folder
    mine = opened("openvino", model, cpu).conversion.folder
    shutil.copy(other / "network.bin", mine / "network.bin")
    record = json.loads((mine / "agreement.json").read_text())
    record["files"]["network.bin"] = json.loads((other / "agreement.json").read_text())["files"]["network.bin"]
    record["agreements"] = {}
    (mine / "agreement.json").write_text(json.dumps(record))


def test_one_that_disagrees_is_refused_by_name_and_passed_over_by_auto(model, cpu, monkeypatch):
    forged(model, cpu)
    for _ in range(2):  # the second time by what was recorded
        with pytest.raises(ConfigError, match=r"OpenVINO in fp32 disagrees with torch \(.*Take backend=torch"):
            opened("openvino", model, cpu)
    monkeypatch.setattr(choosing, "_WORTH_CONVERTING", 0.0)
    backend = opened("auto", model, cpu)
    assert backend.name == "torch"
    assert "disagrees with torch" in backend.why


def test_where_the_model_folder_cannot_be_written_to_it_is_kept_in_the_users_cache(model, cpu, monkeypatch):
    (model / "backends").write_text("no folder")
    monkeypatch.setenv("HOME", str(model.parent / "home"))
    first = opened("openvino", model, cpu)
    assert "as the model folder cannot be written to" in first.why
    assert first.conversion.folder.is_relative_to(model.parent / "home" / ".cache" / "medseg")
    before = stamps(first.conversion.folder)
    opened("openvino", model, cpu)
    assert stamps(first.conversion.folder) == before


def test_without_any_place_it_is_kept_for_as_long_as_it_is_used(model, cpu, monkeypatch):
    (model / "backends").write_text("no folder")
    (model.parent / "home").write_text("no folder")
    monkeypatch.setenv("HOME", str(model.parent / "home"))
    backend = opened("openvino", model, cpu)
    assert "not kept" in backend.why
    folder = backend.conversion.folder
    assert folder.is_dir()
    assert backend(torch.randn(1, *WINDOW)).shape == (1, 3, 40, 40)
    del backend
    assert not folder.exists()


def test_of_two_that_convert_at_once_the_first_stays(model, tmp_path):
    def write(folder: Path) -> None:
        (folder / "network").write_text("mine")
        if not (model / "backends" / "x-kkk").exists():  # while it writes, another finishes
            conversions.put(model, "x", "kkk", "v", lambda other: (other / "network").write_text("others") and None)

    found = conversions.put(model, "x", "kkk", "v", write)
    assert (found.folder / "network").read_text() == "others"
    assert [path.name for path in (model / "backends").iterdir()] == ["x-kkk"]


def test_a_failure_leaves_nothing_and_what_a_killed_run_left_goes(model):
    (model / "backends" / ".unfinished-old").mkdir(parents=True)
    os.utime(model / "backends" / ".unfinished-old", (0, 0))

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ConfigError("backend", "no", "No.")

    with pytest.raises(ConfigError):
        conversions.put(model, "x", "kkk", "v", fail)
    assert not list((model / "backends").iterdir())


class Branching(nn.Module):
    def forward(self, images):
        return torch.cat([images, -images], 1) if images.max() > 3 else torch.cat([images, images], 1)


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_a_network_that_cannot_be_converted_stays_with_torch(name, model, cpu):
    with pytest.raises(ConfigError, match=r"cannot take the network.*backend=torch"):
        open_backend(name, Branching(), WINDOW, cpu, folder=model)
    backend = open_backend("auto", Branching(), WINDOW, cpu, folder=model)
    assert backend.name == "torch"
    assert "cannot take the network" in backend.why


def test_a_program_that_is_not_installed_names_its_extra_and_auto_does_without(model, cpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"medseg\[openvino\]"):
        opened("openvino", model, cpu)
    backend = opened("auto", model, cpu)
    assert (backend.name, "medseg[openvino]" in backend.why) == ("torch", True)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"medseg\[onnx\]"):
        opened("onnx", model, cpu)


def test_auto_converts_what_is_large_enough_and_is_torch_for_the_rest(model, cpu, monkeypatch):
    small_one = opened("auto", model, cpu)
    assert (small_one.name, "too small" in small_one.why) == ("torch", True)
    monkeypatch.setattr(choosing, "_WORTH_CONVERTING", 0.0)
    assert opened("auto", model, cpu).name == "openvino"
    nowhere = opened("auto", None, cpu)
    assert (nowhere.name, "no folder" in nowhere.why) == ("torch", True)


def test_openvino_is_loaded_without_what_reports_its_use(tmp_path):
    code = f"""
import sys, warnings, torch
from pathlib import Path
from medseg.device import open_compute
from medseg.inference.backends.choosing import open_backend
network = torch.nn.Conv2d(1, 3, 3, padding=1).eval()
backend = open_backend("openvino", network, (1, 16, 16), open_compute("cpu", "fp32"), folder=Path({str(tmp_path)!r}))
assert backend(torch.zeros(2, 1, 16, 16)).shape == (2, 3, 16, 16)
import logging
print([name for name in sys.modules if "openvino_telemetry" in name], logging.root.handlers)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "[] []"
    assert done.stderr == ""


def test_a_model_folder_takes_the_backend_from_its_settings(tmp_path):
    from plans import untrained_model

    import medseg

    folder = untrained_model(tmp_path / "model", plan_2d())
    model = medseg.load_model(folder, device="cpu", precision="fp32", backend="openvino")
    assert model.settings["backend"] == "openvino"
    assert model.backend.conversion.folder.parent == folder / "backends"


HEARD = """
import gc, signal, sys
from pathlib import Path
import torch
from torch import nn
from medseg.inference.backends.openvino_runtime import convert, load, precision_here
from medseg.inference.backends.original import Original

folder = Path(sys.argv[1])
convert(Original(nn.Conv2d(1, 2, 3, padding=1).eval(), (1, 8, 8)), folder)
opened = [load(folder, (1, 8, 8), precision_here("fp32")) for _ in range(3)]
opened[0](torch.zeros(1, 1, 8, 8))
while opened:
    del opened[0]
    gc.collect()
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("heard")
"""


def test_ctrl_c_is_heard_after_the_last_network_of_openvino_is_gone(tmp_path):
    done = subprocess.run([sys.executable, "-c", HEARD, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
