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


@given(st.lists(st.sampled_from([0, 255]), min_size=1, max_size=50))
def test_a_mask_comes_back_in_its_file_values(values):
    mask = np.array(values, np.uint8)
    back = LUNG.from_indices(LUNG.to_indices(mask))
    assert np.array_equal(back, mask)
    assert back.dtype == np.uint8


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


@pytest.mark.parametrize("labels", [LUNG, SEVERAL, Labels.from_config({"background": [0, 4], "a": 7})])
def test_labels_survive_the_way_through_a_config(labels):
    assert Labels.from_config(labels.to_config()) == labels


def test_names_and_classes_leave_the_background_out_and_in():
    assert SEVERAL.names == ("organ", "tumour")
    assert SEVERAL.classes == 3
    assert SEVERAL.written_values == (0, 1, 2)


def test_an_empty_mask_is_all_background():
    assert LUNG.to_indices(np.zeros((0, 3), np.uint8)).shape == (0, 3)
    assert not LUNG.to_indices(np.zeros((4, 3), np.uint8)).any()
