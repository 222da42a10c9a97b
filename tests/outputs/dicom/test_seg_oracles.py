"""DICOM SEG as others read it: dcmqi, SimpleITK, highdicom and dciodvfy, over series of every kind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from dicom_sources import LPS, complaints, ct_series, enhanced_ct, oblique, radiograph

from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.io import read_image, read_segmentation
from medseg.labels import Labels
from medseg.options import ReadOptions
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.seg import segmentation_object, write_seg
from medseg.outputs.dicom.source import source_of

AUTHOR = Author("net", "ab" * 32, "0.1", "cd" * 32)
LABELS = Labels.from_config({"liver": 1, "left lung nodule": 2})


def grid(columns: list[list[float]], shape: tuple[int, int, int], origin=(12.5, -30.25, 77.0)) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.array(columns).T, origin
    return Geometry(shape, affine)


# Axis steps in RAS+ mm: along the columns, along the rows, from slice to slice.
AXIAL = grid([[-0.7, 0, 0], [0, -0.9, 0], [0, 0, 2.5]], (17, 13, 5))
GRIDS = {
    "axial": AXIAL,
    "sagittal": grid([[0, -0.7, 0], [0, 0, -0.9], [-3, 0, 0]], (17, 13, 5)),
    "coronal": grid([[-0.7, 0, 0], [0, 0, -0.9], [0, -3, 0]], (16, 13, 5)),
    "oblique": oblique(),
    "feet first": grid([[0.7, 0, 0], [0, -0.9, 0], [0, 0, -2.5]], (17, 13, 5)),
    "single slice": grid([[-0.7, 0, 0], [0, -0.9, 0], [0, 0, 4.0]], (17, 13, 1)),
}


def image_of(name: str, folder: Path) -> Image:
    if name == "multi-frame enhanced":
        return read_image(enhanced_ct(folder / "e.dcm", GRIDS["oblique"]))
    if name == "tilted":
        tilted = grid([[-0.7, 0, 0], [0, -0.9, 0], [0, 0.5, 2.5]], (17, 13, 5))
        return read_image(ct_series(folder / "ct", tilted), options=ReadOptions(untilt=True))
    return read_image(ct_series(folder / "ct", GRIDS.get(name, AXIAL)))


def mask_on(geometry: Geometry, gaps: bool) -> np.ndarray:
    """Voxels at random, none alike; with gaps, slices that are empty lie between others."""
    mask = np.random.default_rng(3).choice(3, geometry.shape, p=(0.7, 0.2, 0.1)).astype(np.uint8)
    if gaps:
        mask[:, :, 1:4] = 0
    return mask


def written(image: Image, mask: np.ndarray, path: Path, **how) -> Path:
    segmentation = Segmentation(mask, image.geometry, LABELS, image=image)
    return write_seg(path, segmentation_object(source_of(image), segmentation, AUTHOR, case="case", **how))


def drawn(volume: SimpleITK.Image, value: int, geometry: Geometry) -> set[tuple[int, ...]]:
    """Voxels of a grid where the centres of another program's voxels of a value lie, which they must, exactly."""
    places = np.argwhere(SimpleITK.GetArrayFromImage(volume) == value)[:, ::-1]
    points = [volume.TransformIndexToPhysicalPoint([int(n) for n in place]) for place in places]
    index = geometry.to_index(np.array(points).reshape(-1, 3) * LPS)
    assert np.abs(index - np.rint(index)).max(initial=0) < 1e-3
    return {tuple(int(n) for n in voxel) for voxel in np.rint(index)}


