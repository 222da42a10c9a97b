import gzip
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.pixels.decoders import JPEG2000LosslessDecoder
from pydicom.uid import JPEG2000Lossless, RLELossless

from medseg.errors import GeometryError, GridMismatchError, InputError, MissingExtraError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io import mask_on_grid, read_geometry, read_image, read_mask

Series = Callable[..., Path]
VOLUME = np.arange(4 * 3 * 5, dtype=np.int16).reshape(4, 3, 5)


def test_a_series_becomes_x_y_z_in_ras_sorted_by_position(write_series: Series) -> None:
    folder = write_series(VOLUME)
    image = read_image(folder)
    np.testing.assert_array_equal(image.voxels[0], VOLUME.transpose(2, 1, 0))
    expected = [[-0.5, 0, 0, -10], [0, -2, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]]
    np.testing.assert_allclose(image.geometry.affine, expected, atol=1e-12)
    assert (image.modality, image.voxels.dtype, image.geometry.orientation) == ("CT", np.int16, "LPS")
    assert read_geometry(folder).same_as(image.geometry, 0)


def test_distance_between_slices_is_that_of_their_positions(write_series: Series) -> None:
    assert read_image(write_series(VOLUME, SliceThickness=9.0)).geometry.spacing_mm == (0.5, 2.0, 3.0)


def test_an_oblique_series_keeps_its_directions(write_series: Series) -> None:
    turn = np.deg2rad(20)
    row, column = [np.cos(turn), np.sin(turn), 0.0], [0.0, 0.0, -1.0]
    normal = np.cross(row, column)
    where = [list(np.round(np.array([1.0, 2, 3]) + 4 * i * normal, 6)) for i in range(4)]
    geometry = read_image(write_series(VOLUME, positions=where, ImageOrientationPatient=[*row, *column])).geometry
    assert geometry.oblique
    np.testing.assert_allclose(geometry.to_world([0, 0, 3]), np.array([-1, -1, 1]) * where[3], atol=1e-5)
    np.testing.assert_allclose(geometry.step, [0.5, 2, 4], atol=1e-5)


def test_rescale_gives_int16_where_all_is_whole_and_float32_otherwise(write_series: Series) -> None:
    whole = read_image(write_series(VOLUME, "whole", RescaleSlope=1, RescaleIntercept=-1024)).voxels
    assert whole.dtype == np.int16
    np.testing.assert_array_equal(whole[0].T, VOLUME - 1024)
    slopes = [0.5, 1.0, 1.5, 2.0]
    each = read_image(write_series(VOLUME, "each", RescaleSlope=slopes, RescaleIntercept=0)).voxels
    assert each.dtype == np.float32
    np.testing.assert_allclose(each[0].T, VOLUME * np.array(slopes)[:, None, None])


def test_unused_bits_are_cleared(write_series: Series) -> None:
    unsigned = (VOLUME.astype(np.uint16) & 0xFFF) | 0xA000
    np.testing.assert_array_equal(
        read_image(write_series(unsigned, "u", BitsStored=12, HighBit=11)).voxels[0].T, VOLUME
    )
    signed = ((VOLUME - 30) & 0xFFF).astype(np.int16)
    np.testing.assert_array_equal(
        read_image(write_series(signed, "s", BitsStored=12, HighBit=11)).voxels[0].T, VOLUME - 30
    )


@pytest.mark.parametrize("missing", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_a_slice_without_a_place_is_refused(write_series: Series, missing: str) -> None:
    with pytest.raises(GeometryError, match=missing):
        read_image(write_series(VOLUME, **{missing: None}))


def test_two_series_in_one_folder_are_listed(write_series: Series) -> None:
    first = write_series(VOLUME, "first")
    for path in write_series(VOLUME[:2], "second").iterdir():
        path.rename(first / f"b{path.name}")
    with pytest.raises(InputError, match=r"holds 2 images .*CT '(first': 4|second': 2) slices: .*:/.*; CT "):
        read_image(first)


def test_other_files_and_other_dicom_objects_are_passed_over(write_series: Series) -> None:
    folder = write_series(VOLUME)
    (folder / "notes.txt").write_text("read me")
    (folder / "LICENCE").write_text("words")
    other = pydicom.dcmread(folder / "001.dcm", stop_before_pixels=True)
    other.Modality = "RTSTRUCT"
    other.SeriesInstanceUID = "1.2.3"
    del other.Rows
    other.save_as(folder / "rt.dcm")
    image = read_image(folder)
    assert image.geometry.shape[2] == 4


@pytest.mark.parametrize(
    ("modality", "mend"), [("RTDOSE", "Pass the folder"), ("RTSTRUCT", "read_mask"), ("SEG", "read_segmentation")]
)
def test_an_object_that_is_no_image_is_refused_by_its_kind(write_series: Series, modality: str, mend: str) -> None:
    path = write_series(VOLUME) / "001.dcm"
    other = pydicom.dcmread(path)
    other.Modality = modality
    other.save_as(path)
    with pytest.raises(UnreadableFileError, match=f"holds no DICOM image but {modality}. .*{mend}"):
        read_image(path)


@pytest.mark.parametrize("kept", [0, 60, 200, -7])
def test_a_truncated_slice_is_refused_by_name(write_series: Series, kept: int) -> None:
    folder = write_series(VOLUME)
    path = folder / "002.dcm"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableFileError, match=r"002\.dcm"):
        read_image(folder)


