"""Parts that are alike, folds, splits from files, and patients who leak."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.case import Case
from medseg.datasets import Split, k_folds, leaks, read_split, save_folds, split_by_patient, split_table
from medseg.errors import DatasetError

LABEL = (Path("label.png"),)


def case(name: str, patient: str, site: str = "", split: str = "", *, labelled: bool = True) -> Case:
    return Case(name, patient, (Path(name),), LABEL if labelled else (), split, {"site": site})


SITES = [case(f"c{i}_{j}", f"p{i}", "abc"[min(i % 5, 2)]) for i in range(50) for j in range(2)]  # a 10, b 10, c 30
SIMPLE = [case(name, f"of {name}") for name in "abcdef"]


def per_site(split: Split, part: str) -> Counter[str]:
    whose = {one.patient: one.columns["site"] for one in split.part(part, SITES)}
    return Counter(whose.values())


def test_strata_keep_their_shares_in_every_part() -> None:
    split = split_by_patient(SITES, test=0.2, validation=0.1, stratify="site")
    assert per_site(split, "test") == {"a": 2, "b": 2, "c": 6}
    assert per_site(split, "validation") == {"a": 1, "b": 1, "c": 3}
    assert not leaks(split, SITES)


@given(st.lists(st.sampled_from("aaaaabbc"), min_size=5, max_size=40), st.floats(0.05, 0.5), st.integers(0, 3))
def test_small_strata_do_not_change_the_total(sites: list[str], share: float, seed: int) -> None:
    cases = [case(f"c{i}", f"p{i}", site) for i, site in enumerate(sites)]
    split = split_by_patient(cases, test=share, validation=0.0, seed=seed, stratify="site")
    count = max(1, round(share * len(cases)))
    assert len(split.test) == count
    drawn = Counter(one.columns["site"] for one in split.part("test", cases))
    assert all(abs(drawn[site] - count * n / len(sites)) < 1 for site, n in Counter(sites).items())


def test_a_patient_belongs_to_the_stratum_of_most_of_its_cases() -> None:
    cases = [
        case("1", "p", "x"),
        case("2", "p", "y"),
        case("3", "p", "y"),
        *(case(f"q{i}", f"q{i}", "x") for i in range(9)),
    ]
    table = split_table([split_by_patient(cases, stratify="site")], cases, "site")
    assert table[["patients: x", "patients: y"]].sum().tolist() == [9, 1]


def test_new_patients_leave_most_of_the_old_ones_where_they_were() -> None:
    before = split_by_patient(SITES, stratify="site")
    more = [*SITES, *(case(f"n{i}", f"n{i}", "c") for i in range(5))]
    after = split_by_patient(more, stratify="site")
    assert len(set(before.test) & set(after.test)) >= 0.8 * len(before.test)


def test_negative_cases_and_several_columns_make_strata() -> None:
    cases = [
        Case(f"c{i}", f"p{i}", (Path("x"),), LABEL, columns={"sex": "fm"[i % 2]}, negative=i % 4 < 2) for i in range(40)
    ]
    table = split_table([split_by_patient(cases, test=0.2, stratify=["negative", "sex"])], cases, ["negative", "sex"])
    in_test = table.set_index("part").loc["test"]
    assert in_test["negative"] == 4
    assert {in_test[name] for name in table.columns if name.startswith("patients: ")} == {2}


def test_a_column_that_no_case_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(DatasetError, match="no case has a column 'sight', expected negative, site"):
        split_by_patient(SITES, stratify="sight")


@given(st.integers(2, 7), st.integers(0, 3))
def test_every_patient_is_in_one_validation_part_of_the_folds(k: int, seed: int) -> None:
    folds = k_folds(SITES, k, test=0.2, seed=seed, stratify="site")
    tests = {fold.test for fold in folds}
    assert len(tests) == 1
    validated = [name for fold in folds for name in fold.validation]
    assert sorted((*validated, *tests.pop())) == sorted(one.id for one in SITES)
    assert all(not leaks(fold, SITES) for fold in folds)
    for site in "abc":
        counts = [per_site(fold, "validation")[site] for fold in folds]
        assert max(counts) - min(counts) <= 1


def test_a_fixed_test_part_is_in_every_fold_and_other_parts_are_dealt_anew() -> None:
    cases = [case(f"c{i}", f"p{i}", split=("test", "train", "validation")[i % 3]) for i in range(9)]
    folds = k_folds(cases, 3, test=0.5)
    assert {fold.test for fold in folds} == {("c0", "c3", "c6")}
    assert [len(fold.validation) for fold in folds] == [2, 2, 2]


def test_more_folds_than_patients_are_refused() -> None:
    with pytest.raises(DatasetError, match="7 folds of 6 labelled patients"):
        k_folds(SIMPLE, 7)


WHOLE = {"train": ["a", "b", "c"], "validation": ["d"], "test": ["e", "f"]}
EXPECTED = Split(("a", "b", "c"), ("d",), ("e", "f"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ours.json", json.dumps(WHOLE)),
        ("names.json", json.dumps({**WHOLE, "test": ["e.nii.gz", "f.nii.gz"]})),
        ("ids.csv", "id,split\na,train\nb,training\nc,train\nd,val\ne,test\nf,testing\n"),
        ("patients.csv", "patient,age,split\n" + "".join(f"of {n},5,{p}\n" for p, own in WHOLE.items() for n in own)),
    ],
)
def test_a_split_is_read_from_json_and_tables(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_split(tmp_path / name, SIMPLE) == EXPECTED


def test_folds_of_nnunet_and_ours_are_read_one_by_one(tmp_path: Path) -> None:
    fixed = [*SIMPLE, case("t", "of t", split="test")]
    path = tmp_path / "splits_final.json"
    path.write_text(
        json.dumps([{"train": list("abcd"), "val": ["e", "f"]}, {"train": list("cdef"), "val": ["a", "b"]}])
    )
    assert read_split(path, fixed, 1) == Split(("c", "d", "e", "f"), ("a", "b"), ("t",))
    with pytest.raises(DatasetError, match="holds 2 folds, expected 0 to 1"):
        read_split(path, fixed)
    folds = k_folds(fixed, 3)
    save_folds(tmp_path / "folds.json", folds)
    assert [read_split(tmp_path / "folds.json", fixed, n) for n in range(3)] == folds


def test_an_empty_split_leaves_a_case_out_on_purpose(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("id,split\na,train\nb,train\nc,validation\nd,\ne,\nf,\n")
    assert read_split(path, SIMPLE) == Split(("a", "b"), ("c",), ())


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({**WHOLE, "train": ["a", "b", "c", "x", "y"]}, r"names 2 cases that the data set does not have \(x, y\)"),
        ({**WHOLE, "train": ["a"]}, r"has 2 cases in no part \(b, c\)"),
        ({**WHOLE, "test": ["a", "e", "f"]}, r"names 1 cases twice \(a\)"),
        ({**WHOLE, "train": ["a", "b", "c", "bare"]}, r"1 cases without a label \(bare\)"),
        ({"train": [], "test": list("abcdef")}, "no case to train on"),
        ({"training": "a"}, "is no split"),
        ([], "is no split|holds 0 folds"),
        ("text", "is no split"),
    ],
)
def test_a_file_that_does_not_fit_the_data_set_is_refused(tmp_path: Path, parts: object, found: str) -> None:
    (tmp_path / "split.json").write_text(json.dumps(parts))
    with pytest.raises(DatasetError, match=found):
        read_split(tmp_path / "split.json", [*SIMPLE, case("bare", "of bare", labelled=False)])


def test_a_patient_in_two_parts_is_named(tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text(json.dumps(WHOLE))
    leaky = [case(name, "same" if name in "ae" else name) for name in "abcdef"]
    assert leaks(EXPECTED, leaky) == {"same": ("train", "test")}
    with pytest.raises(DatasetError, match=r"1 patients are in two parts: same \(train and test\)"):
        read_split(tmp_path / "split.json", leaky)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"train": [1]}'])
def test_what_is_no_split_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(DatasetError, match=r"broken\.json"):
        read_split(tmp_path / "broken.json", SIMPLE, 0 if text.startswith("[") else None)
