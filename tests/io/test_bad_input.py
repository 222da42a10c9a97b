"""Every file of the folders `awkward` and `dicom_pydicom`, and what becomes of it: read as what, or refused why."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from medseg import address
from medseg.errors import GeometryError, GridMismatchError, InputError, LabelError, MedsegError, UnreadableFileError
from medseg.io import read_geometry, read_image, read_mask, read_segmentation
from medseg.options import ReadOptions

FOLDERS = ("awkward", "dicom_pydicom")
GREY = "colours were turned into grey"


@dataclass(frozen=True)
class Read:
    """Shape, stored type, least and largest finite value, unit, and a piece of each note in order."""

    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    unit: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The class of the error, and a piece of what it says."""

    error: type[MedsegError]
    says: str


IMAGES: dict[str, Read | Refused] = {
    "awkward/dcm_qa_12bit/In/12bitSigned_0x0F0F.dcm": Read((64, 64, 35), "int16", -2048, 2047),
    "awkward/dcm_qa_12bit/In/12bitUnsigned.dcm": Read((64, 64, 35), "uint16", 0, 2908),
    "awkward/dcm_qa_12bit/Ref/2.nii": Read(
        (64, 64, 35), "int16", 0, 2908, notes=("sform and qform differ by up to 0.003366 mm: the sform is used",)
    ),
    "awkward/dcm_qa_12bit/Ref/4.nii": Read(
        (64, 64, 35), "int16", -2048, 2047, notes=("sform and qform differ by up to 0.003366 mm: the sform is used",)
    ),
    "awkward/derived_nifti/float_label_0.9999.nii.gz": Read((36, 50, 31), "float32", 0, 1.99998),
    "awkward/derived_nifti/nan_inf_voxels_image.nii.gz": Read(
        (36, 50, 31), "float32", 0, 1728.2, notes=("4 voxels are not finite",)
    ),
    "awkward/derived_nifti/nonorthonormal_sform_image.nii.gz": Read(
        (36, 50, 31),
        "float32",
        0,
        1728.2,
        notes=(
            "sform and qform differ by up to 1.654 mm: the sform is used",
            "the axes do not stand at right angles: ",
        ),
    ),
    "awkward/derived_nifti/nonorthonormal_sform_label.nii.gz": Read(
        (36, 50, 31),
        "uint8",
        0,
        2,
        notes=(
            "sform and qform differ by up to 1.654 mm: the sform is used",
            "the axes do not stand at right angles: ",
        ),
    ),
    "awkward/derived_nifti/qform_sform_conflict_image.nii.gz": Read(
        (36, 50, 31), "float32", 0, 1728.2, notes=("sform and qform differ by up to 12.85 mm: the sform is used",)
    ),
    "awkward/derived_nifti/sform_code0_qform_code0.nii.gz": Read(
        (36, 50, 31), "float32", 0, 1728.2, notes=("neither sform nor qform is set",)
    ),
    "awkward/derived_nifti/singleton_4d_image.nii.gz": Read((36, 50, 31), "float32", 0, 1728.2),
    "awkward/derived_nifti/truncated.nii.gz": Refused(
        UnreadableFileError, "Compressed file ended before the end-of-stream marker"
    ),
    "awkward/mirp_misc_masks/orientation/image/orientation.nii.gz": Read((32, 48, 64), "uint8", 0, 141),
    "awkward/mirp_misc_masks/orientation/mask/mask.nii.gz": Read((32, 48, 64), "uint8", 1, 1),
    "awkward/mirp_misc_masks/uninformative/image/uninformative.nii.gz": Read((8, 8, 8), "float64", 1, 1),
    "awkward/mirp_misc_masks/uninformative/mask/disconnected_mask.nii.gz": Read((8, 8, 8), "uint8", 0, 1),
    "awkward/mirp_misc_masks/uninformative/mask/empty_mask.nii.gz": Read((8, 8, 8), "uint8", 0, 0),
    "awkward/mirp_misc_masks/uninformative/mask/full_mask.nii.gz": Read((8, 8, 8), "uint8", 1, 1),
    "awkward/mirp_misc_masks/uninformative/mask/one_voxel_mask.nii.gz": Read((8, 8, 8), "uint8", 0, 1),
    "awkward/monai_testing_data/CT_DICOM/7106": Read(
        (16, 16, 1), "int16", -981, 77, unit="HU", notes=("thickness of 1.25 mm is SliceThickness",)
    ),
    "awkward/monai_testing_data/CT_DICOM/7136": Read(
        (16, 16, 1), "int16", 77, 1360, unit="HU", notes=("thickness of 1.25 mm is SliceThickness",)
    ),
    "awkward/monai_testing_data/CT_DICOM/7166": Read(
        (16, 16, 1), "int16", 991, 1489, unit="HU", notes=("thickness of 1.25 mm is SliceThickness",)
    ),
    "awkward/monai_testing_data/CT_DICOM/7196": Read(
        (16, 16, 1), "int16", 498, 1399, unit="HU", notes=("thickness of 1.25 mm is SliceThickness",)
    ),
    "awkward/monai_testing_data/anatomical.nii": Read((33, 41, 25), "int16", -610, 30393),
    "awkward/monai_testing_data/anatomical_label.nii.gz": Read((33, 41, 25), "uint16", 0, 1),
    "awkward/monai_testing_data/reoriented_anat_moved.nii": Read((21, 26, 22), "float32", 0, 21199.9),
    "awkward/monai_testing_data/reoriented_anat_moved_label.nii.gz": Read((21, 26, 22), "uint16", 0, 1),
    "awkward/nibabel/analyze.hdr": Refused(UnreadableFileError, "is a header without its voxels"),
    "awkward/nibabel/anatomical.nii": Read((33, 41, 25), "int16", -610, 30393),
    "awkward/nibabel/decimal_rescale.dcm": Read(
        (128, 96, 1), "int16", -4096, -4096, notes=("thickness of 5 mm is SliceThickness",)
    ),
    "awkward/nibabel/example4d.nii.gz": Refused(GeometryError, "holds 2 volumes"),
    "awkward/nibabel/example_nifti2.nii.gz": Refused(GeometryError, "holds 2 volumes"),
    "awkward/nibabel/functional.nii": Refused(GeometryError, "holds 20 volumes"),
    "awkward/nibabel/nifti1.hdr": Refused(UnreadableFileError, "is a header without its voxels"),
    "awkward/nibabel/reoriented_anat_moved.nii": Read((21, 26, 22), "float32", 0, 21199.9),
    "awkward/nibabel/siemens_dwi_0.dcm.gz": Read((128, 128, 48), "uint16", 0, 0),
    "awkward/nibabel/standard.nii.gz": Read((4, 5, 7), "uint8", 0, 255),
    "awkward/nibabel/test.mgz": Refused(GeometryError, "holds 2 volumes"),
    "awkward/nibabel/example4d.nii.gz:/1": Read((128, 96, 24), "int16", 0, 1140),
    "awkward/nibabel/example_nifti2.nii.gz:/0": Read(
        (32, 20, 12), "int16", 49, 742, notes=("sform and qform differ by up to 0.004293 mm: the sform is used",)
    ),
    "awkward/nibabel/functional.nii:/19": Read((17, 21, 3), "float32", 829.73, 5541.08),
    "awkward/nibabel/test.mgz:/1": Read((3, 4, 5), "float32", -2.42562, 1.81684),
    "awkward/dcm_qa_12bit/In": Refused(UnreadableFileError, "has the SOPInstanceUID of "),
    "awkward/monai_testing_data/CT_DICOM": Refused(GeometryError, "161 slices are missing"),
    "awkward/dicomdir_tree": Refused(InputError, "holds 22 images (CR 'Cervical LAT'"),
    "awkward/dicomdir_tree/DICOMDIR": Refused(InputError, "holds 22 images (CR 'Cervical LAT'"),
    "awkward/dicom2nifti_failing/gantrytilting/001": Refused(
        GeometryError, "the slices are sheared (gantry tilt): 1.21 mm sideways"
    ),
    "awkward/dicom2nifti_failing/slicecount/001": Read((256, 256, 2), "uint16", 0, 254),
    "awkward/dicom2nifti_failing/sliceincrement/001": Refused(GeometryError, "1 slice is missing"),
    "awkward/dicom2nifti_failing/sliceorientation/001": Refused(
        InputError, "holds 2 images (MR 'series 501', axial 288×288"
    ),
    "awkward/dicom2nifti_failing/sliceorientation/001/IM-0001-0001-0001.dcm": Read(
        (288, 288, 1), "uint16", 0, 254, notes=("thickness of 4.4 mm is SpacingBetweenSlices",)
    ),
    "awkward/dicom2nifti_failing/gantrytilting/001/IM-0001-0001.dcm": Refused(
        GeometryError, "is one slice without SliceThickness"
    ),
    "awkward/dicomdir_tree/77654033/CR1": Read(
        (16, 16), "float32", 1084.41, 1637.08, notes=("ImagerPixelSpacing holds in the plane of the detector",)
    ),
    "awkward/dicomdir_tree/77654033/CR2": Read(
        (16, 16), "float32", 1723.27, 2179.5, notes=("ImagerPixelSpacing holds in the plane of the detector",)
    ),
    "awkward/dicomdir_tree/77654033/CR3": Read(
        (16, 16), "float32", 1061.16, 1578.94, notes=("ImagerPixelSpacing holds in the plane of the detector",)
    ),
    "awkward/dicomdir_tree/77654033/CT2": Refused(GeometryError, "161 slices are missing"),
    "awkward/dicomdir_tree/98892001/CT2N": Refused(InputError, "holds 2 images (CT 'Scout', coronal 16×16"),
    "awkward/dicomdir_tree/98892001/CT5N": Read((16, 16, 5), "int16", -888, 85, unit="HU"),
    "awkward/dicomdir_tree/98892003/MR1": Refused(InputError, "holds 3 images (MR 'FAST LOCALIZER'"),
    "awkward/dicomdir_tree/98892003/MR2": Refused(InputError, "holds 7 images (MR 'T/S/C RF FAST PILOT', axial 16×16"),
    "awkward/dicomdir_tree/98892003/MR700": Refused(
        InputError, "holds 7 images (MR 'ANGIO Projected from C', coronal 16×16"
    ),
    "awkward/dicomdir_tree/98892001/CT2N/6293": Read(
        (16, 16, 1), "int16", 218, 292, unit="HU", notes=("thickness of 650.182 mm is SliceThickness",)
    ),
    "awkward/dicomdir_tree/98892003/MR1/4919": Read(
        (16, 16, 1), "int16", 442, 826, notes=("thickness of 10 mm is SliceThickness",)
    ),
    "dicom_pydicom/693_J2KI.dcm": Read(
        (512, 512, 1),
        "int16",
        -3995,
        1812,
        unit="HU",
        notes=("thickness of 20 mm is SpacingBetweenSlices", "494 voxels are padding (PixelPaddingValue -2000)"),
    ),
    "dicom_pydicom/CT_small.dcm": Read(
        (128, 128, 1), "int16", -896, 1167, unit="HU", notes=("thickness of 5 mm is SpacingBetweenSlices",)
    ),
    "dicom_pydicom/JPEG-LL.dcm": Read((256, 1024), "int16", 0, 278),
    "dicom_pydicom/JPEG-lossy.dcm": Read((256, 1024), "uint16", 0, 264),
    "dicom_pydicom/JPEG2000.dcm": Read((256, 1024), "int16", -30, 245),
    "dicom_pydicom/MR2_J2KR.dcm": Read(
        (1024, 1024, 1), "float32", 6.1e-05, 2245.6, notes=("thickness of 6.6 mm is SpacingBetweenSlices",)
    ),
    "dicom_pydicom/MR_small.dcm": Read(
        (64, 64, 1), "int16", 127, 2145, notes=("thickness of 0.8 mm is SliceThickness",)
    ),
    "dicom_pydicom/MR_small_RLE.dcm": Read(
        (64, 64, 1), "int16", 127, 2145, notes=("thickness of 0.8 mm is SliceThickness",)
    ),
    "dicom_pydicom/MR_small_bigendian.dcm": Read(
        (64, 64, 1), "int16", 127, 2145, notes=("thickness of 0.8 mm is SliceThickness",)
    ),
    "dicom_pydicom/MR_small_implicit.dcm": Read(
        (64, 64, 1), "int16", 127, 2145, notes=("thickness of 0.8 mm is SliceThickness",)
    ),
    "dicom_pydicom/MR_small_jp2klossless.dcm": Read(
        (64, 64, 1), "int16", 127, 2145, notes=("thickness of 0.8 mm is SliceThickness",)
    ),
    "dicom_pydicom/MR_small_padded.dcm": Read(
        (64, 64, 1), "int16", 127, 2145, notes=("thickness of 0.8 mm is SliceThickness",)
    ),
    "dicom_pydicom/MR_truncated.dcm": Refused(UnreadableFileError, "ends after 8130 of 8192 bytes of pixels"),
    "dicom_pydicom/OBXXXX1A_rle_2frame.dcm": Refused(
        UnreadableFileError, "is a sequence of 2 frames without positions"
    ),
    "dicom_pydicom/SC_rgb_2frame.dcm": Refused(UnreadableFileError, "is a sequence of 2 frames without positions"),
    "dicom_pydicom/SC_rgb_jpeg.dcm": Read(
        (256, 256), "uint8", 139, 251, notes=(GREY, "Expected explicit VR, but found implicit VR - ")
    ),
    "dicom_pydicom/SC_rgb_rle.dcm": Read((100, 100), "uint8", 0, 255, notes=(GREY,)),
    "dicom_pydicom/SC_rgb_rle_2frame.dcm": Refused(UnreadableFileError, "is a sequence of 2 frames without positions"),
    "dicom_pydicom/SC_rgb_small_odd.dcm": Read((3, 3), "uint8", 90, 158, notes=(GREY,)),
    "dicom_pydicom/SC_ybr_full_422_uncompressed.dcm": Read((100, 100), "uint8", 0, 255, notes=(GREY,)),
    "dicom_pydicom/color-px.dcm": Read(
        (256, 120), "uint8", 16, 214, notes=("pixels are not square (PixelAspectRatio 4:3) ", GREY)
    ),
    "dicom_pydicom/eCT_Supplemental.dcm": Read(
        (512, 512, 2),
        "float32",
        -1024,
        172,
        unit="ml/100ml/s",
        notes=("values are Regional Cerebral Blood Flow in ml/100ml/s by the real-world value mapping",),
    ),
    "dicom_pydicom/emri_small.dcm": Refused(UnreadableFileError, "is a sequence of 10 frames without positions"),
    "dicom_pydicom/emri_small_RLE.dcm": Refused(UnreadableFileError, "is a sequence of 10 frames without positions"),
    "dicom_pydicom/emri_small_jpeg_2k_lossless.dcm": Refused(
        UnreadableFileError, "is a sequence of 10 frames without positions"
    ),
    "dicom_pydicom/examples_palette.dcm": Read((800, 350), "uint8", 0, 255, notes=(GREY,)),
    "dicom_pydicom/examples_rgb_color.dcm": Read((320, 240), "uint8", 0, 255, notes=(GREY,)),
    "dicom_pydicom/explicit_VR-UN.dcm": Refused(GeometryError, "is one slice without SliceThickness"),
    "dicom_pydicom/image_dfl.dcm": Read((512, 512), "uint8", 0, 255),
    "dicom_pydicom/liver.dcm": Refused(UnreadableFileError, "holds no DICOM image but SEG"),
    "dicom_pydicom/liver_1frame.dcm": Refused(UnreadableFileError, "holds no DICOM image but SEG"),
    "dicom_pydicom/liver_nonbyte_aligned.dcm": Refused(UnreadableFileError, "holds no DICOM image but SEG"),
    "dicom_pydicom/meta_missing_tsyntax.dcm": Refused(
        UnreadableFileError, "does not say how it is encoded (TransferSyntaxUID)"
    ),
    "dicom_pydicom/mlut_18.dcm": Read((512, 512), "uint16", 0, 65535),
    "dicom_pydicom/no_meta.dcm": Refused(UnreadableFileError, "is empty or not DICOM"),
    "dicom_pydicom/parametric_map_float.dcm": Read(
        (128, 128, 1),
        "float32",
        0,
        0.941579,
        notes=(
            "thickness of 5 mm is SpacingBetweenSlices",
            "values are feature_001 in no unit by the real-world value mapping",
        ),
    ),
    "dicom_pydicom/reportsi.dcm": Refused(UnreadableFileError, "holds no DICOM image but SR"),
    "dicom_pydicom/rtdose_1frame.dcm": Refused(UnreadableFileError, "holds no DICOM image but RTDOSE"),
    "dicom_pydicom/rtstruct.dcm": Refused(UnreadableFileError, "holds no DICOM image but RTSTRUCT"),
    "dicom_pydicom/zipMR.gz": Read((64, 64, 1), "int16", 127, 2145, notes=("thickness of 0.8 mm is SliceThickness",)),
    "dicom_pydicom/emri_small.dcm:/9": Read((64, 64), "uint16", 0, 374),
    "dicom_pydicom/SC_rgb_2frame.dcm:/1": Read((100, 100), "uint8", 0, 255, notes=(GREY,)),
    "dicom_pydicom/OBXXXX1A_rle_2frame.dcm:/0": Read((800, 600), "uint8", 0, 255, notes=(GREY,)),
}
NO_IMAGES = (  # what tells of the data
    "awkward/README.md",
    "awkward/dcm_qa_12bit/LICENSE",
    "awkward/derived_nifti/manifest.csv",
    "dicom_pydicom/LICENSE_pydicom-data.txt",
    "dicom_pydicom/README.md",
)
UNTILTED = Read((512, 521, 4), "float32", -1024, -770, "HU", ("gantry tilt",))
MASKS: dict[str, tuple[str, ...] | Refused] = {  # the names of the structures
    "dicom_pydicom/liver.dcm": ("Liver",),
    "dicom_pydicom/liver_nonbyte_aligned.dcm": ("Liver",),
    "dicom_pydicom/liver_1frame.dcm": Refused(UnreadableFileError, "describes 3 frames and declares 1"),
    "dicom_pydicom/rtstruct.dcm": Refused(GeometryError, "holds contours, which have no voxels of their own"),
    "dicom_pydicom/rtdose_1frame.dcm": Refused(UnreadableFileError, "holds no DICOM image but RTDOSE"),
    "dicom_pydicom/reportsi.dcm": Refused(UnreadableFileError, "holds no DICOM image but SR"),
    "awkward/derived_nifti/float_label_0.9999.nii.gz": ("label 1", "label 2"),
    "awkward/derived_nifti/nan_inf_voxels_image.nii.gz": Refused(LabelError, "values that are not whole numbers"),
    "awkward/mirp_misc_masks/uninformative/mask/disconnected_mask.nii.gz": ("label 1",),
    "awkward/mirp_misc_masks/uninformative/mask/one_voxel_mask.nii.gz": ("label 1",),
    "awkward/mirp_misc_masks/uninformative/mask/full_mask.nii.gz": ("label 1",),
}


