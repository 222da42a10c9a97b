"""With pseudonyms nothing in OUT, and nothing that is said, tells whose a case is; runs resume, and whose they are is
beside the key alone."""

import base64
import gzip
import json
import re
import shutil
import sqlite3
import stat
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from typer.testing import CliRunner

import medseg
from medseg.cli import app
from medseg.errors import ConfigError
from medseg.pseudonyms import Pseudonyms

HERS = {
    "PatientName": "Grantham^Marigold",
    "PatientID": "MRN-77120934",
    "AccessionNumber": "ACC5550191",
    "StudyID": "ST889123",
    "ReferringPhysicianName": "Quillfeather^Otto",
    "ProtocolName": "Abdomen for Grantham",
    "SeriesDescription": "MARIGOLD thin",
    "StudyDate": "20190523",
    "InstitutionName": "Wexcombe Infirmary",
}
TELLING = ("grantham", "marigold", "77120934", "acc5550191", "st889123", "quillfeather", "wexcombe", "2019-05-23",
           "20190523", "zebulon", "thackeray", "nathaniel", "ottoline", "peverell")  # fmt: skip


@pytest.fixture(scope="module")
def studies(ct_studies, tmp_path_factory):
    """Two series of one patient, one with a slice cut off; a NIfTI whose header names somebody, and a broken one."""
    root = tmp_path_factory.mktemp("in") / "Zebulon ward"
    series = sorted({path.parent for path in ct_studies.rglob("*") if path.is_file() and path.suffix != ".json"})
    series = [folder for folder in series if _slices(folder)][:2]
    for number, folder in enumerate(series):
        to = root / "GRANTHAM_Marigold" / f"scan{number}"
        to.mkdir(parents=True)
        for path in _slices(folder):
            header = pydicom.dcmread(path)
            for name, value in HERS.items():
                setattr(header, name, value)
            header.save_as(to / f"Thackeray_{path.name}")
    cut = sorted((root / "GRANTHAM_Marigold" / "scan1").iterdir())[2]
    cut.write_bytes(cut.read_bytes()[:-500])
    voxels = np.zeros((20, 20, 12), np.int16)
    voxels[5:12, 5:12, 4:8] = 1000
    image = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0]))
    for field, text in {"descrip": b"Nathaniel", "aux_file": b"Peverell", "db_name": b"Ottoline"}.items():
        image.header[field] = text
    nibabel.save(image, root / "Nathaniel Peverell.nii.gz")
    (root / "ottoline.nii.gz").write_bytes(b"no gzip")
    return root


def _slices(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.iterdir()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, IsADirectoryError):
            continue
        found += [path] * (header.get("Modality") == "CT")
    return found


