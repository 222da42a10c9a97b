"""RTSTRUCT: a mask written as contours and read again is the same mask."""

import shutil
import subprocess

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_sources import complaints, ct_series, oblique, radiograph
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import gaussian_filter, label
from skimage.draw import polygon2mask

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io import read_image
from medseg.io.polygons import filled
from medseg.io.structures import read_segmentation
from medseg.labels import Labels
from medseg.outputs.dicom.contours import slice_outlines
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.rtstruct import write_rtstruct
from medseg.outputs.dicom.source import Source, source_of

AUTHOR = Author("lesions", "ab" * 32, "1.0", "cd")
TWO = Labels.from_config({"liver": 1, "left kidney": 2})
PICTURES = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14))


def on_slices(folder, mask: np.ndarray, labels: Labels = TWO, geometry: Geometry | None = None):
    """A mask on a series of its own: the image, its source and the segmentation."""
    grid = geometry or oblique(mask.shape[-3:])
    image = read_image(ct_series(folder, grid))
    assert image.geometry.same_as(grid)
    return image, source_of(image), Segmentation(mask, image.geometry, labels)


@given(mask=PICTURES)
@settings(max_examples=300, deadline=None)
def test_outlines_filled_are_the_picture_one_by_one_and_all_together(mask):
    polygons = slice_outlines(mask)
    assert len(polygons) == label(mask)[1]  # a part is one polygon, its holes are joined to it
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)
    alone = [filled([polygon], mask.shape) for polygon in polygons]
    np.testing.assert_array_equal(np.sum(alone, axis=0), mask.astype(int))


@given(mask=PICTURES)
@settings(max_examples=100, deadline=None)
def test_outlines_mean_the_same_to_scikit_image(mask):
    drawn = np.zeros(mask.shape, bool)
    for polygon in slice_outlines(mask):
        drawn |= polygon2mask(mask.shape, polygon)
    np.testing.assert_array_equal(drawn, mask)


def test_an_outline_stays_half_a_voxel_from_the_centres_around_it():
    mask = gaussian_filter(np.random.default_rng(0).normal(size=(60, 50)), 3) > 0.01
    points = np.concatenate(slice_outlines(mask))
    assert set(np.unique(points % 1)) <= {0, 0.25, 0.5, 0.75}
    assert (np.abs(points - np.rint(points)).max(axis=1) >= 0.25).all()


def test_one_voxel_is_a_diamond_and_a_row_has_no_needless_corners():
    mask = np.zeros((5, 6), bool)
    mask[2, 3] = True
    assert {tuple(point) for point in slice_outlines(mask)[0]} == {(1.5, 3), (2.5, 3), (2, 2.5), (2, 3.5)}
    mask[2, 1:5] = True
    assert len(slice_outlines(mask)[0]) == 6
    assert slice_outlines(mask & False) == []


@settings(max_examples=12, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.05, 9)] * 3),
    seed=st.integers(0, 1000),
)
def test_a_mask_comes_back_from_oblique_and_anisotropic_series(tmp_path_factory, angles, spacing, seed):
    folder = tmp_path_factory.mktemp("series")
    mask = np.random.default_rng(seed).integers(0, 3, (13, 11, 4)).astype(np.uint8)
    image, source, segmentation = on_slices(folder / "ct", mask, geometry=oblique((13, 11, 4), spacing, angles))
    back = read_segmentation(write_rtstruct(folder / "rs.dcm", source, segmentation, AUTHOR), on=image)
    np.testing.assert_array_equal(back.mask, mask)
    assert back.labels.names == TWO.names
    assert [one.colour for one in back.labels.labels] == [one.colour for one in TWO.labels]


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (0, 2, 1)], ids=["axial", "sagittal", "coronal"])
def test_a_mask_comes_back_from_every_plane_feet_first_too(tmp_path, axes):
    turned = np.eye(3)[:, axes] * (-1, -1, 1)
    for sign in (1, -1):  # slices upwards and downwards
        affine = np.eye(4)
        affine[:3, :3] = turned * (0.7, 0.7, 2.5 * sign)
        mask = np.random.default_rng(1).integers(0, 3, (9, 8, 3)).astype(np.uint8)
        image = read_image(ct_series(tmp_path / f"{sign}", Geometry(mask.shape, affine), PatientPosition="FFP"))
        segmentation = Segmentation(mask, image.geometry, TWO)
        path = write_rtstruct(tmp_path / f"{sign}.dcm", source_of(image), segmentation, AUTHOR)
        np.testing.assert_array_equal(read_segmentation(path, on=image).mask, mask)


