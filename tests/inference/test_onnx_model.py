"""An ONNX file with a plan: the same masks as the network it was made of, or a clear refusal."""

import json
import warnings

import numpy as np
import pytest
import torch
from plans import plan_2d, plan_3d, untrained_model
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import ConfigError, ModelFolderError
from medseg.export.onnx_folder import write_onnx
from medseg.inference.model_folder import read_network

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def with_fixed_batch(model, file, plan, batch):
    """The network of a model folder as an ONNX file that takes batches of one size alone."""
    network = read_network(model, plan).eval()
    windows = torch.zeros(batch, len(plan.channels), *plan.patch_size)
    file.parent.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own calls
        torch.onnx.export(network, (windows,), file, dynamo=True, verbose=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("onnx")
    model = untrained_model(root / "model", plan_3d())
    return model, write_onnx(model, root / "onnx")


@pytest.fixture
def image():
    voxels = np.random.default_rng(0).normal(100, 30, (1, 24, 30, 21)).astype(np.float32)
    return medseg.Image(voxels, medseg.Geometry.from_spacing((24, 30, 21), (1.2, 0.9, 1.5)))


@pytest.mark.parametrize("what", ["file", "folder"])
def test_the_file_answers_as_its_network(what, made, image):
    model, file = made
    ours = medseg.load_model(model, device="cpu", precision="fp32", backend="torch").segment(image)
    theirs = medseg.load_model(file if what == "file" else file.parent).segment(image)
    assert set(np.unique(ours.mask)) > {0}
    assert (ours.mask == theirs.mask).mean() > 0.999


def test_a_fixed_batch_is_filled_up(tmp_path):
    plan = plan_2d(batch_size=4)
    model = untrained_model(tmp_path / "model", plan)
    pixels = np.random.default_rng(0).integers(0, 255, (1, 90, 70)).astype(np.uint8)
    image = medseg.Image(pixels, medseg.Geometry.from_spacing((90, 70), None))
    with_fixed_batch(model, tmp_path / "onnx" / "models" / "net.onnx", plan, 3)
    (tmp_path / "onnx" / "plan.json").write_text(plan.model_dump_json())
    theirs = medseg.load_model(tmp_path / "onnx").segment(image)
    ours = medseg.load_model(model, device="cpu", precision="fp32", backend="torch").segment(image)
    assert (ours.mask == theirs.mask).mean() > 0.999


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patch_size": (24, 16, 16)}, r"input is \(B, 1, 16, 16, 16\)"),
        ({"channels": ("t1", "t2"), "normalisation": plan_3d().normalisation * 2}, "input"),
        ({"labels": {"a": 1}}, "output"),
    ],
    ids=["patch", "channels", "labels"],
)
def test_a_plan_of_another_network_is_refused(change, told, made, tmp_path):
    (tmp_path / "net.onnx").write_bytes(made[1].read_bytes())
    for beside in made[1].parent.glob("*.data"):
        (tmp_path / beside.name).write_bytes(beside.read_bytes())
    (tmp_path / "plan.json").write_text(plan_3d(**change).model_dump_json())
    with pytest.raises(ModelFolderError, match=told):
        medseg.load_model(tmp_path)


def test_what_is_no_onnx_or_has_no_plan_is_refused(made, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"nonsense")
    with pytest.raises(ModelFolderError, match=r"plan\.json beside it"):
        medseg.load_model(tmp_path / "net.onnx")
    (tmp_path / "plan.json").write_text(plan_3d().model_dump_json())
    with pytest.raises(ModelFolderError, match="cannot be read"):
        medseg.load_model(tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match="ONNX"):
        medseg.load_model(made[1], backend="torch")


def test_info_tells_what_the_file_is(made):
    told = medseg.model_info(made[1])
    assert told["kind"] == "ONNX file"
    assert told["labels"] == {"a": 1, "b": 2}
    assert told["sha256"] == medseg.load_model(made[1]).hash
    assert json.dumps(told)


def test_a_model_that_is_not_trusted_is_not_exported(made, tmp_path):
    own = plan_3d(network=plan_3d().network.model_copy(update={"name": "no_such_package.nets:net"}))
    (tmp_path / "plan.json").write_text(own.model_dump_json())
    with pytest.raises(ModelFolderError, match="is code"):
        write_onnx(tmp_path, tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()


def test_the_command_exports(made, tmp_path):
    done = CliRunner().invoke(app, ["export", str(made[0]), "--onnx", str(tmp_path / "onnx")])
    assert done.exit_code == 0, done.output
    assert "untrained" in json.dumps(medseg.model_info(tmp_path / "onnx"))


def test_a_file_that_takes_many_windows_at_once_cannot_be_held_to_a_memory(tmp_path):
    plan = plan_2d(batch_size=4)
    model = untrained_model(tmp_path / "model", plan)
    with_fixed_batch(model, tmp_path / "onnx" / "net.onnx", plan, 3)
    (tmp_path / "onnx" / "plan.json").write_text(plan.model_dump_json())
    assert medseg.load_model(tmp_path / "onnx").settings["max_memory"] is None
    with pytest.raises(ConfigError, match="3 windows at once"):
        medseg.load_model(tmp_path / "onnx", max_memory="6GiB")


def test_an_answer_of_another_shape_is_refused_and_not_spread(tmp_path):
    import onnx

    plan, sizes = plan_2d(), ["batch", "c", "x", "y"]
    image, logits = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes) for name in ("in", "out"))
    halved = onnx.helper.make_node("MaxPool", ["in"], ["out"], kernel_shape=[2, 2], strides=[2, 2])
    graph = onnx.helper.make_graph([halved], "halved", [image], [logits])
    file = tmp_path / "net.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), file)
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    pixels = np.random.default_rng(0).integers(0, 255, (1, 90, 70)).astype(np.uint8)
    with pytest.raises(ModelFolderError, match=r"its answer is \(B, 1, 16, 16\)"):
        medseg.load_model(file).segment(medseg.Image(pixels, medseg.Geometry.from_spacing((90, 70), None)))
