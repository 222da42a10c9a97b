"""nnU-Net's dataset.json and plans.json: what is read, and what is refused."""

import json
from pathlib import Path

import pytest
from nnunet_results import DATASET, REGIONS, configuration, plans

from medseg.errors import ModelFolderError
from medseg.inference.nnunet.architectures import unet_shape
from medseg.inference.nnunet.described import Described, read_described
from medseg.inference.nnunet.plans import Configuration, Plans, read_plans
from medseg.inference.nnunet.resampling import resampling_of

WHERE = Path("plans.json")


def described(**changes):
    return Described.model_validate(DATASET | changes)


def test_labels_follow_the_order_of_the_outputs():
    found = described(labels={"background": 0, "lobe": 2, "cyst": 1, "ignore": 3})
    assert found.outputs == 3
    assert found.label_set(WHERE).names == ("cyst", "lobe")
    assert found.label_set(WHERE).ignore == 3


def test_regions_overlap_in_their_own_order():
    found = Described.model_validate(REGIONS)
    labels = found.label_set(WHERE)
    assert (found.outputs, labels.names, labels.exclusive) == (2, ("organ", "cyst"), False)


@pytest.mark.parametrize(
    "changes", [{"labels": {"background": 0, "lobe": 2}}, REGIONS | {"regions_class_order": [1]}, {"labels": {"a": 0}}]
)
def test_labels_that_nnunet_could_not_train_are_refused(changes):
    with pytest.raises(ModelFolderError):
        described(**changes).label_set(WHERE)


def test_channels_come_in_the_order_of_their_numbers():
    assert described(channel_names={"10": "c", "2": "b", "0": "a"}).channels == ("a", "b", "c")
    old = {key: value for key, value in DATASET.items() if key != "channel_names"} | {"modality": {"0": "MR"}}
    assert Described.model_validate(old).channels == ("MR",)


def test_a_configuration_inherits():
    all_of = {"3d_fullres": configuration(), "small": {"inherits_from": "3d_fullres", "patch_size": [2, 2, 2]}}
    found = Plans.model_validate(plans(configurations=all_of)).configuration("small", WHERE)
    assert (found.patch_size, found.spacing) == ((2, 2, 2), (4.0, 1.2, 1.1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"previous_stage": "3d_lowres"}, "stage of a cascade"),
        ({"next_stage": ["3d_cascade_fullres"]}, "stage of a cascade"),
        ({"preprocessor_name": "MyPreprocessor"}, "MyPreprocessor"),
        ({"inherits_from": "3d_fullres"}, "inherits from itself"),
        ({"patch_size": [8, 8]}, "patches"),
    ],
)
def test_what_would_be_done_otherwise_is_refused(changes, message):
    found = Plans.model_validate(plans(configurations={"3d_fullres": configuration(**changes)}))
    with pytest.raises(ModelFolderError, match=message):
        found.configuration("3d_fullres", WHERE)


@pytest.mark.parametrize(
    ("key", "value"), [("image_reader_writer", "MyIO"), ("label_manager", "Mine"), ("transpose_forward", [0, 1])]
)
def test_unknown_rules_of_the_plans_are_refused_by_name(tmp_path, key, value):
    (tmp_path / "plans.json").write_text(json.dumps(plans(**{key: value})))
    with pytest.raises(ModelFolderError, match="nnUNetv2_predict"):
        read_plans(tmp_path)


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(ModelFolderError, match=r"dataset\.json: cannot be read"):
        read_described(tmp_path)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0}}')
    with pytest.raises(ModelFolderError, match="channel_names"):
        read_described(tmp_path)


@pytest.mark.parametrize("residual", [False, True])
def test_old_plans_describe_the_same_network(residual):
    new = configuration(residual=residual)
    kwargs = new["architecture"]["arch_kwargs"] | {"features_per_stage": [4, 8, 10]}
    new["architecture"]["arch_kwargs"] = kwargs
    old = {key: value for key, value in new.items() if key != "architecture"} | {
        "UNet_class_name": new["architecture"]["network_class_name"].rpartition(".")[2],
        "UNet_base_num_features": 4,
        "unet_max_num_features": 10,
        "n_conv_per_stage_encoder": kwargs["n_blocks_per_stage" if residual else "n_conv_per_stage"],
        "n_conv_per_stage_decoder": kwargs["n_conv_per_stage_decoder"],
        "pool_op_kernel_sizes": kwargs["strides"],
        "conv_kernel_sizes": kwargs["kernel_sizes"],
    }
    shapes = [unet_shape(Configuration.model_validate(one), 1, 3, WHERE) for one in (old, new)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("network_class_name", "my.Net"),
        ("attention", True),
        ("block", "dynamic_network_architectures.building_blocks.residual.BottleneckD"),
        ("norm_op", "torch.nn.GroupNorm"),
        ("nonlin", "torch.nn.Tanh"),
        ("kernel_sizes", [[3, 3, 3]]),
    ],
)
def test_another_network_is_refused_by_name(where, value):
    given = configuration()
    inner = given["architecture"] if where == "network_class_name" else given["architecture"]["arch_kwargs"]
    inner[where] = value
    with pytest.raises(ModelFolderError):
        unet_shape(Configuration.model_validate(given), 1, 3, WHERE)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("no_resampling_hack", {}),
        ("resample_data_or_seg_to_shape", {"order": 2}),
        ("resample_data_or_seg_to_shape", {"order_z": 1}),
        ("resample_data_or_seg_to_shape", {"is_seg": True}),
        ("resample_torch_fornnunet", {"mode": "bicubic"}),
    ],
)
def test_another_resampling_is_refused(name, options):
    with pytest.raises(ModelFolderError, match="resamples by"):
        resampling_of(name, options, WHERE)


def test_a_thick_axis_of_either_grid_is_resampled_apart():
    rule = resampling_of("resample_data_or_seg_to_shape", {"order": 3}, WHERE)
    assert rule.orders((3.27, 0.977, 0.977), (3.0, 1.2, 1.2)) == (0, 3, 3)
    assert rule.orders((1.0, 1.0, 1.0), (1.0, 4.0, 1.0)) == (3, 0, 3)
    assert rule.orders((3.0000001, 1.0, 1.0), (1.0, 1.0, 1.0)) == (3, 3, 3)
    assert rule.orders((5.0, 5.0, 1.0), (1.0, 1.0, 1.0)) == (3, 3, 3)
    assert resampling_of("resample_torch_fornnunet", {"force_separate_z": False}, WHERE).orders(
        (9, 1, 1), (1, 1, 1)
    ) == (
        1,
        1,
        1,
    )
