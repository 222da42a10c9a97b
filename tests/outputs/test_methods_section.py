"""The methods section and the checklist: every figure is the run's, nothing is claimed that it did not record."""

import json
import math
import re
import shutil
import subprocess
import sys

import nibabel
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import ConfigError
from medseg.evaluation.leaderboard import compare_models
from medseg.evaluation.scored import scored_of
from medseg.outputs.learnt_record import machine, write_machine
from medseg.outputs.methods.checklist import ITEMS
from medseg.outputs.methods.references import REFERENCES, Citations
from medseg.outputs.methods.wording import counted, interval, joined, number, span

HEADINGS = [
    *("Data", "Preprocessing", "Network", "Training", "Inference", "Computing", "Evaluation", "Statistics"),
    *("Results", "References", "What the records do not say"),
]
# Of names and definitions: 2D, 3D, HD95, F1, the level of the intervals, and the range to which images are scaled.
CONSTANT = (
    "2D",
    "3D",
    "HD95",
    "F1",
    "95%",
    "Table 1",
    "Table 2",
    "Table 3",
    "became -1 and 1",
    "to 0 along",
    " were 0 ",
)


@pytest.fixture(scope="module")
def trained(blobs, tmp_path_factory):
    """A very small run, and predictions of its test part with their scores."""
    folder = tmp_path_factory.mktemp("paper")
    config = folder / "config.yaml"
    config.write_text(
        f"""
dataset: {blobs}
out: {folder / "run"}
modality: MR
labels: {{low: 1, high: 4}}
cases: {{file: cases.csv, id: name, patient: person}}
test: 0.4
seed: 7
epochs: 2
plan: {{patch_size: [16, 16, 16], batch_size: 2, network: {{features: [4, 8, 8]}}}}
learning: {{steps_per_epoch: 3, validations: 1, precision: fp32, learning_rate: 0.004}}
"""
    )
    medseg.train(config)
    medseg.predict(folder / "run", blobs, folder / "out", part="test", jobs=0, backend="torch")
    medseg.evaluate(folder / "out", blobs, nsd_tolerance={"low": 1.5}).save(folder / "out" / "evaluation")
    return folder


@pytest.fixture(scope="module")
def fitted(blobs, tmp_path_factory):
    """A fitted classical method."""
    folder = tmp_path_factory.mktemp("fitted")
    config = folder / "config.yaml"
    config.write_text(
        f"""
dataset: {blobs}
out: {folder / "run"}
model: "classical:otsu"
labels: {{low: 1, high: 4}}
cases: {{file: cases.csv, id: name, patient: person}}
budget: 4
fit_cases: 2
jobs: 1
"""
    )
    medseg.train(config)
    return folder / "run"


def paper(folder):
    return medseg.write_methods(folder / "run", folder / "out")


