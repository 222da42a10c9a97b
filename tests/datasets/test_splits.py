from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.case import Case
from medseg.datasets import Split, split_by_patient
from medseg.errors import DatasetError

LABEL = Path("label.nii.gz")


def case(name: str, patient: str, split: str = "") -> Case:
    return Case(name, patient, (Path(name),), (LABEL,), split)


CASES = [case(f"c{i}", f"p{i // 2}") for i in range(40)]


@given(st.randoms(use_true_random=False), st.integers(0, 5))
def test_a_split_depends_on_the_seed_and_not_on_the_order(random: object, seed: int) -> None:
    mixed = list(CASES)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert split_by_patient(mixed, seed=seed) == split_by_patient(CASES, seed=seed)


def test_seeds_differ() -> None:
    assert len({split_by_patient(CASES, seed=seed) for seed in range(5)}) == 5


@given(st.lists(st.integers(0, 12), min_size=12, max_size=40), st.floats(0, 0.4), st.floats(0, 0.4))
def test_every_case_is_in_one_part_and_every_patient_too(patients: list[int], test: float, validation: float) -> None:
    cases = [case(f"c{i}", str(patient)) for i, patient in enumerate(patients)]
    try:
        split = split_by_patient(cases, test=test, validation=validation)
    except DatasetError:
        assert len(set(patients)) < 3
        return
    parts = [split.train, split.validation, split.test]
    assert sorted(name for part in parts for name in part) == sorted(one.id for one in cases)
    whose = {one.id: one.patient for one in cases}
    patients_of = [{whose[name] for name in part} for part in parts]
    assert sum(len(part) for part in patients_of) == len(set(patients))


def test_shares_are_of_all_patients_and_at_least_one() -> None:
    split = split_by_patient(CASES, test=0.2, validation=0.1)
    assert (len(split.train), len(split.validation), len(split.test)) == (28, 4, 8)
    small = split_by_patient([case(n, n) for n in "abc"], test=0.01, validation=0.01)
    assert (len(small.train), len(small.validation), len(small.test)) == (1, 1, 1)
    assert split_by_patient(CASES, test=0, validation=0).train == tuple(sorted(one.id for one in CASES))


def test_a_fixed_test_part_stays_and_validation_comes_from_training() -> None:
    fixed = [case(f"c{i}", f"p{i}", "test" if i < 3 else "train") for i in range(20)]
    split = split_by_patient(fixed, validation=0.1)
    assert split.test == ("c0", "c1", "c2")
    assert len(split.validation) == 2


def test_all_parts_fixed_stay_as_they_are() -> None:
    fixed = [case("a", "1", "train"), case("b", "2", "validation"), case("c", "3", "test"), case("d", "4")]
    assert split_by_patient(fixed) == Split(("a", "d"), ("b",), ("c",))


def test_a_patient_fixed_to_two_parts_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"patient p: is in the train part and \(case b\) in the test part"):
        split_by_patient([case("a", "p", "train"), case("b", "p", "test")])


def test_an_unfixed_case_follows_its_patient() -> None:
    split = split_by_patient([case("a", "p", "test"), case("b", "p"), case("c", "q")], validation=0)
    assert split == Split(("c",), (), ("a", "b"))


def test_cases_without_label_are_in_no_part() -> None:
    split = split_by_patient([*CASES, Case("bare", "x", (LABEL,))])
    assert "bare" not in (*split.train, *split.validation, *split.test)


@pytest.mark.parametrize("shares", [{"test": 1.0}, {"test": -0.1}, {"test": 0.6, "validation": 0.5}])
def test_impossible_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(DatasetError, match="shares that leave some"):
        split_by_patient(CASES, **shares)


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(DatasetError, match="2 labelled patients leave none to train on"):
        split_by_patient([case("a", "1"), case("b", "2")])


def test_a_split_comes_back_from_its_file(tmp_path: Path) -> None:
    split = split_by_patient(CASES)
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    assert [one.id for one in split.part("test", CASES)] == sorted(split.test, key=lambda name: int(name[1:]))
    (tmp_path / "broken.json").write_text('{"train": ["a"], "validation": ["a"], "test": []}')
    with pytest.raises(DatasetError, match="two parts"):
        Split.load(tmp_path / "broken.json")
    with pytest.raises(DatasetError, match=r"absent\.json"):
        Split.load(tmp_path / "absent.json")
