"""`medseg measure` from the outside: one mask, several channels, a data set, the schema, and what it refuses."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import medseg
from medseg import GridMismatchError, InputError, LabelError
from medseg.cli import app

AFFINE = np.diag([1.0, 1, 2, 1])


@pytest.fixture
def study(tmp_path):
    """An image of 16 × 16 × 8, a mask with one region of 27 voxels, and a PET at half the resolution."""
    rng = np.random.default_rng(0)
    mask = np.zeros((16, 16, 8), np.int16)
    mask[4:7, 4:7, 2:5] = 1
    coarse = AFFINE @ np.diag([2.0, 2, 1, 1])
    coarse[:2, 3] = 0.5
    files = {
        "image": (rng.normal(0, 9, mask.shape).astype(np.float32), AFFINE),
        "mask": (mask, AFFINE),
        "pet": (rng.uniform(1, 9, (8, 8, 8)).astype(np.float32), coarse),
    }
    for name, (voxels, affine) in files.items():
        save(tmp_path, name, voxels, affine)
    return tmp_path


def save(folder, name, voxels, affine=AFFINE):
    nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / f"{name}.nii.gz")
    return folder / f"{name}.nii.gz"


def run(*words: object):
    return CliRunner().invoke(app, ["measure", *map(str, words)])


def test_json_fits_its_schema(study):
    jsonschema = pytest.importorskip("jsonschema")
    done = run(study / "image.nii.gz", study / "mask.nii.gz", "--json")
    rows, schema = json.loads(done.stdout), json.loads(run("--schema").stdout)
    assert rows[0]["voxels"] == 27
    assert set(schema["items"]["required"]) <= set(rows[0]) <= set(schema["items"]["properties"])
    jsonschema.validate(rows, schema)
    named = run(study / "image.nii.gz", study / "mask.nii.gz", "--json", "--channel", "flair", "--side")
    strict = json.loads(run("--schema", "--channel", "flair", "--side").stdout)
    assert "mean_flair" in strict["items"]["required"]
    jsonschema.validate(json.loads(named.stdout), strict)
    rows[0]["voxels"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(rows, schema)


def test_json_keeps_the_digits_of_small_values(study):
    """Diffusion in m²/s, say: pandas' own JSON keeps ten decimals, which is one digit of them."""
    voxels = np.full((16, 16, 8), 1.23456789e-9)
    path = save(study, "adc", voxels)
    (row,) = json.loads(run(path, study / "mask.nii.gz", "--json").stdout)
    assert row["mean_ch0"] == pytest.approx(1.23456789e-9, rel=1e-6)
    assert row["energy_ch0"] == pytest.approx(27 * 1.23456789e-9**2, rel=1e-6)
    assert row["perimeter_mm"] is None


def test_parquet_keeps_what_csv_rounds(study):
    pytest.importorskip("pyarrow")
    for ending in ("csv", "parquet"):
        assert run(study / "image.nii.gz", study / "mask.nii.gz", "-o", study / f"t.{ending}").exit_code == 0
    exact, rounded = pd.read_parquet(study / "t.parquet"), pd.read_csv(study / "t.csv")
    table = medseg.measure(study / "image.nii.gz", study / "mask.nii.gz")
    pd.testing.assert_frame_equal(exact, table, check_exact=True)
    assert list(rounded.columns) == list(exact.columns)


def test_a_second_channel_is_measured_on_its_own_grid(study):
    words = (study / "image.nii.gz", study / "mask.nii.gz", "--also", study / "pet.nii.gz", "--json")
    done = run(*words, "--unit", "HU", "--unit", "SUVbw", "--channel", "ct", "--channel", "pet", "--suv-threshold", 3)
    (row,) = json.loads(done.stdout)
    pet = nibabel.load(study / "pet.nii.gz").get_fdata(dtype=np.float32)
    inside = pet[2:3, 2:3, 2:5]  # of two coarse voxels along x and y one has its centre in the region
    assert row["max_pet"] == pytest.approx(inside.max(), rel=1e-6)
    assert row["suv_max"] == row["max_pet"]
    assert row["mtv_suv3_ml"] == pytest.approx(np.count_nonzero(inside >= 3) * 0.008)
    with pytest.raises(InputError, match=r"units: 1 for 2 channel"):
        medseg.measure([study / "image.nii.gz", study / "pet.nii.gz"], study / "mask.nii.gz", units=["HU"])


