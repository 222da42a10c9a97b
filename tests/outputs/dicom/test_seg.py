"""What a SEG says besides its pixels: identity, references, tracking, codes; and what is refused."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_sources import complaints, ct_series, oblique
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medseg.errors import InputError, LabelError, OutputError
from medseg.image import Segmentation
from medseg.io import read_image, read_segmentation
from medseg.io.dicom.structures.colours import cielab_of_rgb, rgb_of_cielab
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.outputs.dicom import seg as module
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.pixels import packed
from medseg.outputs.dicom.seg import segmentation_object, write_seg
from medseg.outputs.dicom.source import source_of
from medseg.regions import find_regions, measure_segmentation

AUTHOR = Author("net", "ab" * 32, "0.1", "cd" * 32)
LABELS = Labels.from_config({"liver": 1, "left lung nodule": 2, "ignore": 9})
OVERLAPPING = replace(LABELS, exclusive=False)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    fields = {"PatientName": "Müller^Žofie=漢字^名", "SpecificCharacterSet": "ISO_IR 192"}
    return read_image(ct_series(tmp_path_factory.mktemp("ct") / "s", oblique(), **fields))


def spots() -> np.ndarray:
    """Two livers, three nodules of 8, 4 and 1 voxels, and what nobody judged."""
    mask = np.zeros(oblique().shape, np.uint8)
    mask[2:8, 2:8, :4], mask[2:4, 15:17, 2] = 1, 1
    mask[15:17, 2:4, 0:2], mask[15:17, 10:12, 3], mask[22, 18, 5] = 2, 2, 2
    mask[10:12, 10:12] = 9
    return mask


def made_of(image, mask, labels=LABELS, author=AUTHOR, **how):
    return segmentation_object(source_of(image), Segmentation(mask, image.geometry, labels, image=image), author, **how)


def test_patient_and_study_are_the_source_s_and_the_series_is_its_own(image, tmp_path):
    path = write_seg(tmp_path / "seg.dcm", made_of(image, spots()))
    ds, first = pydicom.dcmread(path), source_of(image).first
    for name in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
        assert ds[name].value == first[name].value, name
    assert ds.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert ds.SeriesInstanceUID != first.SeriesInstanceUID
    assert ds.Modality == "SEG"
    assert (ds.ManufacturerModelName, ds.SoftwareVersions, ds.DeviceSerialNumber) == ("net", "0.1", "ab" * 32)
    (referred,) = ds.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == first.SeriesInstanceUID
    assert [one.ReferencedSOPInstanceUID for one in referred.ReferencedInstanceSequence] == list(source_of(image).uids)


def test_all_channels_are_named_as_what_it_was_made_from(image, tmp_path):
    other = ct_series(tmp_path / "other", oblique((12, 10, 6), (1.6, 2.2, 3.0)))
    both = read_image([image.source, other], options=ReadOptions(resample_channels=True, across_frames=True))
    source = source_of(both)
    assert source.uids == source_of(image).uids  # by whose slices the frames lie
    ds = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", made_of(both, spots())))
    named = [
        [one.ReferencedSOPInstanceUID for one in item.ReferencedInstanceSequence]
        for item in ds.ReferencedSeriesSequence
    ]
    assert named == [list(source.uids), [str(pydicom.dcmread(path).SOPInstanceUID) for path in sorted(other.iterdir())]]
    assert complaints(tmp_path / "seg.dcm") == []
    assert made_of(both, spots()).uid != made_of(image, spots()).uid


def test_each_frame_names_its_segment_its_place_and_its_image(image, tmp_path):
    mask, source = spots(), source_of(image)
    ds = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", made_of(image, mask)))
    wanted = [(number, k) for number in (1, 2) for k in range(6) if (mask[:, :, k] == number).any()]
    drawn = sorted({k for _number, k in wanted})
    found = []
    for group in ds.PerFrameFunctionalGroupsSequence:
        (derived,), (content,) = group.DerivationImageSequence, group.FrameContentSequence
        k = source.uids.index(derived.SourceImageSequence[0].ReferencedSOPInstanceUID)
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        assert list(content.DimensionIndexValues) == [number, drawn.index(k) + 1]
        assert group.PlanePositionSequence[0].ImagePositionPatient == source.datasets[k].ImagePositionPatient
        found.append((number, k))
    assert found == wanted


def test_segments_are_coded_coloured_and_tracked(image, tmp_path):
    ds = pydicom.dcmread(write_seg(tmp_path / "seg.dcm", made_of(image, spots(), case="c7")))
    liver, nodule = ds.SegmentSequence
    assert liver.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Anatomical Structure"
    assert liver.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert nodule.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeMeaning == "Left"
    assert (liver.TrackingID, nodule.TrackingID) == ("c7/liver", "c7/left lung nodule")
    assert liver.TrackingUID != nodule.TrackingUID
    assert tuple(rgb_of_cielab(liver.RecommendedDisplayCIELabValue)) == LABELS.labels[0].colour
    assert (liver.SegmentAlgorithmType, liver.SegmentAlgorithmName) == ("AUTOMATIC", "net")
    assert ds.SegmentsOverlap == "NO"


@pytest.mark.parametrize("min_voxels", [0, 3])
def test_a_segment_for_each_region_is_tracked_as_the_table_has_it(image, tmp_path, min_voxels):
    mask = spots()
    whole = Segmentation(mask, image.geometry, LABELS, image=image)
    table = measure_segmentation(image, whole, case="c7", min_voxels=min_voxels)
    made = made_of(image, mask, case="c7", segments="region", regions=table)
    path = write_seg(tmp_path / "seg.dcm", made)
    assert complaints(path) == []
    ids = [f"c7/{row.label}/{row.region}" for row in table.itertuples()]
    listed = [one.TrackingID for one in pydicom.dcmread(path).SegmentSequence]
    assert [one for one in listed if one.count("/") == 2] == ids
    assert ("c7/left lung nodule" in listed) == (min_voxels == 3)  # of the voxel that is in no row
    read = read_segmentation(path, on=image)
    assert np.array_equal(read.mask != 0, np.isin(mask, (1, 2)))
    for region in find_regions(mask, LABELS, min_voxels=min_voxels):
        number = listed.index(f"c7/{region.label}/{region.id}") + 1
        assert np.argwhere(read.mask == number).min(axis=0).tolist() == list(region.start)
        assert np.count_nonzero(read.mask == number) == region.voxels


def test_a_label_of_one_region_is_tracked_by_that(image):
    mask = np.zeros(image.geometry.shape, np.uint8)
    mask[3:6, 3:6, 2], mask[10, 10, 0], mask[15, 15, 0] = 1, 2, 2
    table = measure_segmentation(image, Segmentation(mask, image.geometry, LABELS), case="c7")
    made = made_of(image, mask, case="c7", regions=table)
    assert [one.tracking_id for one in made.segments] == ["c7/liver/1", "c7/left lung nodule"]


def test_the_same_run_gives_the_same_bytes_and_another_one_other_uids(image, tmp_path):
    mask = spots()
    first = write_seg(tmp_path / "a.dcm", made_of(image, mask, case="c")).read_bytes()
    assert write_seg(tmp_path / "b.dcm", made_of(image, mask.copy(), case="c")).read_bytes() == first
    other = mask.copy()
    other[0, 0, 0] = 1
    named = Labels.from_config({"liver": 1, "right lung nodule": 2, "ignore": 9})
    changed = [
        made_of(image, mask, case="c"),
        made_of(image, other, case="c"),
        made_of(image, mask, named, case="c"),
        made_of(image, mask, case="d"),
        made_of(image, mask, case="c", segments="region"),
        made_of(image, mask, case="c", kind="LABELMAP"),
        made_of(image, np.stack([mask == 1, mask == 2]).astype(np.uint8), OVERLAPPING, case="c"),
        made_of(image, mask, author=Author("net", "ee" * 32, "0.1", "cd" * 32), case="c"),
        made_of(image, mask, author=Author("net", "ab" * 32, "0.2", "cd" * 32), case="c"),
        made_of(image, mask, author=Author("net", "ab" * 32, "0.1", "ff" * 32), case="c"),
    ]
    assert (
        len({one.uid for one in changed}) == len({str(one.head.SeriesInstanceUID) for one in changed}) == len(changed)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(mask=arrays(np.uint8, (24, 20, 6), elements=st.sampled_from([0, 0, 0, 1, 2, 9])))
def test_any_mask_comes_back(image, tmp_path, mask):
    path = write_seg(tmp_path / "seg.dcm", made_of(image, mask))
    assert np.array_equal(read_segmentation(path, on=image).mask, np.where(mask == 9, 0, mask))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 8)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_it_lies_where_the_image_was_whatever_its_grid(tmp_path_factory, angles, spacing, origin):
    folder = tmp_path_factory.mktemp("any")
    image = read_image(ct_series(folder / "ct", oblique((8, 7, 4), spacing, angles, origin)))
    mask = np.ones(image.geometry.shape, np.uint8)
    path = write_seg(folder / "seg.dcm", made_of(image, mask))
    assert read_segmentation(path).geometry.same_as(image.geometry, 1e-3)  # on its own grid, without the image
    assert np.array_equal(read_segmentation(path, on=image).mask, mask)


@given(
    st.integers(1, 7).flatmap(lambda rows: st.tuples(st.just(rows), st.integers(1, 7), st.integers(1, 20))),
    st.randoms(use_true_random=False),
)
def test_frames_of_any_size_follow_one_another_bit_by_bit(size, random):
    rows, columns, count = size
    planes = np.array([random.random() < 0.5 for _ in range(rows * columns * count)]).reshape(count, rows, columns)
    frames = packed([(k, 1, plane) for k, plane in enumerate(planes)], rows, columns, 1)
    content = b"".join(frames.content())
    assert len(content) == frames.size == (planes.size + 15) // 16 * 2
    bits = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little", count=planes.size)
    assert np.array_equal(bits.reshape(planes.shape), planes)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_colours_come_back(colour):
    assert rgb_of_cielab(cielab_of_rgb(colour)) == colour


def test_a_label_without_codes_is_refused_by_name(image):
    with pytest.raises(LabelError, match="foreground: no DICOM codes are known"):
        made_of(image, spots(), Labels.from_config({"foreground": 1, "liver": 2, "ignore": 9}))


def test_a_kind_that_does_not_fit_is_refused(image):
    overlapping = Labels.from_config({"liver": 1, "lesion": 2, "overlapping": True})
    with pytest.raises(InputError, match="no probabilities"):
        made_of(image, spots(), kind="FRACTIONAL")
    with pytest.raises(InputError, match="overlap"):
        made_of(image, np.zeros((2, *image.geometry.shape), np.uint8), overlapping, kind="LABELMAP")
    with pytest.raises(InputError, match="for each region"):
        made_of(image, spots(), kind="LABELMAP", segments="region")


def test_the_table_of_another_mask_is_refused(image):
    table = measure_segmentation(image, Segmentation(spots(), image.geometry, LABELS), case="c")
    with pytest.raises(InputError, match="which the mask has not"):
        made_of(image, np.zeros(image.geometry.shape, np.uint8), segments="region", regions=table)


def test_pixels_beyond_what_one_object_holds_are_refused(image, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 100)
    with pytest.raises(OutputError, match="more than one object holds"):
        write_seg(tmp_path / "seg.dcm", made_of(image, spots()))
    assert not list(tmp_path.iterdir())


def test_a_mask_drawn_by_hand_names_no_algorithm(image, tmp_path):
    path = write_seg(tmp_path / "seg.dcm", made_of(image, spots(), author=Author("")))
    assert complaints(path) == []
    item = pydicom.dcmread(path).SegmentSequence[0]
    assert item.SegmentAlgorithmType == "MANUAL"
    assert "SegmentAlgorithmName" not in item


@pytest.mark.parametrize(
    "corrected", [{"PatientName": "Roe^Jane"}, {"ContentDate": "20200101"}, {"SliceThickness": "0.7"}], ids=str
)
def test_a_source_that_was_corrected_gets_other_uids(tmp_path, corrected):
    made = []
    for fields in ({"PatientName": "Doe^Jane"}, {"PatientName": "Doe^Jane", **corrected}):
        image = read_image(ct_series(tmp_path / "ct", oblique(), **fields))
        source = source_of(image)
        for one, uid in zip(source.datasets, range(6), strict=True):
            one.SOPInstanceUID, one.SeriesInstanceUID, one.StudyInstanceUID = f"1.2.{uid}", "1.3", "1.4"
        made.append(segmentation_object(source, Segmentation(spots(), image.geometry, LABELS), AUTHOR, case="c"))
    assert made[0].uid != made[1].uid
