"""The patient table and the clinical join: on made tables whose answers are known, and the page that explains them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.commands.patients import patients as command
from medseg.errors import InputError
from medseg.regions import join_clinical, patient_columns, patient_table
from medseg.regions.patient_columns import ALL_OF_PATIENT
from medseg.regions.patients import begins_with_year, iso_date
from medseg.workflow import measure_cases

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "patients.md").read_text(encoding="utf-8")


def regions(*rows):
    """Rows of case, label, ml and longest diameter."""
    return pd.DataFrame(rows, columns=["case", "label", "volume_ml", "longest_axial_mm"])


def cases(*rows):
    """Rows of case, patient, date and scanner; a patient with a cross has a failed case."""
    frame = pd.DataFrame(rows, columns=["case", "patient", "study_date", "scanner"])
    failed = frame["patient"].str.endswith("×")
    return frame.assign(
        patient=frame["patient"].str.rstrip("×"), status=failed.map({True: "failed", False: "done"}), regions=1
    )


REGIONS = regions(
    ("a1", "lesion", 2.0, 20.0),
    ("a1", "lesion", 1.0, 10.0),
    ("a1", "node", 0.5, 8.0),
    ("c1", "lesion", 4.0, 30.0),
    ("c2", "lesion", 6.0, 40.0),
    ("c2", "lesion", 2.0, 5.0),
)
CASES = cases(
    ("a1", "007", "2020-01-31", "S1"),
    ("b1", "8", "2020-02-01", "S1"),
    ("c1", "9", "20200301", "S1"),
    ("c2", "9", "2020-03-01", "S2"),
    ("d1", "10×", "2020-04-01", "S2"),
    ("e1", "11", "2020-05-01", "S2"),
    ("e2", "11×", "2020-05-01", "S2"),
    ("e3", "11", "", "S2"),
)


@pytest.fixture
def table():
    return patient_table(REGIONS, CASES, ["lesion", "node"])


def row(table, patient, label="lesion", date=None):
    found = table[(table["patient"] == patient) & (table["label"] == label)]
    found = found if date is None else found[found["study_date"] == date]
    assert len(found) == 1
    return found.iloc[0]


def test_regions_of_a_study_are_counted_and_added_up(table):
    lesion, whole = row(table, "007"), row(table, "007", ALL_OF_PATIENT)
    assert (lesion["regions"], lesion["total_volume_ml"], lesion["largest_volume_ml"]) == (2, 3.0, 2.0)
    assert (lesion["diameter_sum_mm"], lesion["recist_targets"], lesion["recist_sum_mm"]) == (30.0, 2, 30.0)
    assert (whole["regions"], whole["total_volume_ml"], whole["diameter_sum_mm"]) == (3, 3.5, 38.0)
    assert (lesion["cases"], lesion["failed_cases"], lesion["note"], lesion["scanner"]) == (1, 0, "", "S1")
    assert lesion["study_date"] == "2020-01-31"


def test_a_patient_without_a_lesion_has_zeros_and_a_failed_one_has_nothing(table):
    none, failed = row(table, "8"), row(table, "10")
    figures = ["regions", "total_volume_ml", "largest_volume_ml", "diameter_sum_mm", "recist_targets", "recist_sum_mm"]
    assert (none[[name for name in figures if "largest" not in name]] == 0).all()
    assert none["cases"] == 1
    assert failed[figures].isna().all()
    assert (failed["cases"], failed["failed_cases"]) == (0, 1)
    assert failed["note"] == "1 of 1 cases failed: no figure is known"


def test_two_series_of_one_study_are_not_added_up_unless_asked(table):
    both = row(table, "9")
    assert both["cases"] == 2
    assert (both["regions"], both["total_volume_ml"], both["largest_volume_ml"]) == (1.5, 6.0, 6.0)
    assert "the mean of them" in both["note"]
    assert both["scanner"] == ""
    assert "its cases differ in scanner" in both["note"]
    summed = row(patient_table(REGIONS, CASES, ["lesion", "node"], several="sum"), "9")
    assert (summed["regions"], summed["total_volume_ml"], summed["largest_volume_ml"]) == (3, 12.0, 6.0)
    assert "added up" in summed["note"]


def test_a_failed_case_beside_another_and_an_unknown_date_are_told(table):
    partly, undated = row(table, "11", date="2020-05-01"), row(table, "11", date="")
    assert (partly["cases"], partly["failed_cases"], partly["regions"]) == (1, 1, 0)
    assert partly["note"] == "1 of 2 cases failed: figures are of the other 1"
    assert partly["case_ids"] == "e1; e2"
    assert undated["failed_cases"] == 0


def test_cases_without_any_date_may_be_of_several_days():
    found = patient_table(REGIONS, CASES.drop(columns="study_date"), ["lesion"])
    assert "their dates are unknown" in row(found, "9")["note"]


def test_five_targets_two_a_label_and_overlapping_labels_are_not_united():
    many = regions(*(("a1", label, 1.0, 10.0 * n) for label in ("x", "y", "z") for n in (1, 2, 3)))
    one = CASES[CASES["case"] == "a1"]
    whole = row(patient_table(many, one, ["x", "y", "z"]), "007", ALL_OF_PATIENT)
    assert (whole["recist_targets"], whole["recist_sum_mm"]) == (5, 3 * 30 + 2 * 20)
    assert row(patient_table(many, one, ["x", "y", "z"]), "007", "x")["recist_targets"] == 3
    assert list(patient_table(many, one, ["x", "y", "z"], exclusive=False)["label"]) == ["x", "y", "z"]


def test_sizes_in_two_units_are_told_and_columns_of_the_cases_never_replace_ours():
    mixed = pd.DataFrame({"case": ["c1", "c2"], "label": "lesion", "area_mm2": [9.0, None], "area_px": [None, 400.0]})
    named = CASES.assign(label="of the data set")
    found = row(patient_table(mixed, named, ["lesion"]), "9")
    assert (found["total_area_mm2"], found["total_area_px"]) == (9.0, 400.0)
    assert "not all in one unit" in found["note"]
    assert found["label (case)"] == "of the data set"


@settings(deadline=None, max_examples=12)
@given(
    st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from(["lesion", "node"]), st.floats(0.01, 99)), max_size=20)
)
def test_of_one_case_a_patient_the_totals_are_those_of_the_regions(drawn):
    found = patient_table(
        regions(*((f"{patient}1", label, ml, ml) for patient, label, ml in drawn)),
        cases(*((f"{patient}1", patient, "", "") for patient in "pqr")),
        ["lesion", "node"],
    )
    assert len(found) == 9
    for patient in "pqr":
        volumes = [ml for whose, _, ml in drawn if whose == patient]
        whole = row(found, patient, ALL_OF_PATIENT)
        parts = sum(row(found, patient, label)["regions"] for label in ("lesion", "node"))
        assert whole["regions"] == len(volumes) == parts
        if drawn:
            assert whole["total_volume_ml"] == pytest.approx(sum(volumes))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20200131", "2020-01-31"),
        ("2020/01/31", "2020-01-31"),
        ("2020-01-31 08:00:00", "2020-01-31"),
        ("31.01.2020", "31.01.2020"),
        ("01/02/2020", "01/02/2020"),
    ],
)
def test_only_dates_that_begin_with_their_year_are_understood(text, day):
    assert iso_date(text) == day
    assert begins_with_year(text) == (day != text)


def clinical(tmp_path, text):
    path = tmp_path / "clinical.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_clinical_table_is_joined_by_the_text_of_its_keys(table, tmp_path):
    path = clinical(tmp_path, "\ufeffpid;stage;scanner\n007;II;X\n9;III;Y\n99;I;Z\n")
    joined = join_clinical(table, path, ["pid"])
    assert set(joined.table.loc[joined.table["patient"] == "007", "stage"]) == {"II"}
    assert row(joined.table, "8")["stage"] == ""
    assert row(joined.table, "9")["scanner_clinical"] == "Y"
    assert joined.without_row == (("8",), ("10",), ("11",))
    assert joined.without_patient == (("99",),)
    assert any("scanner is called scanner_clinical" in note for note in joined.notes)


def test_with_a_date_a_row_is_of_one_study(table, tmp_path):
    path = clinical(tmp_path, "patient,day,ecog\n11,20200501,1\n007,2020-01-31,0\n007,2021-01-31,2\n")
    joined = join_clinical(table, path, ["patient", "day"])
    assert row(joined.table, "11", date="2020-05-01")["ecog"] == "1"
    assert row(joined.table, "11", date="")["ecog"] == ""
    assert joined.without_patient == (("007", "2021-01-31"),)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("patient,a\n7,1\n9,2\n", "patient", "'7' for '007'"),
        ("patient,a\n007 ,1\n9,2\n", "patient", "'007 ' for '007'"),
        ("patient,a\n7.0,1\n9,2\n", "patient", "'7.0' for '007'"),
        ("patient,a\n9,1\n9,2\n", "patient", "line 3: 9 has a row already, line 2"),
        ("patient,a\n,1\n", "patient", "line 2: the patient is empty"),
        ("patient,day,a\n9,01.03.2020,1\n", "patient,day", "does not begin with its year"),
        ("id,a\n9,1\n", "patient", "lacks the column patient"),
        ("patient,a,a\n9,1,2\n", "patient", "the column a twice"),
        ("patient,a\n9,1,2\n", "patient", "has 3 fields"),
        ("patient,a\nX,1\nY,2\n", "patient", "no row is of a patient here"),
        ("patient,a\n9,1\n", "patient,a,b", "clinical key"),
    ],
)
def test_keys_are_never_guessed(table, tmp_path, text, key, said):
    with pytest.raises(InputError, match=re.escape(said)):
        join_clinical(table, clinical(tmp_path, text), key.split(","))


def test_ids_that_differ_in_zeros_on_both_sides_are_two_patients(tmp_path):
    both = patient_table(REGIONS, CASES.replace({"patient": {"8": "7"}}), ["lesion"])
    joined = join_clinical(both, clinical(tmp_path, "patient,a\n7,seven\n007,agent\n"))
    assert row(joined.table, "7")["a"] == "seven"
    assert row(joined.table, "007")["a"] == "agent"


@pytest.fixture(scope="module")
def measured(blobs, tmp_path_factory):
    """What the command leaves of a data set whose table tells patients and sex."""
    out = tmp_path_factory.mktemp("measured")
    cases = medseg.open_dataset(blobs).cases
    told = [replace(case, patient=f"00{n // 2}", columns={"sex": "FM"[n % 4 // 2]}) for n, case in enumerate(cases)]
    done = measure_cases(told, medseg.Labels.from_config({"low": 1, "high": 4}))
    done.save(out)
    return done, out


def test_measuring_a_data_set_writes_patients_and_the_command_makes_them_again(measured):
    done, out = measured
    before = (out / "patients.csv").read_bytes()
    written = pd.read_csv(out / "patients.csv", dtype={"patient": str})
    assert len(written) == 5 * 3
    assert set(written["patient"]) == {f"00{n}" for n in range(5)}
    volumes = done.regions.groupby("case")["volume_ml"].sum()
    first = written[(written["patient"] == "000") & (written["label"] == ALL_OF_PATIENT)].iloc[0]
    assert first["total_volume_ml"] == pytest.approx(volumes[:2].mean())
    assert (first["sex"], first["cases"]) == ("F", 2)
    (out / "patients.csv").unlink()
    ended = CliRunner().invoke(app, ["patients", str(out), "--json"])
    assert ended.exit_code == 0
    assert (out / "patients.csv").read_bytes() == before
    told = json.loads(ended.stdout)
    assert len(told["patients"]) == 15
    assert "several cases" in told["notes"][0]


def test_from_the_command_a_clinical_table_is_joined_or_refused(measured, tmp_path):
    _, out = measured
    path = clinical(tmp_path, "who,stage\n000,I\n001,II\n")
    words = ["patients", str(out), "--clinical", str(path), "--clinical-key", "who", "--out", str(tmp_path / "p.csv")]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0
    assert "no row of 002, 003, 004" in ended.stderr
    assert pd.read_csv(tmp_path / "p.csv", dtype=str)["stage"].notna().sum() == 6
    for folder, date, said in ((tmp_path, "study_date", "cannot be read"), (out, "day", "has no column 'day'")):
        with pytest.raises(InputError, match=said):
            medseg.patients(folder, date=date)


def page_table() -> str:
    """What stands at the end of docs/patients.md but one section; paste it there when columns change."""
    head = ["| column | unit | is | source |", "| --- | --- | --- | --- |"]
    rows = [f"| `{one.name}` | {one.unit} | {one.meaning} | {one.source} |" for one in patient_columns()]
    return "\n".join([*head, *rows]) + "\n"


def test_the_page_explains_every_column_and_option():
    assert page_table() in PAGE, f"docs/patients.md should hold:\n{page_table()}"
    typed = typer.Typer()
    typed.command()(command)
    known = {option for one in typer.Context(typer.main.get_command(typed)).command.params for option in one.opts}
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE.split("## What a row says")[0]))
    assert named <= known
    assert "docs/patients.md" in (ROOT / "README.md").read_text(encoding="utf-8")