def test_one_slice_is_a_volume_with_its_thickness_noted(write_series: Series) -> None:
    image = read_image(write_series(VOLUME[:1]))
    assert image.geometry.spacing_mm == (0.5, 2.0, 7.0)
    assert "SliceThickness" in image.notes[0]
    with pytest.raises(GeometryError, match="without SliceThickness"):
        read_image(write_series(VOLUME[:1], "bare", SliceThickness=None))


RADIOGRAPH = {"Modality": "DX", "ImagePositionPatient": None, "ImageOrientationPatient": None}


@pytest.mark.parametrize(
    ("fields", "spacing", "source"),
    [
        ({}, (0.5, 2.0), "PixelSpacing"),
        ({"PixelSpacing": None, "ImagerPixelSpacing": [0.2, 0.1]}, (0.1, 0.2), "ImagerPixelSpacing"),
        (
            {
                "PixelSpacing": None,
                "ImagerPixelSpacing": [0.2, 0.1],
                "EstimatedRadiographicMagnificationFactor": 1.25,
            },
            (0.08, 0.16),
            "ImagerPixelSpacing corrected for magnification",
        ),
        ({"PixelSpacing": None}, None, "unknown"),
    ],
)
def test_a_radiograph_is_2d_and_says_whence_its_spacing_comes(
    write_series: Series, fields: dict, spacing: tuple[float, ...] | None, source: str
) -> None:
    image = read_image(write_series(VOLUME[:1], **RADIOGRAPH, **fields) / "001.dcm")
    assert (image.geometry.ndim, image.geometry.spacing_source) == (2, source)
    np.testing.assert_array_equal(image.voxels[0].T, VOLUME[0])
    if spacing:
        np.testing.assert_allclose(image.geometry.spacing_mm, spacing)


def test_monochrome1_is_turned_so_that_more_is_brighter(write_series: Series) -> None:
    dark = VOLUME[:1].astype(np.uint16)
    folder = write_series(dark, **RADIOGRAPH, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_image(folder).voxels[0].T, 4095 - dark[0])


def test_several_radiographs_are_to_be_passed_as_files(write_series: Series) -> None:
    with pytest.raises(InputError, match="holds 4 images"):
        read_image(write_series(VOLUME, **RADIOGRAPH))


@pytest.mark.parametrize("modality", ["CT", "MR_T1", "PET"])
def test_real_series_equal_their_nifti_truth(test_data: Path, modality: str) -> None:
    ours = read_image(test_data / "dicom_series" / "sts_002" / modality / "image")
    truth = read_image(test_data / "sarcoma_sts" / "STS_002" / f"{modality}_image.nii.gz")
    assert ours.geometry.same_as(truth.geometry)
    np.testing.assert_allclose(ours.voxels, truth.voxels, rtol=1e-6)


@pytest.mark.parametrize("name", ["generic/anatomical/001", "generic/compressed_rle/001", "hitachi/anatomical/001"])
def test_real_sagittal_series_equal_another_converters_result(test_data: Path, name: str) -> None:
    folder = test_data / "dicom_series" / "dicom2nifti" / name
    truth_path = folder.with_name(f"{folder.name}_ground_truth.nii.gz")
    ours, truth = read_image(folder), read_image(truth_path)
    matched = mask_on_grid(truth.voxels[0], truth.geometry, ours.geometry, truth_path)
    np.testing.assert_array_equal(ours.voxels[0], matched)


def test_monochrome1_of_a_real_radiograph_is_the_inverse(test_data: Path) -> None:
    one, other = (read_image(path).voxels for path in sorted((test_data / "dicom_cxr").glob("*.dcm")))
    np.testing.assert_array_equal(one, 255 - other)


@pytest.mark.parametrize(("syntax", "off"), [("J2KR", 0), ("JLSL", 0), ("JLSN", 4), ("JPLL", 0), ("RLE", 0)])
def test_every_compression_of_a_real_slice_gives_its_uncompressed_values(
    test_data: Path, syntax: str, off: int
) -> None:
    folder = test_data / "dicom_transfer_syntaxes"
    plain, packed = (read_image(folder / f"CT1_{name}.dcm") for name in ("UNC", syntax))
    assert packed.voxels.dtype == plain.voxels.dtype
    assert packed.geometry.same_as(plain.geometry, 0)
    np.testing.assert_allclose(packed.voxels, plain.voxels, atol=off, rtol=0)