def texts(out: Path) -> dict[str, str]:
    """All that is in a folder, names included, and what is compressed in it opened; in small letters."""
    found = {}
    for path in sorted(out.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".gz":
            content += gzip.decompress(content)
        if path.name == "ledger.sqlite":
            with sqlite3.connect(path) as ledger:
                rows = ledger.execute("SELECT regions FROM cases WHERE regions IS NOT NULL").fetchall()
            content += b"".join(zlib.decompress(row[0]) for row in rows)
        found[path.relative_to(out).as_posix()] = f"{path.relative_to(out)} {content.decode('latin-1')}".lower()
    return found


def predict(studies: Path, out: Path, key: Path, *more: str):
    words = ["predict", "classical:otsu", str(studies), "--out", str(out), "--pseudonyms", str(key), *more]
    return CliRunner().invoke(app, words)


def command(studies: Path, out: Path, key: Path, *more: str) -> list[str]:
    return ["medseg", "predict", "classical:otsu", str(studies), "--out", str(out), "--pseudonyms", str(key), *more]


@pytest.fixture(scope="module")
def done(studies, tmp_path_factory):
    """What a run left: its folder, its key, and what it said."""
    place = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", command(studies, place / "out", place / "keys" / "key"))
        said = predict(studies, place / "out", place / "keys" / "key")
    return place / "out", place / "keys" / "key", said


def test_nothing_that_is_written_or_said_tells_whose_a_case_is(studies, done):
    out, _key, said = done
    assert said.exit_code == 1, said.output
    uids = {str(pydicom.dcmread(path)[tag].value) for path in (studies / "GRANTHAM_Marigold" / "scan0").iterdir()
            for tag in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}  # fmt: skip
    all_of_it = {**texts(out), "what was said": said.output.lower()}
    assert len(all_of_it) > 12
    for name, text in all_of_it.items():
        assert [word for word in (*TELLING, *uids) if word in text] == [], name
    cases = pd.read_csv(out / "cases.csv")
    assert cases["status"].value_counts().to_dict() == {"failed": 2, "done": 2}
    assert json.loads((out / "run.json").read_text())["command"].startswith(
        "medseg predict classical:otsu INPUTS --out"
    )


def test_the_table_beside_the_key_tells_whose_they_are(done):
    out, key, _said = done
    table = pd.read_csv(key.parent / "pseudonyms.csv", dtype=str).set_index("case")
    assert stat.S_IMODE((key.parent / "pseudonyms.csv").stat().st_mode) == 0o600
    assert sorted(path.name for path in key.parent.iterdir()) == ["key", "pseudonyms.csv"]
    names = Pseudonyms.from_file(key)
    cases = pd.read_csv(out / "cases.csv", dtype=str).set_index("case")
    assert set(table.index) == set(cases.index)
    for case, row in table.iterrows():
        assert case == names.of("case", row["original_case"])
        assert cases["patient"][case] == row["patient"] == names.of("patient", row["original_patient"])
        assert all(Path(path).exists() for path in json.loads(row["images"]))
    assert table["original_patient"].eq("MRN-77120934").sum() == 2
    hers = cases["study_date"].dropna().unique()
    moved = pd.Timestamp("2019-05-23") + pd.Timedelta(days=names.days("MRN-77120934"))
    assert hers.tolist() == [moved.date().isoformat()]


def test_masks_are_those_of_a_run_under_their_own_names(studies, done, tmp_path):
    out, key, _said = done
    table = pd.read_csv(key.parent / "pseudonyms.csv", dtype=str)
    plain = medseg.predict("classical:otsu", studies, tmp_path / "plain")
    own = pd.read_csv(out / "regions.csv")
    names = dict(zip(table["original_case"], table["case"], strict=True))
    theirs = plain.regions.assign(case=plain.regions["case"].map(names)).sort_values(["case", "region"])
    pd.testing.assert_frame_equal(
        own.sort_values(["case", "region"]).reset_index(drop=True), theirs.reset_index(drop=True),
        check_dtype=False, rtol=1e-9,
    )  # fmt: skip
    for case in plain.cases["case"][plain.cases["status"] == "done"]:
        ours, reference = (
            nibabel.load(folder / "mask.nii.gz") for folder in (out / names[case], tmp_path / "plain" / case)
        )
        assert np.array_equal(np.asarray(ours.dataobj), np.asarray(reference.dataobj))
        assert np.array_equal(ours.affine, reference.affine)


def test_it_goes_on_and_its_dry_run_knows_what_is_done(studies, done, tmp_path):
    shutil.copytree(done[0], tmp_path / "out")
    shutil.copytree(done[1].parent, tmp_path / "keys")
    out, key = tmp_path / "out", tmp_path / "keys" / "key"
    ahead = predict(studies, out, key, "--dry-run", "--json")
    assert [row["state"] for row in json.loads(ahead.stdout)["rows"]].count("done") == 2
    assert not [word for word in TELLING if word in ahead.output.lower()]
    assert json.loads(ahead.stdout)["learnt_from_cases"] == 2
    before = {name: text for name, text in texts(out).items() if name.endswith((".csv", ".gz"))}
    again = predict(studies, out, key)
    assert "2 of 4 cases were done before, 2 have failed" in again.output
    assert {name: text for name, text in texts(out).items() if name in before} == before
    assert medseg.verify(out).clean


def test_a_report_has_its_pictures_by_the_key_and_names_nobody(done, tmp_path):
    out = shutil.copytree(done[0], tmp_path / "out")
    plain = CliRunner().invoke(app, ["report", str(out), "--jobs", "1"])
    assert plain.output.count("no picture") == 2
    case = pd.read_csv(out / "cases.csv")["case"][0]
    assert case in (out / "report" / "cases" / "000001.html").read_text()  # a pseudonym need not be hidden
    said = CliRunner().invoke(app, ["report", str(out), "--jobs", "1", "--pseudonyms", str(done[1])])
    assert "no picture" not in said.output
    written = {path.name: path.read_bytes() for path in (out / "report").rglob("*.js") if "static" not in path.parts}
    assert sum(name.endswith("image0.js") for name in written) == 2
    packed = {name: b"".join(map(_opened, re.findall(b"[A-Za-z0-9+/=]{80,}", text))) for name, text in written.items()}
    assert all(len(packed[name]) > 1000 for name in packed if name.endswith("image0.js"))
    told = {**texts(out), "plain": plain.output.lower(), "said": said.output.lower()}
    told |= {f"in {name}": content.decode("latin-1").lower() for name, content in packed.items()}
    for name, text in told.items():
        assert [word for word in TELLING if word in text] == [], name
    (tmp_path / "key").touch()
    refused = CliRunner().invoke(app, ["report", str(out), "--pseudonyms", str(tmp_path / "key")])
    assert "is not there" in str(refused.exception)


def _opened(word: bytes) -> bytes:
    """What a word in base64 holds, inflated where it is packed."""
    try:
        content = base64.b64decode(word)
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (ValueError, OSError):
        return b""


@pytest.mark.parametrize("other", [[], ["--pseudonyms", "other"]], ids=["none", "another"])
def test_names_of_another_kind_are_not_put_beside_them(studies, done, tmp_path, other):
    words = [str(tmp_path / word) if word == "other" else word for word in other]
    asked = CliRunner().invoke(app, ["predict", "classical:otsu", str(studies), "--out", str(done[0]), *words])
    assert isinstance(asked.exception, ConfigError)
    assert "holds cases under pseudonyms" in str(asked.exception)


def test_they_are_not_put_beside_names(studies, done, tmp_path):
    plain = shutil.copytree(done[0], tmp_path / "plain")
    (plain / "ledger.sqlite").unlink()
    with pytest.raises(ConfigError, match="no ledger tells of"):
        medseg.predict("classical:otsu", studies, plain, pseudonyms=tmp_path / "key")
    one = studies / "Nathaniel Peverell.nii.gz"
    medseg.predict("classical:otsu", one, tmp_path / "own")
    with pytest.raises(ConfigError, match="under their own names"):
        medseg.predict("classical:otsu", one, tmp_path / "own", pseudonyms=tmp_path / "key")
    assert "Peverell" in (tmp_path / "own" / "cases.csv").read_text()


def test_a_key_in_out_is_refused_before_anything_is_made(studies, tmp_path):
    with pytest.raises(ConfigError, match="would lie in"):
        medseg.predict("classical:otsu", studies, tmp_path / "out", pseudonyms=tmp_path / "out" / "key")
    assert not (tmp_path / "out").exists()


def test_a_dry_run_makes_no_key(studies, tmp_path):
    ahead = predict(studies, tmp_path / "out", tmp_path / "keys" / "key", "--dry-run")
    assert list(tmp_path.iterdir()) == []
    assert not [word for word in TELLING if word in ahead.output.lower()]


def test_a_watch_names_nobody_and_goes_on(studies, tmp_path):
    inbox, out, key = tmp_path / "inbox", tmp_path / "out", tmp_path / "keys" / "key"
    shutil.copytree(studies, inbox)
    for _round in range(2):
        said = predict(inbox, out, key, "--watch", "--once", "--quiet", "0.2")
        assert not [word for word in TELLING if word in said.output.lower()], said.output
    assert "2 of 4 cases were done before" in said.output
    assert len(pd.read_csv(out / "cases.csv")) == 4
    assert not [word for text in texts(out).values() for word in TELLING if word in text]
    (inbox / "Nathaniel Peverell.nii.gz").unlink()
    predict(inbox, out, key, "--watch", "--once", "--quiet", "0.2")
    assert len(pd.read_csv(out / "cases.csv")) == 4  # what was taken out keeps its row