def test_no_file_is_missing_from_the_table(test_data: Path) -> None:
    rows = {address.split(test_data / row)[0] for row in (*IMAGES, *NO_IMAGES)}
    files = [path for folder in FOLDERS for path in (test_data / folder).rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [str(path) for path in files if not rows & {path, *path.parents} - {test_data / "awkward/dicomdir_tree"}]
    assert not [str(path) for path in rows if not path.exists()]


@pytest.mark.parametrize("row", IMAGES)
def test_an_image_is_read_as_the_table_says(test_data: Path, row: str) -> None:
    check(IMAGES[row], test_data / row, ReadOptions())


def check(expected: Read | Refused, source: Path, options: ReadOptions) -> None:
    if isinstance(expected, Refused):
        with pytest.raises(MedsegError) as caught:
            read_image(source, options=options)
        assert type(caught.value) is expected.error
        assert expected.says in str(caught.value)
        assert address.split(source)[0].name in str(caught.value)
        return
    image = read_image(source, options=options)
    voxels = image.voxels[0]
    finite = voxels[np.isfinite(voxels)]
    assert (voxels.shape, str(voxels.dtype), image.unit) == (expected.shape, expected.dtype, expected.unit)
    assert (finite.min(), finite.max()) == pytest.approx((expected.low, expected.high), rel=1e-5)
    assert len(image.notes) == len(expected.notes), image.notes
    for note, piece in zip(image.notes, expected.notes, strict=True):
        assert piece in note
    np.testing.assert_array_equal(read_geometry(source, options=options).affine, image.geometry.affine)


@pytest.mark.parametrize("row", NO_IMAGES)
def test_what_is_no_image_is_refused_by_its_ending(test_data: Path, row: str) -> None:
    with pytest.raises(UnreadableFileError, match=f"{Path(row).name}: has the unknown ending"):
        read_image(test_data / row)


@pytest.mark.parametrize("row", MASKS)
def test_a_mask_is_read_as_the_table_says(test_data: Path, row: str) -> None:
    expected = MASKS[row]
    if isinstance(expected, Refused):
        with pytest.raises(expected.error, match=expected.says):
            read_segmentation(test_data / row)
    else:
        assert read_segmentation(test_data / row).labels.names == expected


def test_masks_of_one_voxel_all_voxels_and_none_are_masks(test_data: Path) -> None:
    folder = test_data / "awkward/mirp_misc_masks/uninformative/mask"
    counts = [int(read_mask(folder / f"{name}_mask.nii.gz")[0].sum()) for name in ("empty", "one_voxel", "full")]
    assert counts == [0, 1, 512]


def test_contours_of_another_frame_of_reference_are_refused(test_data: Path) -> None:
    grid = read_geometry(test_data / "dicom_pydicom/CT_small.dcm")
    with pytest.raises(GridMismatchError, match=r"rtstruct\.dcm: a contour of 'patient' lies"):
        read_segmentation(test_data / "dicom_pydicom/rtstruct.dcm", on=grid)


def test_a_tilted_series_is_read_when_it_is_asked_for(test_data: Path) -> None:
    source = test_data / "awkward/dicom2nifti_failing/gantrytilting/001"
    check(UNTILTED, source, ReadOptions(untilt=True))
