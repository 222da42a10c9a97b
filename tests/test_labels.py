"""What a mask can contain, and the way between file values and class indices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.errors import LabelError
from medseg.labels import IGNORE_INDEX, Labels

LUNG = Labels.from_config({"lung": 255, "ignore": 127})
SEVERAL = Labels.from_config({"organ": [1, 3], "tumour": 2})


def test_file_values_become_class_indices():
    mask = np.array([[0, 127], [255, 0]], np.uint8)
    assert LUNG.to_indices(mask).tolist() == [[0, IGNORE_INDEX], [1, 0]]


def test_several_file_values_are_one_label_and_the_first_is_written():
    indices = SEVERAL.to_indices(np.array([0, 1, 2, 3]))
    assert indices.tolist() == [0, 1, 2, 1]
    assert SEVERAL.from_indices(indices).tolist() == [0, 1, 2, 1]


@given(st.lists(st.sampled_from([0, 127, 255]), min_size=1, max_size=50))
def test_a_mask_comes_back_in_its_file_values(values):
    mask = np.array(values, np.uint8)
    back = LUNG.from_indices(LUNG.to_indices(mask))
    assert np.array_equal(back, mask)
    assert back.dtype == np.uint8


def test_ignored_voxels_are_written_in_their_value_or_as_background():
    indices = np.array([0, 1, IGNORE_INDEX], np.uint8)
    large = Labels.from_config({"lung": 1, "ignore": 4095})
    assert large.from_indices(indices).tolist() == [0, 1, 4095]
    assert large.from_indices(indices[:2]).dtype == np.uint8
    assert Labels.from_config({"lung": 1, "background": 9}).from_indices(indices).tolist() == [9, 1, 9]
    wide = Labels.from_config({"lung": 60000, "ignore": -1})
    assert wide.from_indices(indices).tolist() == [0, 60000, -1]


def test_whole_numbers_stored_as_floats_are_read():
    assert SEVERAL.to_indices(np.array([0.0, 0.9999, 2.0])).tolist() == [0, 1, 2]


@pytest.mark.parametrize("mask", [np.array([0.5, 1.0]), np.array([np.nan, 1.0])], ids=["half", "not a number"])
def test_probabilities_are_not_a_label_map(mask):
    with pytest.raises(LabelError, match="not whole numbers"):
        SEVERAL.to_indices(mask, "case.nii.gz")


def test_an_undeclared_value_is_named_with_its_file():
    with pytest.raises(LabelError, match=r"case\.png: label values \[64\] are not declared, expected only 0, 127, 255"):
        LUNG.to_indices(np.array([0, 64, 255]), "case.png")


def test_negative_and_large_values_are_found_too():
    with pytest.raises(LabelError, match=r"\[-1, 70000\]"):
        SEVERAL.to_indices(np.array([-1, 0, 70000]))


@pytest.mark.parametrize(
    "declared",
    [{"a": 1, "b": 1}, {"a": 0}, {"a": 5, "ignore": 5}, {}, {"background": 0}],
    ids=["twice", "background's", "ignore's", "none", "background alone"],
)
def test_labels_that_do_not_hold_together_are_refused(declared):
    with pytest.raises(LabelError):
        Labels.from_config(declared)


@pytest.mark.parametrize("value", ["1", 1.5, True, [], [1, "2"], None])
def test_only_whole_numbers_are_label_values(value):
    with pytest.raises(LabelError, match="whole numbers"):
        Labels.from_config({"lesion": value})


COLOURED = Labels.from_config({"benign": "#00ff00", "malignant": ["#FF0000", "#800000"], "ignore": "#808080"})


def test_colours_give_the_labels_file_values_in_their_order():
    assert COLOURED.written_values == (0, 1, 2)
    assert (COLOURED.ignore, COLOURED.file_values) == (255, (0, 1, 2, 255))
    assert [label.colour for label in COLOURED.labels] == [(0, 255, 0), (255, 0, 0)]
    assert dict(COLOURED.colours) == {
        (0, 0, 0): 0,
        (128, 128, 128): 255,
        (0, 255, 0): 1,
        (255, 0, 0): 2,
        (128, 0, 0): 2,
    }
    assert LUNG.colours == ()


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ({"a": "#00ff00", "b": 2}, r"labels\.b: the colour 2, .*every label as a colour, or every label as"),
        ({"a": "#00ff00", "b": "green"}, r"labels\.b: the colour 'green'"),
        ({"a": "#0f0"}, r"labels\.a: the colour '#0f0'"),
        ({"a": "#00ff00", "b": "#00FF00"}, "a colour is declared twice"),
        ({"a": "#000000"}, "a colour is declared twice"),
        ({"background": "#ffffff"}, "no label"),
        ({"a": None}, r"labels\.a: the value None, .*with its quotes"),
    ],
)
def test_colours_that_do_not_hold_together_are_refused(declared, found):
    with pytest.raises(LabelError, match=found):
        Labels.from_config(declared)


def test_undeclared_values_between_declared_ones_look_like_edges():
    for mask, hinted in (([0, 3, 70, 200, 255], True), ([0, 64, 255], False), ([0, 3, 70, 300], False)):
        with pytest.raises(LabelError) as caught:
            LUNG.to_indices(np.array(mask))
        assert ("nearest_label: true" in str(caught.value)) == hinted


OVERLAPPING = Labels.from_config({"whole tumour": [1, 2, 3], "core": [2, 3], "overlapping": True})
NAMED = Labels.from_config({"lung": ["left lung", "right lung"], "heart": "heart", "ignore": "device"})


@pytest.mark.parametrize(
    "labels",
    [LUNG, SEVERAL, Labels.from_config({"background": [0, 4], "a": 7}), COLOURED, OVERLAPPING, NAMED],
)
def test_labels_survive_the_way_through_a_config(labels):
    assert Labels.from_config(labels.to_config()) == labels


def test_names_and_classes_leave_the_background_out_and_in():
    assert SEVERAL.names == ("organ", "tumour")
    assert SEVERAL.classes == 3
    assert SEVERAL.written_values == (0, 1, 2)


def test_an_empty_mask_is_all_background():
    assert LUNG.to_indices(np.zeros((0, 3), np.uint8)).shape == (0, 3)
    assert not LUNG.to_indices(np.zeros((4, 3), np.uint8)).any()


def test_structures_give_the_labels_file_values_in_their_order():
    assert NAMED.names == ("lung", "heart")
    assert NAMED.written_values == (0, 1, 2)
    found = [NAMED.value_of(name) for name in ("left lung", "Right Lung", "heart", "device", "spine")]
    assert found == [1, 1, 2, NAMED.ignore, None]
    with pytest.raises(LabelError, match="a structure is declared twice"):
        Labels.from_config({"lung": ["left lung"], "chest": ["left lung"]})


def test_a_structure_called_as_its_label_needs_no_declaration():
    assert SEVERAL.value_of("tumour") == 2
    assert SEVERAL.value_of("organ") == 1
    assert SEVERAL.value_of("vessel") is None


def test_names_that_differ_in_case_alone_are_told_apart():
    labels = Labels.from_config({"a": "GTV", "b": "gtv"})
    assert (labels.value_of("GTV"), labels.value_of("gtv"), labels.value_of("Gtv")) == (1, 2, None)


def test_labels_that_may_overlap_share_their_values():
    assert not OVERLAPPING.exclusive
    assert OVERLAPPING.names == ("whole tumour", "core")
    with pytest.raises(LabelError, match="value 2 is declared twice"):
        Labels.from_config({"whole tumour": [1, 2, 3], "core": [2, 3]})


def test_a_label_was_looked_for_where_all_its_structures_were():
    assert NAMED.judged(None) == ("lung", "heart")
    assert NAMED.judged(["left lung", "heart"]) == ("heart",)
    assert NAMED.judged(["Left Lung", "right lung"]) == ("lung",)
    assert SEVERAL.judged(["tumour"]) == ("tumour",)
    assert SEVERAL.judged([]) == ()


def test_more_labels_than_an_index_can_tell_apart_are_refused():
    most = {f"label {n}": n for n in range(1, 255)}
    assert Labels.from_config(most).classes == 255
    with pytest.raises(LabelError, match="254 at most"):
        Labels.from_config(most | {"one more": 255})
    assert len(Labels.from_config({**most, "one more": 255, "overlapping": True}).names) == 255


@pytest.mark.parametrize("value", [["a", "b"], 1, "yes"])
def test_whether_labels_overlap_is_true_or_false(value):
    with pytest.raises(LabelError, match=r"overlapping.*true or false"):
        Labels.from_config({"a": 1, "b": 2, "overlapping": value})
