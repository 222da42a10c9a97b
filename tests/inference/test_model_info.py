"""What `medseg info` shows, of every kind of model; and how a path is recognised."""

import json

import pytest
from foreign_bundles import zoo_bundle
from plans import plan_3d, untrained_model
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import LabelError, ModelFolderError
from medseg.inference import model_info
from medseg.inference.model_folder import KINDS, kind_of, read_network
from medseg.plan import NetworkPlan


def test_every_kind_of_model_can_be_described():
    assert set(model_info._DESCRIBED) == {kind.name for kind in KINDS}


def test_a_path_that_is_no_model_is_told_what_was_looked_for(tmp_path):
    with pytest.raises(ModelFolderError, match=r"holds no model") as raised:
        medseg.load_model(tmp_path)
    for word in ("plan.json", "configs/inference.json", "checkpoint", ".onnx"):
        assert word in str(raised.value)
    (tmp_path / "net.pt").write_bytes(b"")
    for path in (tmp_path / "net.pt", tmp_path / "nowhere"):
        with pytest.raises(ModelFolderError, match="is not a folder"):
            medseg.model_info(path)


def test_our_model_tells_its_network_and_card(tmp_path):
    plan = plan_3d(labels={"a": 1, "b": 7}, mirror_axes=(0, 1))
    model = untrained_model(tmp_path / "model", plan)
    told = medseg.model_info(model)
    network = read_network(model, plan)
    assert told["parameters"] == sum(weights.numel() for weights in network.parameters())
    assert told["labels"] == {"a": 1, "b": 7}
    assert told["sha256"] == medseg.load_model(model).hash
    assert set(told["speeds"]) == {"fast", "normal", "best"}
    assert "4 mirrored views" in told["speeds"]["best"]
    assert "not a medical device" in told["intended use"]
    assert any("MR alone" in limit for limit in told["limits"])
    assert "name" in told


def test_conversions_are_told_with_their_agreement(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model = untrained_model(tmp_path / "model", plan_3d())
    assert "converted" not in medseg.model_info(model)
    medseg.load_model(model, device="cpu", precision="fp32", backend="onnx")
    assert medseg.model_info(model)["converted"]["onnx fp32"].startswith("Dice 1.0000")


def test_a_network_that_is_code_is_described_without_it(tmp_path):
    model = untrained_model(tmp_path / "model", plan_3d())
    own = plan_3d(network=NetworkPlan(**plan_3d().network.model_dump() | {"name": "no_such_package.nets:net"}))
    (model / "plan.json").write_text(own.model_dump_json())
    assert medseg.model_info(model)["trust"].startswith("needed")


def test_a_bundle_of_others_is_described_by_its_metadata_alone(tmp_path):
    told = medseg.model_info(zoo_bundle(tmp_path / "bundle", imports=["$1 / 0"]))
    assert told["kind"] == "MONAI bundle"
    assert told["labels"] == {"liver": 1, "tumour": 2}
    assert told["scores"] == {"mean_dice": 0.5}
    assert told["copyright"].startswith("Copyright")
    assert told["trust"].startswith("needed")


def test_the_command_prints_a_table_or_json(tmp_path):
    model = str(untrained_model(tmp_path / "model", plan_3d()))
    shown = CliRunner().invoke(app, ["info", model])
    assert shown.exit_code == 0
    assert "16×16×16" in shown.output
    printed = CliRunner().invoke(app, ["info", model, "--json"])
    assert json.loads(printed.output) == medseg.model_info(model)


def test_no_model_is_an_error_of_the_command(tmp_path):
    result = CliRunner().invoke(app, ["info", str(tmp_path)])
    assert isinstance(result.exception, ModelFolderError)


@pytest.mark.parametrize("word", ["--trusted", "--trust"])
def test_trust_has_two_words(word, tmp_path):
    bundle = zoo_bundle(tmp_path / "bundle")
    words = ["predict", str(bundle), str(tmp_path), "--out", str(tmp_path / "out"), word]
    assert not isinstance(CliRunner().invoke(app, words).exception, ModelFolderError)


def test_kinds_are_told_apart(tmp_path):
    ours = untrained_model(tmp_path / "model", plan_3d())
    assert kind_of(ours).name == kind_of(tmp_path).name == "model folder of medseg"
    (ours / "plan.json").unlink()
    assert kind_of(ours).name == "MONAI bundle"


def test_no_card_says_what_the_files_themselves_say(tmp_path):
    model = untrained_model(tmp_path / "model", plan_3d())
    true = medseg.model_info(model)
    file = model / "configs" / "metadata.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"card": {"sha256": "0", "kind": "safe", "trust": "no", "Dice": 0.9}}))
    assert medseg.model_info(model) == {key: one for key, one in true.items() if key != "name"} | {"Dice": 0.9}
    file.write_text(json.dumps(said | {"card": ["a list"]}))
    assert medseg.model_info(model)["sha256"] == true["sha256"]


def test_a_bundle_that_describes_itself_oddly_is_still_described(tmp_path):
    bundle = zoo_bundle(tmp_path / "bundle")
    file = bundle / "configs" / "metadata.json"
    said = json.loads(file.read_text())
    said["network_data_format"]["inputs"]["image"]["spatial_shape"] = 5
    file.write_text(json.dumps(said))
    assert "patch" not in medseg.model_info(bundle)
    said.pop("label_values", None)
    said["network_data_format"]["outputs"]["pred"]["channel_def"] = {"0": "background", "1": "a", "2": "a"}
    file.write_text(json.dumps(said))
    with pytest.raises(LabelError, match="two outputs alike"):
        medseg.model_info(bundle)