def by_dcmqi(path: Path, folder: Path) -> list[tuple[dict, SimpleITK.Image]]:
    """Of each segment what dcmqi says of it and the volume in which it is."""
    program = shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("dcmqi is not installed (pip install dcmqi)")
    folder.mkdir()
    command = [program, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd", "-p", "s"]
    subprocess.run(command, check=True, capture_output=True)
    groups = json.loads((folder / "s-meta.json").read_text())["segmentAttributes"]
    return [
        (told, SimpleITK.ReadImage(str(folder / f"s-{number}.nrrd")))
        for number, group in enumerate(groups, start=1)
        for told in group
    ]


KINDS = [*GRIDS, "gapped frames", "multi-frame enhanced", "tilted"]


@pytest.mark.parametrize("name", KINDS)
def test_dcmqi_and_we_find_the_mask_where_it_was(name, tmp_path):
    image = image_of(name, tmp_path)
    mask = mask_on(image.geometry, name == "gapped frames")
    path = written(image, mask, tmp_path / "seg.dcm")
    assert complaints(path) == []
    found = by_dcmqi(path, tmp_path / "dcmqi")
    assert [told["SegmentLabel"] for told, _volume in found] == list(LABELS.names)
    for (told, volume), label in zip(found, LABELS.labels, strict=True):
        voxels = {tuple(int(n) for n in voxel) for voxel in np.argwhere(mask == label.values[0])}
        assert drawn(volume, told["labelID"], image.geometry) == voxels
        assert told["recommendedDisplayRGBValue"] == list(label.colour)
    read = read_segmentation(path, on=image, options=ReadOptions(untilt=True))
    assert np.array_equal(read.mask, mask)
    assert read.labels.names == LABELS.names


@pytest.mark.parametrize("name", ["coronal", "oblique"])
def test_simpleitk_reads_the_frames_in_the_order_of_segments_and_places(name, tmp_path):
    # Of sizes that fill whole bytes only: GDCM, by which SimpleITK reads, loses the bits of the last byte that is not.
    image = image_of(name, tmp_path)
    mask = np.full(image.geometry.shape, 1, np.uint8)
    mask[::2] = 2
    volume = SimpleITK.ReadImage(str(written(image, mask, tmp_path / "seg.dcm")))
    frames = SimpleITK.GetArrayFromImage(volume) != 0
    assert np.array_equal(frames, np.concatenate([(mask == value).T for value in (1, 2)]))
    assert np.allclose(np.array(volume.GetOrigin()) * LPS, image.geometry.to_world((0, 0, 0)), atol=1e-4)
    assert np.allclose(volume.GetSpacing()[:2], image.geometry.step[:2])


def test_highdicom_finds_segments_and_the_images_under_each_frame(tmp_path):
    hd = pytest.importorskip("highdicom")
    image = image_of("oblique", tmp_path)
    mask = mask_on(image.geometry, gaps=False)
    source = source_of(image)
    seg = hd.seg.segread(written(image, mask, tmp_path / "seg.dcm"))
    pixels = seg.get_pixels_by_source_instance(source.uids, segment_numbers=[1, 2])
    assert np.array_equal(pixels[..., 0].transpose(2, 1, 0), mask == 1)
    assert np.array_equal(pixels[..., 1].transpose(2, 1, 0), mask == 2)
    assert [uids[2] for uids in seg.get_source_image_uids()] == list(source.uids)
    nodule = seg.get_segment_description(2)
    assert nodule.segmented_property_type.meaning == "Nodule"
    assert nodule.anatomic_regions[0].meaning == "Lung"
    assert nodule.tracking_id == "case/left lung nodule"
    assert nodule.algorithm_identification.name == "net"


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_a_radiograph_has_segments_without_a_place(kind, tmp_path):
    image = read_image(radiograph(tmp_path / "dx.dcm", np.full((31, 43), 500)))
    mask = np.zeros((31, 43), np.uint8)
    mask[3:9, 20:], mask[15:, 4:40] = 1, 2
    chances = np.stack([mask == 1, mask == 2]).astype(np.float16)
    segmentation = Segmentation(mask, image.geometry, LABELS, chances, image)
    made = segmentation_object(source_of(image), segmentation, AUTHOR, kind=kind)
    path = write_seg(tmp_path / "seg.dcm", made)
    assert complaints(path) == []
    assert np.array_equal(read_segmentation(path, on=image).mask, mask)
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[0].T != 0, mask == 1)


def test_a_fractional_seg_holds_the_probabilities(tmp_path):
    image = image_of("oblique", tmp_path)
    chances = np.random.default_rng(1).random((2, *image.geometry.shape)).astype(np.float16)
    segmentation = Segmentation(np.zeros(image.geometry.shape, np.uint8), image.geometry, LABELS, chances)
    made = segmentation_object(source_of(image), segmentation, AUTHOR, kind="FRACTIONAL")
    path = write_seg(tmp_path / "seg.dcm", made)
    assert complaints(path) == []
    read = read_segmentation(path, on=image)
    assert read.probabilities is not None
    assert np.abs(read.probabilities - chances.astype(np.float32)).max() <= 0.5 / 255 + 1e-6