def numbers(value):
    """Every number in the facts, those inside text too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(key)
            yield from numbers(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, str):
        yield from (float(found) for found in re.findall(r"\d+(?:\.\d+)?", value))
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        yield float(value)


def unfounded(text: str, facts: object) -> list[str]:
    """Numbers of a text that are no fact, rounded as they are written; percents are shares, seconds are minutes."""
    known = {abs(one) for one in numbers(facts)}
    body = re.sub(r" \[[\d, ]+\]", "", text.split("## References")[0])
    for word in CONSTANT:
        body = body.replace(word, "")
    missing = []
    for found in re.finditer(r"(\d+(?:\.\d+)?)(%| seconds)?", body):
        written, kind = found.groups()
        scale = {"%": 100, " seconds": 60}.get(kind, 1)
        half = 0.5 * 10.0 ** -len(written.partition(".")[2]) if "." in written else 0.5
        slack = half if "." in written or kind == " seconds" else 1e-9
        if not any(abs(scale * one - float(written)) <= slack + 1e-9 for one in known):
            missing.append(body[max(0, found.start() - 40) : found.end() + 10])
    return missing


def test_every_number_of_the_text_is_the_records(trained):
    done = paper(trained)
    facts = json.loads(done.to_json())
    assert unfounded(done.methods, facts) == []
    assert unfounded("It had 12345 parameters and a rate of 0.0123.", facts) != []
    settings = json.loads((trained / "run" / "settings.json").read_text())
    summary = json.loads((trained / "run" / "summary.json").read_text())
    scores = pd.read_csv(trained / "out" / "evaluation" / "summary.csv").set_index(["label", "metric"])
    assert "(seed 7)" in done.methods
    assert f"{summary['parameters']} trainable parameters" in done.methods
    assert f"training took {summary['steps']} steps" in done.methods
    assert f"peak learning rate of {settings['learning']['learning_rate']}" in done.methods
    dice = scores.loc[("low", "dice")]
    assert f"| low | Dice | {dice['mean']:.3f}" in done.methods
    assert "1 mm, 1.5 mm for low, of the other" in done.methods


def test_the_text_has_its_sections_and_no_braces(trained):
    done = paper(trained)
    assert re.findall(r"^## (.+)$", done.methods, re.M) == HEADINGS
    for text in (done.methods, done.checklist):
        assert not re.search(r"[{}]|\bNone\b(?!:)|\bnan\b|  |\bTrue\b|\bFalse\b", text)
    cited = {int(n) for mark in re.findall(r" \[([\d, ]+)\]", done.methods) for n in mark.split(", ")}
    listed = re.findall(r"^(\d+)\. (.+)$", done.methods.split("## References")[1], re.M)
    assert [int(n) for n, _ in listed] == sorted(cited) == list(range(1, len(cited) + 1))
    assert {text for _, text in listed} <= set(REFERENCES.values())


def test_patients_are_counted_and_held_apart(trained, blobs):
    done = paper(trained)
    table = pd.read_csv(trained / "run" / "cases.csv", dtype=str)
    assert len(table) == 10
    assert table.groupby("patient")["part"].nunique().max() == 1
    assert done.facts["no_patient_in_two_parts"] is True
    assert "10 labelled cases of 5 patients" in done.methods
    assert "No patient was in more than one part" in done.methods
    assert done.facts["scored_but_seen"] == 0
    # The data set itself says nothing of patients: those of a run's part come from the run.
    scored = pd.read_csv(trained / "out" / "evaluation" / "cases.csv", dtype=str)
    assert set(scored["patient"]) <= set(table["patient"])
    assert "too narrow" not in done.methods


def test_scores_of_cases_that_taught_the_model_are_told(trained, blobs, tmp_path):
    medseg.predict(trained / "run", blobs, tmp_path / "all", jobs=0, backend="torch")
    medseg.evaluate(tmp_path / "all", blobs).save(tmp_path / "all" / "evaluation")
    done = medseg.write_methods(trained / "run", tmp_path / "all")
    assert done.facts["scored_but_seen"] == 6
    assert "6 cases of them had been used in training" in done.methods
    assert "took these cases for 10 patients, but the run knows 5" in done.methods


def test_what_is_not_recorded_is_named_and_not_claimed(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    for name in ("machine.json", "cases.csv"):
        (run / name).unlink()
    done = medseg.write_methods(run)
    assert "patient" not in done.methods.split("## Preprocessing")[0].lower()
    assert "The machine had" not in done.methods
    assert "## Results" not in done.methods
    missing = done.facts["not_recorded"]
    assert any("whose the cases are" in one for one in missing)
    assert "the machine" in missing
    assert any("--predictions" in one for one in missing)
    assert set(medseg.write_methods(trained / "run", trained / "out").open_items) < set(done.open_items)


def test_the_checklist_has_every_item_once_and_leaves_the_authors_theirs(trained):
    done = paper(trained)
    assert [item.number for item in ITEMS] == list(range(1, 45))
    found = re.findall(r"^\*\*(\d+)\. ", done.checklist, re.M)
    assert [int(n) for n in found] == list(range(1, 45))
    theirs = re.findall(r"^\*\*(\d+)\. (?:(?!^\*\*\d).)*?To be written by the authors", done.checklist, re.M | re.S)
    assert {int(n) for n in theirs} == set(done.open_items)
    assert {3, 7, 8, 14, 16, 44} <= set(done.open_items)
    assert not {9, 19, 20, 22, 23, 28, 37} & set(done.open_items)


def test_a_fitted_classical_method_has_its_paper(fitted):
    done = medseg.write_methods(fitted)
    parts = json.loads((fitted / "model" / "classical.json").read_text())["parts"]
    for part in parts:
        assert f"The label {part['label']} was segmented by the classical method otsu" in done.methods
        assert f"{part['dice']:.3f} for {part['label']}" in done.methods
    assert unfounded(done.methods, json.loads(done.to_json())) == []
    assert "Otsu 1979" in done.methods
    assert "PyTorch" not in done.methods
    assert 22 not in done.open_items


def test_models_compared_have_their_tests(trained, blobs, tmp_path):
    rng = np.random.default_rng(0)
    scored = []
    for name, share in (("careful", 0.02), ("careless", 0.2)):
        for path in sorted((blobs / "labels").iterdir()):
            image = nibabel.load(path)
            mask = np.asarray(image.dataobj)
            drawn = np.where(rng.random(mask.shape) < share, 0, mask).astype(np.uint8)
            (tmp_path / name).mkdir(exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(drawn, image.affine), tmp_path / name / path.name)
        scored.append(scored_of(name, medseg.evaluate(tmp_path / name, blobs / "labels")))
    board = compare_models(scored, ["dice"], resamples=500, seed=3)
    board.save(tmp_path / "board")
    done = medseg.write_methods(trained / "run", trained / "out", leaderboard=tmp_path / "board")
    assert "2 models (careful and careless) were compared" in done.methods
    assert "(95%, 500 resamples, seed 3)" in done.methods
    assert "Holm S." in done.methods
    first = board.comparisons.iloc[0]
    row = next(line for line in done.methods.splitlines() if "| careful less careless |" in line)
    assert f"{first['difference']:.3f} ({first['low']:.3f} to {first['high']:.3f})" in row
    assert number(first["wilcoxon_p_holm"], 2) in row
    assert unfounded(done.methods.replace("< 0.001", ""), json.loads(done.to_json())) == []


def test_the_command_writes_both_files_and_json(trained, tmp_path):
    words = [str(trained / "run"), "--predictions", str(trained / "out"), "--out", str(tmp_path)]
    ended = CliRunner().invoke(app, ["methods", *words])
    assert ended.exit_code == 0
    assert (tmp_path / "methods.md").read_text() == paper(trained).methods
    assert (tmp_path / "checklist.md").read_text() == paper(trained).checklist
    told = json.loads(CliRunner().invoke(app, ["methods", *words, "--json"]).stdout)
    assert told["counted"]["cases"] == 10


def test_no_torch_is_loaded(trained):
    code = f"import sys, medseg; medseg.write_methods({str(trained / 'run')!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_folders_of_another_kind_are_refused(trained, tmp_path):
    with pytest.raises(ConfigError, match="is not the folder of a finished run"):
        medseg.write_methods(tmp_path)
    for name in ("predictions", "evaluation", "leaderboard"):
        with pytest.raises(ConfigError, match=r"holds no \w+\.json"):
            medseg.write_methods(trained / "run", **{name: tmp_path})
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(ConfigError, match="does not say how it was scored"):
        medseg.write_methods(trained / "run", evaluation=tmp_path)


def test_a_run_that_goes_on_elsewhere_keeps_both_machines(tmp_path):
    path = tmp_path / "machine.json"
    write_machine(path)
    write_machine(path)
    (first,) = json.loads(path.read_text())
    assert first["machine"] == json.loads(json.dumps(machine()))
    assert first["versions"]["medseg"] == medseg.__version__
    path.write_text(json.dumps([first | {"machine": {"processor": "another"}}]))
    write_machine(path)
    assert len(json.loads(path.read_text())) == 2


def test_words_and_marks():
    assert (number(0.005), number(3.0), number(1351), number(12345.6)) == ("0.005", "3", "1351", "12346")
    assert (counted(1, "case"), counted(2, "case"), joined(["a", "b", "c"])) == ("1 case", "2 cases", "a, b and c")
    assert (span(1, 1), span(0.5, 2), interval(0.5, None, None)) == ("1", "0.5 to 2", "0.500")
    cite = Citations()
    assert (cite("unet"), cite("dice", "unet"), cite("unet")) == ("[1]", "[2, 1]", "[1]")