def test_a_data_set_gives_tables_and_its_broken_case_a_reason(study):
    folder = study / "set"
    folder.mkdir()
    rows = ["id,patient,image,label"]
    for name in ("one", "two", "broken"):
        rows.append(f"{name},{name},{name}.nii.gz,{name}_mask.nii.gz")
        (folder / f"{name}.nii.gz").write_bytes((study / "image.nii.gz").read_bytes())
        (folder / f"{name}_mask.nii.gz").write_bytes((study / "mask.nii.gz").read_bytes())
    save(folder, "two_mask", np.zeros((16, 16, 8), np.int16))
    save(folder, "broken_mask", np.zeros((15, 16, 8), np.int16))
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    done = run(folder, "--label", "lesion=1", "-o", study / "out", "--jobs", 1)
    assert done.exit_code == 1
    cases = pd.read_csv(study / "out" / "cases.csv").set_index("case")
    assert dict(cases["status"]) == {"one": "done", "two": "done", "broken": "failed"}
    assert "another size" in cases["error"]["broken"]
    totals = pd.read_csv(study / "out" / "totals.csv").set_index("case")
    assert dict(totals["regions"]) == {"one": 1, "two": 0}
    assert dict(totals["total_volume_ml"]) == pytest.approx({"one": 0.054, "two": 0})
    regions = pd.read_csv(study / "out" / "regions.csv")
    schema = json.loads((study / "out" / "regions.schema.json").read_text())
    assert list(schema["items"]["properties"]) == list(regions.columns)
    again = run(folder, "--label", "lesion=1", "-o", study / "again", "--jobs", 2)
    assert again.exit_code == 1
    for name in ("cases.csv", "regions.csv", "totals.csv"):
        assert (study / "again" / name).read_bytes() == (study / "out" / name).read_bytes()


def test_what_cannot_be_measured_is_refused_in_words(study):
    image, mask = study / "image.nii.gz", nibabel.load(study / "mask.nii.gz").get_fdata()
    with pytest.raises(LabelError, match=r"negative values \(-1 among 27 voxels\).*--label ignore=-1"):
        medseg.measure(image, save(study, "negative", (-mask).astype(np.int16)))
    with pytest.raises(LabelError, match="not whole numbers"):
        medseg.measure(image, save(study, "float", (mask * 0.3).astype(np.float32)))
    moved = AFFINE.copy()
    moved[0, 3] = 5
    with pytest.raises(GridMismatchError, match="shifted by 5 mm"):
        medseg.measure(image, save(study, "moved", mask.astype(np.int16), moved))
    assert run(study).exit_code == 2
    assert "folder to write to" in run(study).output
    assert run().exit_code == 2


def data_set(folder, study, cases):
    for kind, name in (("images", "image"), ("labels", "mask")):
        (folder / kind).mkdir(parents=True)
        for case in cases:
            (folder / kind / f"{case}.nii.gz").write_bytes((study / f"{name}.nii.gz").read_bytes())
    return folder


def test_the_schema_beside_the_tables_of_a_data_set_has_their_columns(study):
    done = run(data_set(study / "set", study, "ab"), "--out", study / "out", "--suv-threshold", 3)
    assert done.exit_code == 0
    schema = json.loads((study / "out" / "regions.schema.json").read_text())
    columns = list(pd.read_csv(study / "out" / "regions.csv").columns)
    assert "mtv_suv3_ml" in columns
    assert list(schema["items"]["properties"]) == columns


def test_what_no_case_could_use_is_refused_at_once(study):
    folder = data_set(study / "set", study, "ab")
    for words, what in ((("--families", "nonsense"), "families"), (("--jobs", 0), "jobs")):
        done = run(folder, "--out", study / "out", *words)
        assert isinstance(done.exception, InputError)
        assert what in str(done.exception)
    assert not (study / "out").exists()
    assert "--organs" in run(study / "image.nii.gz", study / "mask.nii.gz", "--organ", "liver=1").stderr
    with pytest.raises(InputError, match="empty list"):
        medseg.measure([], study / "mask.nii.gz")


def test_a_unit_is_understood_as_people_type_it(study):
    (row,) = json.loads(run(study / "image.nii.gz", study / "mask.nii.gz", "--unit", "suvbw", "--json").stdout)
    assert row["suv_max"] == row["max_ch0"]
