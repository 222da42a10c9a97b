"""Whatever is done to what a batch left is found, named and mended by what is said; what is whole is clean."""

import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pandas as pd
import pytest
from batch_runs import Bright, run, started, until
from reporters import Listener
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.commands.input_options import command_line
from medseg.datasets import cases_from_inputs
from medseg.errors import InputError
from medseg.ledger import NAME
from medseg.workflow.predicting_cases import predict_with

MEDSEG = CliRunner()


@pytest.fixture(scope="module")
def made(blobs, tmp_path_factory):
    """Studies, of which one is bad, and what a run made of them."""
    root = tmp_path_factory.mktemp("made")
    (root / "in").mkdir()
    for number in range(3):
        shutil.copy(blobs / "images" / f"case{number}.nii.gz", root / "in")
    (root / "in" / "bad.nii.gz").write_bytes(b"not a gzip")
    run(root / "in", root / "out")
    return root


@pytest.fixture
def out(made, tmp_path):
    """A copy, elsewhere, to be spoilt."""
    return shutil.copytree(made / "out", tmp_path / "out")


def problems(out):
    return {(one.kind, one.path) for one in medseg.verify(out).problems}


def flipped(path):
    """One bit of a file is another; its size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_was_written_is_clean_also_elsewhere(out):
    found = medseg.verify(out)
    assert found.clean
    assert found.files == 6
    assert found.size == sum(path.stat().st_size for path in out.glob("case*/*"))
    assert found.notes == ()
    done = MEDSEG.invoke(app, ["verify", str(out)])
    assert done.exit_code == 0
    assert "all is well" in done.stdout


@pytest.mark.parametrize("name", ["mask.nii.gz", "preview.png"])
def test_outputs_that_changed_are_found_and_done_again_as_is_said(out, made, name):
    kept = (out / "case1" / name).read_bytes()
    for spoil in (flipped, lambda path: path.write_bytes(path.read_bytes()[:-1])):
        spoil(out / "case1" / name)
        (problem,) = medseg.verify(out).problems
        assert (problem.kind, problem.path, problem.case) == ("changed", f"case1/{name}", "case1")
        assert problem.mend.startswith("Remove it, and give the same")
        (out / "case1" / name).unlink()
        assert problems(out) == {("missing", f"case1/{name}")}
        run(made / "in", out)
        assert medseg.verify(out).clean
        assert (out / "case1" / name).read_bytes() == kept


def test_a_folder_in_the_place_of_a_mask_is_changed(out):
    (out / "case0" / "mask.nii.gz").unlink()
    (out / "case0" / "mask.nii.gz").mkdir()
    assert ("changed", "case0/mask.nii.gz") in problems(out)


@pytest.mark.parametrize("name", ["cases.csv", "regions.csv", "totals.csv", "patients.csv", "timings.csv", "run.html"])
def test_tables_and_page_that_differ_are_found_and_written_anew(out, name):
    kept = (out / name).read_bytes()
    flipped(out / name)
    assert problems(out) == {("changed", name)}
    (out / name).unlink()
    assert problems(out) == {("missing", name)}
    assert MEDSEG.invoke(app, ["status", str(out), "--export"]).exit_code == 1  # as a case has failed
    assert medseg.verify(out).clean
    assert (out / name).read_bytes() == kept


def test_a_joined_table_of_patients_is_left_alone(out, tmp_path):
    before = (out / "patients.csv").read_bytes()
    (tmp_path / "clinical.csv").write_text("who,stage\ncase0,2\n")
    done = MEDSEG.invoke(
        app, ["patients", str(out), "--clinical", str(tmp_path / "clinical.csv"), "--clinical-key", "who"]
    )
    assert done.exit_code == 0, done.output
    assert "stage" in (out / "patients_joined.csv").read_text()
    assert MEDSEG.invoke(app, ["patients", str(out)]).exit_code == 0
    assert (out / "patients.csv").read_bytes() == before
    found = medseg.verify(out)
    assert found.clean
    assert found.notes == ("patients_joined.csv is of another command, and was not looked at",)


def test_regions_as_parquet_are_known_and_go_with_the_wish(made, tmp_path):
    out = tmp_path / "out"
    for _again in range(2):
        run(made / "in", out, parquet=True)
        rows = pd.read_parquet(out / "regions.parquet")
        pd.testing.assert_frame_equal(rows, pd.read_csv(out / "regions.csv"), check_dtype=False, rtol=1e-9)
        assert medseg.verify(out).clean
    kept = (out / "regions.parquet").read_bytes()
    rows.to_parquet(out / "regions.parquet", compression="gzip")
    assert medseg.verify(out).clean  # the same values, written otherwise
    rows.iloc[1:].to_parquet(out / "regions.parquet")
    assert problems(out) == {("changed", "regions.parquet")}
    (out / "regions.parquet").unlink()
    assert problems(out) == {("missing", "regions.parquet")}
    assert MEDSEG.invoke(app, ["status", str(out), "--export"]).exit_code == 1
    assert (out / "regions.parquet").read_bytes() == kept
    run(made / "in", out)
    assert not (out / "regions.parquet").exists()
    (out / "regions.parquet").write_bytes(kept)
    assert problems(out) == {("foreign", "regions.parquet")}


@pytest.mark.parametrize("key", ["command", "model_sha256", "settings", "versions", "plan", "inputs", "counts"])
def test_a_record_that_says_otherwise_is_found(out, made, key):
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**record, key: {"a": 1}}))
    (problem,) = medseg.verify(out).problems
    assert (problem.kind, problem.path) == ("changed", "run.json")
    assert f"another {key} " in problem.found
    if "--export" in problem.mend:
        assert MEDSEG.invoke(app, ["status", str(out), "--export"]).exit_code == 1
    else:
        run(made / "in", out)
    assert medseg.verify(out).clean


def test_a_broken_or_missing_record_is_found(out):
    (out / "run.json").write_text("{")
    assert problems(out) == {("changed", "run.json")}
    (out / "run.json").unlink()
    assert problems(out) == {("missing", "run.json")}


def test_half_written_and_foreign_files_are_told_apart(out):
    (out / "case0" / ".mask.nii.gz-0123456789ab.nii.gz").write_bytes(b"half")
    (out / ".cases.csv-0123456789ab.csv").write_bytes(b"half")
    (out / ".cluster-77").mkdir()
    (out / ".cluster-77" / "token").write_text("of a run on a cluster")
    (out / "case2" / "mask_liver.nii.gz").write_bytes(b"whose?")
    (out / "case1" / "capture").mkdir()
    (out / "case1" / "capture" / "0001.dcm").write_bytes(b"of an earlier run, perhaps")
    (out / "bad").mkdir(exist_ok=True)
    (out / "bad" / "mask.nii.gz").write_bytes(b"of a case that failed")
    (out / "notes.txt").write_text("mine")
    (out / "report").mkdir()
    (out / "report" / "index.html").write_text("of another command")
    found = medseg.verify(out)
    assert {(one.kind, one.path) for one in found.problems} == {
        ("half-written", ".cases.csv-0123456789ab.csv"),
        ("half-written", ".cluster-77/token"),
        ("half-written", "case0/.mask.nii.gz-0123456789ab.nii.gz"),
        ("foreign", "bad/mask.nii.gz"),
        ("foreign", "case1/capture/0001.dcm"),
        ("foreign", "case2/mask_liver.nii.gz"),
        ("foreign", "notes.txt"),
    }
    (capture,) = (one for one in found.problems if one.path.startswith("case1"))
    assert (capture.case, capture.mend) == ("case1", "Remove it: it is no result of this run.")
    assert found.notes == ("report/ is of another command, and was not looked at",)
    done = MEDSEG.invoke(app, ["verify", str(out), "--json"])
    assert done.exit_code == 1
    assert len(json.loads(done.stdout)["problems"]) == 7


def test_a_damaged_ledger_is_said(out):
    whole = (out / NAME).read_bytes()
    spoilt = {
        "torn": whole[: len(whole) // 2],
        "zeroed": whole[:4096] + bytes(len(whole) - 4096),
        "another file": b"something else entirely" * 1000,
        "empty": b"",
    }
    for content in spoilt.values():
        (out / NAME).write_bytes(content)
        (problem,) = medseg.verify(out).problems
        assert (problem.kind, problem.path) == ("ledger", NAME)
        assert "damaged" in problem.found
        assert MEDSEG.invoke(app, ["verify", str(out)]).exit_code == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("outputs", "[1"),
        ("outputs", "[]"),
        ("outputs", '{"a": 1}'),
        ("regions", b"no zlib"),
        ("facts", "{"),
        ("images", 1),
    ],
)
def test_a_row_of_the_ledger_that_means_nothing_is_said(out, column, value):
    with sqlite3.connect(out / NAME) as ledger:
        ledger.execute(f"UPDATE cases SET {column} = ? WHERE \"case\" = 'case1'", (value,))
    ledger.close()
    (problem,) = medseg.verify(out).problems
    assert problem.kind == "ledger"


def test_without_a_ledger_there_is_nothing_to_compare_with(out):
    (out / NAME).unlink()
    with pytest.raises(InputError, match="nothing to compare"):
        medseg.verify(out)


def test_finished_cases_are_compared_while_a_run_is_at_work_and_all_after_it_was_killed(made, tmp_path):
    out = tmp_path / "out"
    process = started(made / "in", out, "case2")
    try:
        until(lambda: (out / NAME).is_file() and any(one.case == "case2" for one in medseg.status(out).at_work))
        found = medseg.verify(out)
        assert found.clean
        assert found.files == 4
        assert f"process {process.pid} is at work" in found.notes[0]
        (out / "case0" / "preview.png").unlink()
        assert problems(out) == {("missing", "case0/preview.png")}
    finally:
        process.kill()
        process.wait()
    (out / "case2").mkdir()
    (out / "case2" / "mask.nii.gz").write_bytes(b"renamed, and not entered")
    tables = {("missing", f"{name}.csv") for name in ("cases", "regions", "totals", "patients", "timings")}
    assert problems(out) == tables | {("missing", "case0/preview.png"), ("half-written", "case2/mask.nii.gz")}
    assert medseg.verify(out).notes == ("1 cases are not finished: the same `medseg predict` command goes on",)
    run(made / "in", out)
    assert medseg.verify(out).clean


def test_studies_of_whatever_name_do_not_come_to_lie_where_a_batch_has_its_own(blobs, tmp_path):
    run(blobs / "images", tmp_path / "plain", parquet=True)
    own = {path.name for path in (tmp_path / "plain").iterdir() if path.is_file()}
    names = {*own, "Report", "evaluation", "archive", "ledger.lock", "_".join(["long"] * 60)}
    for name in names:
        parts = [f"{name}.nii.gz"] if len(name) < 200 else [name[:100], name[100:200], f"{name[200:]}.nii.gz"]
        file = (tmp_path / "in").joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(blobs / "images" / "case0.nii.gz", file)
    cases = run(tmp_path / "in", tmp_path / "out").cases
    assert list(cases["status"]) == ["done"] * len(names)
    assert not set(cases["case"].str.casefold()) & {name.casefold() for name in names}
    assert set(cases["case"].str.rpartition("-")[0].str[:100]) == {name[:100] for name in names}
    assert medseg.verify(tmp_path / "out").clean
    again = run(tmp_path / "in", tmp_path / "out").cases
    pd.testing.assert_frame_equal(again, cases)


def test_files_whose_names_are_no_utf_8_are_cases_as_others(blobs, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    good, bad = (os.fsdecode(os.fsencode(folder) + name) for name in (b"/M\xfcller.nii.gz", b"/b\xe9d.nii.gz"))
    try:
        shutil.copy(blobs / "images" / "case0.nii.gz", good)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    Path(bad).write_bytes(b"not a gzip")
    monkeypatch.setattr(sys, "argv", ["medseg", "predict", "MODEL", good])
    first = run(folder, tmp_path / "out", command=command_line())
    assert dict(zip(first.cases["case"], first.cases["status"], strict=True)) == {"M_ller": "done", "b_d": "failed"}
    rows = pd.read_csv(tmp_path / "out" / "cases.csv").set_index("case")
    assert rows.loc["M_ller", "images"] == f"{folder}/M\\udcfcller.nii.gz"
    assert "b\\udce9d.nii.gz: is not gzip" in rows.loc["b_d", "error"]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["command"].endswith("M\\udcfcller.nii.gz'")
    assert medseg.verify(tmp_path / "out").clean
    (failure,) = medseg.status(tmp_path / "out").failures
    assert "b\\udce9d" in failure.error
    listener = Listener()
    again = predict_with(Bright(), cases_from_inputs([folder]), tmp_path / "out", listener)
    pd.testing.assert_frame_equal(again.cases, first.cases)
    assert any("1 of 2 cases were done before" in said for said in listener.said)
