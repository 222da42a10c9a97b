"""Everything that is wrong with a manifest, a case table or a list is told, each with its line and mend."""

import json
from pathlib import Path

import pytest

from medseg.datasets import CaseTable, open_dataset, survey_dataset
from medseg.errors import DatasetError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def manifest(root: Path, *lines: str) -> Path:
    touch(root, *(f"{name}.png" for name in "abcdefm"))
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def test_every_flaw_of_a_manifest_is_listed_with_its_line(tmp_path: Path) -> None:
    root = manifest(
        tmp_path,
        "id,patient,image,label,label:liver,reader:ann,negative,split,spacing_mm,anotated",
        "good,1,a.png,m.png,,,,,,",
        "good,1,b.png,,,,,,,",
        "x,,gone.png,,,,perhaps,tset,1x,",
        "y,2,../c.png,,,,,,,",
        "z,3,,m.png,,,,,,",
        "v,3,d.png,m.png,m.png,,,,,",
        "w,3,e.png,m.png,,m.png,,,,",
        "again,4,./a.png,,,,,,,",
        "short,5",
    )
    data = survey_dataset(root)
    assert [case.id for case in data.cases] == ["good"]
    told = "\n".join(str(problem).replace(str(root), "") for problem in data.problems)
    for found in (
        "the column 'anotated' is unknown, expected annotated. Rename it; to keep it",
        "line 3: the id 'good' was used before, in line 2",
        "line 4: the patient is empty",
        "line 4: image 'gone.png' does not exist",
        "line 4: negative is 'perhaps', expected yes or no",
        "line 4: the spacing '1x' cannot be read",
        "line 5: image '../c.png' leaves the manifest's folder",
        "line 6: image is empty",
        "line 7: has both label and label:liver",
        "line 8: has a label beside the masks of readers",
        "line 9: the image './a.png' was used before, in line 2",
        "line 10: does not have 10 fields",
    ):
        assert found in told
    assert len(data.problems) == 12
    with pytest.raises(DatasetError, match=r"and 11 more problems: `medseg inspect` lists all"):
        open_dataset(root)


@pytest.mark.parametrize("column", ["Label_x", "mask", "masks", "image_two", "readers", "splits", "spacing", "negativ"])
def test_a_misspelt_column_is_named_and_may_be_kept_on_purpose(tmp_path: Path, column: str) -> None:
    root = manifest(tmp_path, f"id,patient,image,{column}", "a,p,a.png,7")
    (problem,) = survey_dataset(root).problems
    assert f"the column '{column}' is unknown" in str(problem)
    manifest(tmp_path, f"id,patient,image,column:{column}", "a,p,a.png,7")
    assert open_dataset(root).cases[0].columns == {column: "7"}


@pytest.mark.parametrize("column", ["age", "sex", "site", "scanner", "patient_age", "kVp", "birads", "density"])
def test_columns_of_the_users_own_are_kept(tmp_path: Path, column: str) -> None:
    root = manifest(tmp_path, f"id,patient,image,{column}", "a,p,a.png,7")
    assert open_dataset(root).cases[0].columns == {column: "7"}


def test_structures_readers_and_what_was_looked_for_are_read(tmp_path: Path) -> None:
    root = manifest(
        tmp_path,
        "id,patient,image,label:liver,label_2:liver,label:tumour,reader:Ann,reader:Ben,annotated,negative",
        "a,1,a.png,m.png,f.png,,,,,",
        "b,2,b.png,m.png,,,,,all,",
        "c,3,c.png,m.png,,m.png,,,,No",
        "d,4,d.png,,,,m.png,f.png,liver; tumour,",
        "e,5,e.png,,,,,,,TRUE",
    )
    a, b, c, d, e = open_dataset(root).cases
    assert (a.masks, a.structures, a.annotated) == ((root / "m.png", root / "f.png"), ("liver", "liver"), ("liver",))
    assert (b.structures, b.annotated) == (("liver",), None)
    assert (c.structures, c.annotated, c.negative) == (("liver", "tumour"), None, False)
    assert d.readers == {"Ann": (root / "m.png",), "Ben": (root / "f.png",)}
    assert d.annotated == ("liver", "tumour")
    assert (e.negative, e.labelled, e.annotated) == (True, True, None)


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    root = manifest(tmp_path, "id,patient,image,label,label", "a,p,a.png,m.png,")
    with pytest.raises(DatasetError, match="has the column label twice"):
        open_dataset(root)


def test_links_and_full_paths_may_lead_out_of_the_folder(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "a.png", "b.png")
    root = manifest(tmp_path / "data", "id,patient,image", "a,p,linked/a.png", f"b,p,{tmp_path}/elsewhere/b.png")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    assert len(open_dataset(root)) == 2


def test_every_flaw_of_a_case_table_is_listed(tmp_path: Path) -> None:
    for name in "abcd":
        touch(tmp_path, f"{name}.png")
    entries = [{"image": f"{name}.png", "label": f"{name}.png"} for name in "abcd"]
    (tmp_path / "dataset.json").write_text(json.dumps({"training": entries, "labels": {"1": "x"}}))
    (tmp_path / "cases.csv").write_text("id,person,part\na,p,train\na,p,train\nb,,train\nc,q,tset\n")
    table = CaseTable(patient="person", split="part")
    data = survey_dataset(tmp_path, table=table)
    assert [case.id for case in data.cases] == ["a"]
    told = "\n".join(map(str, data.problems))
    for found in (
        "line 3: the case 'a' has a row already, line 2",
        "line 4: the patient is empty",
        "line 5: unknown split 'tset'",
        "has no row for the case 'd'",
    ):
        assert found in told
    with pytest.raises(DatasetError, match="and 3 more problems"):
        open_dataset(tmp_path, table=table)


def test_every_flaw_of_a_decathlon_list_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    listed = [
        {"image": "a.png", "label": "b.png"},
        {"image": "a.png", "label": "b.png"},
        {"image": "gone.png", "label": "b.png"},
        {"image": "../a.png", "label": "b.png"},
        {"image": "b.png"},
        "b.png",
    ]
    (tmp_path / "dataset.json").write_text(json.dumps({"training": listed, "test": ["none.png"]}))
    data = survey_dataset(tmp_path, layout="msd")
    assert ([case.id for case in data.cases], len(data.problems)) == (["a"], 6)
    (tmp_path / "dataset.json").write_text(json.dumps({"training": {"a": 1}}))
    with pytest.raises(DatasetError, match="training is a dict, expected a list"):
        survey_dataset(tmp_path, layout="msd")
