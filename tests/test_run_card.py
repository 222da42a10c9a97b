"""The run card: `run.json` is the same bytes however a run went, the page tells the rest and opens from disk."""

import json
import re
import shutil

import pytest
from batch_runs import Bright, run, started, until
from plans import plan_3d

import medseg
from medseg.datasets import cases_from_inputs
from medseg.ledger import digest, read_ledger
from medseg.ledger.summary import inputs
from medseg.outputs.record import model_card
from medseg.reporting import Silent
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.predicting_cases import predict_with


@pytest.fixture
def studies(blobs, tmp_path):
    """Two good studies and a bad one, of which the names tell whose they are."""
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("jones", "smith")):
        shutil.copy(blobs / "images" / f"case{number}.nii.gz", tmp_path / "in" / f"{name}.nii.gz")
    (tmp_path / "in" / "miller.nii.gz").write_bytes(b"not a gzip")
    return tmp_path / "in"


def test_the_record_counts_cases_and_hashes_the_list_of_inputs(studies, tmp_path):
    run(studies, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["counts"] == {"done": 2, "failed": 1}
    with read_ledger(tmp_path / "out") as ledger:
        listed = inputs(ledger)
    assert [case for case, _sign in listed] == ["jones", "miller", "smith"]
    assert record["inputs"] == {"cases": 3, "sha256": digest([list(one) for one in listed])}
    assert set(record["seeds"]) == {"training", "prediction"}
    (studies / "smith.nii.gz").write_bytes((studies / "jones.nii.gz").read_bytes())
    run(studies, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["inputs"]["sha256"] != record["inputs"]["sha256"]


def test_a_killed_and_resumed_run_has_the_record_of_an_undisturbed_one(studies, tmp_path):
    run(studies, tmp_path / "whole")
    out = tmp_path / "out"
    process = started(studies, out, "smith")
    try:
        until(lambda: out.is_dir() and (out / "run.json").is_file() and medseg.status(out).counts.get("done") == 1)
    finally:
        process.kill()
        process.wait()
    assert "counts" not in json.loads((out / "run.json").read_text())
    assert not (out / "run.html").exists()
    run(studies, out)
    assert (out / "run.json").read_bytes() == (tmp_path / "whole" / "run.json").read_bytes()
    page = (out / "run.html").read_text()
    assert page.count("never: killed, or stopped by an error") == 1
    with read_ledger(out) as ledger:
        assert all(one["began"] in page and str(one["machine"]["processor"]) in page for one in ledger.runs())


def test_the_page_names_no_case_and_loads_nothing(studies, tmp_path):
    run(studies, tmp_path / "out")
    page = (tmp_path / "out" / "run.html").read_text()
    assert not re.search("jones|smith|miller", page)
    assert not re.search(r"""(?:src|href)\s*=|url\(|https?:""", page)
    assert "1 failed" in page
    assert "default-src 'none'" in page


def test_an_interrupted_run_has_its_card(studies, tmp_path):
    class Stopping(Silent):
        def advance(self, text, done, total, note=""):
            if done == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_with(
            Bright(), cases_from_inputs([studies]), tmp_path / "out", Stopping(), BatchOptions(jobs=0, command="x")
        )
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["counts"] == {"queued": 2, "done": 1}
    assert "2 not done" in (tmp_path / "out" / "run.html").read_text()
    assert medseg.status(tmp_path / "out").state == "interrupted"
    assert medseg.verify(tmp_path / "out").clean


def test_a_models_card_is_what_its_folder_says(tmp_path):
    from medseg.export.card import metadata

    said = metadata(plan_3d(), {"name": "spleen", "seed": 7})
    (tmp_path / "model" / "configs").mkdir(parents=True)
    (tmp_path / "model" / "configs" / "metadata.json").write_text(json.dumps(said))
    card = model_card(tmp_path / "model")
    assert card["card"] == {"name": "spleen", "seed": 7}
    assert card["intended_use"].startswith("Research only")
    assert model_card(tmp_path / "none") == model_card("classical:otsu") == {}
