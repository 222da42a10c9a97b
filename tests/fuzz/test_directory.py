"""A DICOMDIR leads to no file outside its folder, however it says where."""

from pathlib import Path

import pytest
from dicom_seeds import ct_slice, directory

from medseg.errors import InputError
from medseg.io.dicom.scan import scan_dicom


def test_a_directory_with_an_impossible_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "OUT").write_bytes(ct_slice())
    disc = tmp_path / "disc"
    disc.mkdir()
    name = b"PT000000\\ST000000\\SE000000\\IM000000"
    for replacement in (b"..\\OUT", b"PT\0\\X", b"\\OUT", b"/" + b"A" * 33):
        (disc / "DICOMDIR").write_bytes(directory().replace(name, replacement.ljust(len(name))))
        with pytest.raises(InputError, match=r"DICOMDIR: lists .*outside its folder"):
            scan_dicom(disc / "DICOMDIR")