def test_a_label_map_is_one_number_a_voxel(tmp_path):
    hd = pytest.importorskip("highdicom")
    image = image_of("oblique", tmp_path)
    mask = mask_on(image.geometry, gaps=False)
    path = written(image, mask, tmp_path / "seg.dcm", kind="LABELMAP")
    assert np.array_equal(read_segmentation(path, on=image).mask, mask)
    seg = hd.seg.segread(path)
    assert list(seg.segment_numbers) == [1, 2]
    pixels = seg.get_pixels_by_source_instance(source_of(image).uids, combine_segments=True)
    assert np.array_equal(pixels.transpose(2, 1, 0), mask)


def test_labels_that_overlap_are_segments_that_do(tmp_path):
    image = image_of("oblique", tmp_path)
    labels = Labels.from_config({"liver": 1, "liver tumor": 2, "overlapping": True})
    channels = np.zeros((2, *image.geometry.shape), np.uint8)
    channels[0, 3:20, 2:18], channels[1, 5:9, 6:11, 2:5] = 1, 1
    segmentation = Segmentation(channels, image.geometry, labels, image=image)
    path = write_seg(tmp_path / "seg.dcm", segmentation_object(source_of(image), segmentation, AUTHOR))
    assert complaints(path) == []
    assert np.array_equal(read_segmentation(path, on=image).mask, channels)
    for (told, volume), channel in zip(by_dcmqi(path, tmp_path / "dcmqi"), channels, strict=True):
        wanted = {tuple(int(n) for n in voxel) for voxel in np.argwhere(channel)}
        assert drawn(volume, told["labelID"], image.geometry) == wanted


def test_nothing_found_is_a_valid_object_that_says_so(tmp_path):
    image = image_of("oblique", tmp_path)
    mask = np.zeros(image.geometry.shape, np.uint8)
    segmentation = Segmentation(mask, image.geometry, LABELS, image=image)
    made = segmentation_object(source_of(image), segmentation, AUTHOR)
    path = write_seg(tmp_path / "seg.dcm", made)
    assert made.empty
    assert made.head.ContentDescription == "Nothing was found"
    assert complaints(path) == []
    read = read_segmentation(path, on=image)
    assert not read.mask.any()
    assert read.labels.names == LABELS.names
    assert all(not SimpleITK.GetArrayFromImage(volume).any() for _told, volume in by_dcmqi(path, tmp_path / "dcmqi"))


REAL = {
    "dcmqi's liver": ("dcmqi/liver.dcm", "dcmqi/ct-3slice", "BINARY"),
    "not square": ("dcmqi/23x38x3/seg/label.seg", "dcmqi/23x38x3/image", "BINARY"),
    "not square, multi-frame": ("dcmqi/23x38x3/seg/label.seg", "dcmqi/23x38x3/multiframe/mf.dcm", "BINARY"),
    "highdicom's": ("highdicom/seg_image_ct_binary.dcm", "highdicom/source_ct_CT2", "BINARY"),
    "highdicom's fractions": ("highdicom/seg_image_ct_true_fractional.dcm", "highdicom/source_ct_CT2", "FRACTIONAL"),
}


@pytest.mark.parametrize("name", REAL)
def test_segs_of_others_are_the_same_when_written_again(name, test_data, tmp_path):
    *parts, kind = REAL[name]
    seg, series = (test_data / "dicom_seg" / part for part in parts)
    if series.name == "source_ct_CT2":  # its fourth slice lies 20 cm away
        series = shutil.copytree(series, tmp_path / "ct", ignore=shutil.ignore_patterns("17106"))
    image = read_image(series)
    before = read_segmentation(seg, on=image, options=ReadOptions(across_frames=True))
    made = segmentation_object(source_of(image), before, AUTHOR, kind=kind)
    again = read_segmentation(write_seg(tmp_path / "seg.dcm", made), on=image)
    assert before.mask.any()
    assert np.array_equal(again.mask, before.mask)
    if kind == "FRACTIONAL":
        assert np.abs(again.probabilities - before.probabilities).max() <= 0.5 / 255 + 1e-6
    assert [one.coding for one in again.labels.labels] == [one.coding for one in before.labels.labels]
    assert [one.name for one in again.labels.labels] == [one.name for one in before.labels.labels]
    assert not [line for line in complaints(tmp_path / "seg.dcm") if line.startswith("Error")]