def test_a_decoder_that_is_not_installed_is_named_with_its_extra(
    write_series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_series(VOLUME[:1], **RADIOGRAPH) / "001.dcm"
    packed = pydicom.dcmread(path)
    packed.compress(RLELossless, encoding_plugin="pydicom")
    packed.file_meta.TransferSyntaxUID = JPEG2000Lossless
    packed.save_as(path)
    for plugin in list(JPEG2000LosslessDecoder._available):
        monkeypatch.delitem(JPEG2000LosslessDecoder._available, plugin)
    with pytest.raises(MissingExtraError, match=r"no decoder of JPEG 2000 .* is installed.*medseg\[dicom\]"):
        read_image(path)


@pytest.mark.parametrize(("name", "truth"), [("12bitUnsigned.dcm", "2.nii"), ("12bitSigned_0x0F0F.dcm", "4.nii")])
def test_real_twelve_bit_mosaics_equal_another_converters_result(test_data: Path, name: str, truth: str) -> None:
    folder = test_data / "awkward" / "dcm_qa_12bit"
    ours, expected = read_image(folder / "In" / name), read_image(folder / "Ref" / truth)
    matched = mask_on_grid(expected.voxels[0], expected.geometry, ours.geometry, truth)
    np.testing.assert_array_equal(ours.voxels[0], matched)


def test_a_real_mosaic_in_gzip_lies_where_nibabel_puts_it(test_data: Path) -> None:
    path = test_data / "awkward" / "nibabel" / "siemens_dwi_0.dcm.gz"
    ours = read_image(path)
    with gzip.open(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nibabel.nicom.dicomwrappers import wrapper_from_file

        theirs = wrapper_from_file(file)
    affine = np.diag([-1.0, -1, 1, 1]) @ theirs.affine
    geometry = Geometry(theirs.image_shape[:3], affine)
    matched = mask_on_grid(theirs.get_data(), geometry, ours.geometry, path)
    np.testing.assert_array_equal(ours.voxels[0], matched)


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("generic/anatomical/002_non_isotropic", ""),
        ("philips_enhanced/anatomical/001/IM-0001-0170-0001.dcm", "philips_enhanced/anatomical/001"),
    ],
)
def test_other_real_series_lie_where_another_converter_puts_them(test_data: Path, name: str, truth: str) -> None:
    root = test_data / "dicom_series" / "dicom2nifti"
    truth_path = root / f"{truth or name}_ground_truth.nii.gz"
    ours, expected = read_image(root / name), read_image(truth_path)
    matched = mask_on_grid(expected.voxels[0], expected.geometry, ours.geometry, truth_path)
    np.testing.assert_allclose(ours.voxels[0], matched, rtol=1e-6)


def test_each_time_of_a_real_multi_frame_series_equals_another_converters(test_data: Path) -> None:
    folder = test_data / "dicom_series" / "dicom2nifti" / "philips_enhanced" / "fmri"
    (path,) = (folder / "001").iterdir()
    for k in range(4):
        ours = read_image(f"{path}:/{k}")
        truth = read_image(f"{folder / '001_ground_truth.nii.gz'}:/{k}")
        matched = mask_on_grid(truth.voxels[0], truth.geometry, ours.geometry, path)
        np.testing.assert_allclose(ours.voxels[0], matched, rtol=1e-6)


def test_a_mask_that_itk_wrote_lies_on_an_oblique_series_with_few_digits(write_series: Series, tmp_path: Path) -> None:
    row, column = [0.98769, 0.15643, 0.0], [-0.15450, 0.97553, 0.15643]  # unit vectors to five digits
    normal = np.cross(row, column)
    folder = write_series(
        np.zeros((9, 200, 256), np.int16),
        positions=[list(np.round(3.0 * i * normal, 4)) for i in range(9)],
        ImageOrientationPatient=[*row, *column],
    )
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    SimpleITK.WriteImage(reader.Execute(), tmp_path / "mask.nrrd")
    mask, geometry = read_mask(tmp_path / "mask.nrrd", on=read_geometry(folder))
    assert geometry.same_as(read_geometry(folder))
    assert mask.shape == geometry.shape
    moved = geometry.to_world([0.02, 0, 0]) - geometry.to_world([0, 0, 0])
    shifted = geometry.affine.copy()
    shifted[:3, 3] += moved
    with pytest.raises(GridMismatchError, match=r"shifted by 0\.01 mm"):
        mask_on_grid(mask, Geometry(geometry.shape, shifted), geometry, "mask")