def test_overlapping_labels_and_an_empty_one_come_back(tmp_path):
    mask = np.zeros((3, 16, 14, 3), np.uint8)
    mask[0, 2:9, 3:9], mask[1, 5:12, 5:12, 1:] = 1, 1
    labels = Labels.from_config({"GTV": 1, "CTV": 2, "none": 3, "overlapping": True})
    image, source, segmentation = on_slices(tmp_path / "ct", mask, labels)
    back = read_segmentation(write_rtstruct(tmp_path / "rs.dcm", source, segmentation, AUTHOR), on=image)
    np.testing.assert_array_equal(back.mask, mask)
    assert "'none' has no closed contour and is empty" in back.notes


def test_each_contour_names_the_image_that_it_lies_on(tmp_path):
    mask = np.zeros((10, 9, 4), np.uint8)
    mask[2:5, 2:5, 1], mask[4:6, 4:6, 3] = 1, 1
    image, source, segmentation = on_slices(tmp_path / "ct", mask)
    ds = pydicom.dcmread(write_rtstruct(tmp_path / "rs.dcm", source, segmentation, AUTHOR))
    named = [
        contour.ContourImageSequence[0].ReferencedSOPInstanceUID for contour in ds.ROIContourSequence[0].ContourSequence
    ]
    assert named == [source.uids[1], source.uids[3]]
    series = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert tuple(one.ReferencedSOPInstanceUID for one in series.ContourImageSequence) == source.uids
    assert all(len(str(text)) <= 16 for c in ds.ROIContourSequence[0].ContourSequence for text in c.ContourData)
    assert not image.geometry.oblique or ds.FrameOfReferenceUID == source.first.FrameOfReferenceUID


def test_patient_and_study_are_the_source_s_whatever_letters_it_is_written_in(tmp_path):
    fields = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Zoë", "PatientComments": "élan"}
    mask = np.ones((8, 8, 2), np.uint8)
    image = read_image(ct_series(tmp_path / "ct", oblique(mask.shape), **fields))
    labels = Labels.from_config({"肝": 1})
    segmentation = Segmentation(mask, image.geometry, labels)
    ds = pydicom.dcmread(write_rtstruct(tmp_path / "rs.dcm", source_of(image), segmentation, AUTHOR))
    assert (ds.PatientName, ds.PatientComments) == ("Müller^Zoë", "élan")
    assert ds.StructureSetROISequence[0].ROIName == "肝"
    source = source_of(image).first
    names = ("PatientID", "PatientBirthDate", "PatientAge", "StudyInstanceUID", "AccessionNumber", "StudyDescription")
    assert all(ds[name].value == source[name].value for name in names)
    assert ds.SeriesInstanceUID != source.SeriesInstanceUID


def test_the_same_run_gives_the_same_bytes_and_any_other_another_series(tmp_path):
    mask = np.zeros((8, 8, 2), np.uint8)
    mask[2:5, 2:5] = 1
    _image, source, segmentation = on_slices(tmp_path / "ct", mask)
    first, again = (write_rtstruct(tmp_path / name, source, segmentation, AUTHOR) for name in ("1.dcm", "2.dcm"))
    assert first.read_bytes() == again.read_bytes()
    other = mask.copy()
    other[2, 2, 0] = 0
    changed = [
        (Segmentation(other, segmentation.geometry, TWO), AUTHOR),
        (segmentation, Author("lesions", "ff" * 32, "1.0", "cd")),
        (segmentation, Author("lesions", "ab" * 32, "1.1", "cd")),
        (segmentation, Author("lesions", "ab" * 32, "1.0", "ce")),
    ]
    uids = {pydicom.dcmread(first).SOPInstanceUID}
    for n, (drawn, author) in enumerate(changed):
        ds = pydicom.dcmread(write_rtstruct(tmp_path / f"c{n}.dcm", source, drawn, author))
        uids |= {ds.SOPInstanceUID}
    assert len(uids) == 5


