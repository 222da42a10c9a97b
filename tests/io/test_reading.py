import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medseg.errors import InputError, UnreadableFileError
from medseg.io import formats, read_geometry, read_image, write_image


def test_an_unknown_ending_lists_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_text("words " * 100)
    with pytest.raises(UnreadableFileError, match=r"'\.docx', expected one of \.nii\.gz, .*\.png.*\.dcm"):
        read_image(tmp_path / "a.docx")


def test_missing_paths_and_no_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="does not exist"):
        read_image(tmp_path / "absent")
    with pytest.raises(InputError, match="no file"):
        read_image([])
    with pytest.raises(UnreadableFileError, match="no DICOM image"):
        read_image(tmp_path)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_itk_files_are_turned_from_lps_to_ras(tmp_path: Path, ending: str) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    picture = SimpleITK.GetImageFromArray(voxels)
    picture.SetSpacing((1, 2, 3))
    picture.SetOrigin((10, 20, 30))
    for name in (f"a.{ending}", "a.nii"):
        SimpleITK.WriteImage(picture, str(tmp_path / name))
    ours, nifti = read_image(tmp_path / f"a.{ending}"), read_image(tmp_path / "a.nii")
    np.testing.assert_array_equal(ours.voxels, nifti.voxels)
    assert ours.geometry.same_as(nifti.geometry)
    assert read_geometry(tmp_path / f"a.{ending}").same_as(nifti.geometry)
    write_image(tmp_path / "back.nii.gz", ours)
    assert read_geometry(tmp_path / "back.nii.gz").same_as(nifti.geometry)


def test_broken_itk_files_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\nnonsense")
    with pytest.raises(UnreadableFileError, match=r"a\.nrrd"):
        read_image(tmp_path / "a.nrrd")


def test_names_lose_only_known_endings() -> None:
    assert formats.stem(Path("a.b.nii.gz")) == "a.b"
    assert formats.stem(Path("1.2.840.10008")) == "1.2.840.10008"
    assert formats.ending(Path("A.NII.GZ")) == ".nii.gz"


def test_importing_the_readers_loads_no_format_library() -> None:
    heavy = "{'torch', 'monai', 'pandas', 'SimpleITK', 'pydicom', 'nibabel', 'scipy', 'PIL'}"
    code = f"import sys, medseg.io, medseg.datasets; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