def test_a_picture_without_a_place_in_space_is_refused(tmp_path):
    image = read_image(radiograph(tmp_path / "dx.dcm", np.zeros((20, 16))))
    segmentation = Segmentation(np.ones((20, 16), np.uint8), image.geometry, TWO)
    with pytest.raises(InputError, match=r"dx\.dcm.*without a place in space.*SEG"):
        write_rtstruct(tmp_path / "rs.dcm", source_of(image), segmentation, AUTHOR)
    assert not (tmp_path / "rs.dcm").exists()


def test_an_image_whose_slices_are_no_frames_is_drawn_without_their_names(tmp_path):
    mask = np.zeros((8, 8, 3), np.uint8)
    mask[2:5, 2:5] = 2
    image, source, segmentation = on_slices(tmp_path / "ct", mask)
    moved = Source(source.where, source.datasets, ())
    path = write_rtstruct(tmp_path / "rs.dcm", moved, segmentation, AUTHOR)
    assert "ContourImageSequence" not in pydicom.dcmread(path).ROIContourSequence[1].ContourSequence[0]
    np.testing.assert_array_equal(read_segmentation(path, on=image).mask, mask)
    assert complaints(path) == []


def test_dciodvfy_has_nothing_against_it(tmp_path):
    mask = np.random.default_rng(2).integers(0, 3, (30, 26, 3)).astype(np.uint8)
    mask[10:20, 10:20] = 1
    mask[13:15, 13:15] = 0
    labels = Labels.from_config({"liver": 1, "left kidney": 2, "Läsion": 3})
    _image, source, segmentation = on_slices(tmp_path / "ct", mask, labels)
    assert complaints(write_rtstruct(tmp_path / "rs.dcm", source, segmentation, AUTHOR)) == []


@pytest.mark.parametrize("modality", ["CT", "PET", "MR_T1"])
def test_the_sarcoma_s_contours_are_its_nifti_mask_and_written_again_stay_so(test_data, tmp_path, modality):
    folder = test_data / "dicom_series" / "sts_002" / modality
    image = read_image(folder / "image")
    read = read_segmentation(folder / "mask" / "RS.dcm", on=image)
    truth = nibabel.load(test_data / "sarcoma_sts" / "STS_002" / f"{modality}_mask.nii.gz")
    assert image.geometry.same_as(Geometry(truth.shape, truth.affine))
    np.testing.assert_array_equal(read.mask, np.asarray(truth.dataobj))
    path = write_rtstruct(tmp_path / "rs.dcm", source_of(image), read, AUTHOR)
    np.testing.assert_array_equal(read_segmentation(path, on=image).mask, read.mask)
    assert set(complaints(path)) <= set(complaints(image.header.slices[0][0]))  # of the patient's name, say


@pytest.mark.parametrize("angles", [(0, 0, 0), (10, -20, 35)], ids=["axial", "oblique"])
def test_plastimatch_draws_the_same_mask(tmp_path, angles):
    program = shutil.which("plastimatch")
    if program is None:
        pytest.skip("plastimatch is not installed")
    mask = np.random.default_rng(1).integers(0, 2, (26, 22, 4)).astype(np.uint8)
    mask[5:15, 5:15] = 1
    mask[8:11, 8:11] = 0
    labels = Labels.from_config({"liver": 1})
    image, source, segmentation = on_slices(tmp_path / "ct", mask, labels, oblique(mask.shape, angles=angles))
    path = write_rtstruct(tmp_path / "rs.dcm", source, segmentation, AUTHOR)
    told = ["--referenced-ct", tmp_path / "ct", "--output-prefix", tmp_path / "drawn", "--prefix-format", "nii.gz"]
    subprocess.run([program, "convert", "--input", path, *told], check=True, capture_output=True)
    drawn = nibabel.load(tmp_path / "drawn" / "liver.nii.gz")
    places = image.geometry.to_world(np.argwhere(mask))
    indices = np.rint((places - drawn.affine[:3, 3]) @ np.linalg.inv(drawn.affine[:3, :3]).T).astype(int)
    voxels = np.asarray(drawn.dataobj) > 0
    assert voxels.sum() == mask.sum()
    assert voxels[tuple(indices.T)].all()
