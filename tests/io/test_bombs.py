"""Small files that declare or unfold to much: refused, or read within what they declare, before memory is taken.

Each is read in a process whose memory is limited to little more than its libraries need.
"""

import gzip
import io
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

GIB = 1 << 30
MORE_MIB = 300  # that reading any of these files may take beyond its libraries
READ = """
import resource, sys, warnings
warnings.simplefilter("error")
from medseg.errors import MedsegError
from medseg.io import read_geometry, read_image, read_mask, read_segmentation
from medseg.io.dicom.scan import scan_dicom
import SimpleITK, h5py, nibabel, pydicom.pixels
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    for read in (read_geometry, read_image, read_mask, read_segmentation):
        try:
            read(path)
            print(read.__name__, "read", path)
        except MedsegError as error:
            print(read.__name__, "refused", error)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print("MiB", grown >> (20 if sys.platform == "darwin" else 10))
"""


@cache
def packed_zeros(size: int) -> bytes:
    return gzip.compress(bytes(size), 9)


def gzipped_zeros(size: int) -> bytes:
    """A gzip stream of several members."""
    return packed_zeros(1 << 24) * (size >> 24)


def read_by_a_process(*paths: Path) -> tuple[list[str], int]:
    """What came of each reading, and the memory that they took, MiB."""
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    return lines, int(last.split()[1])


def nifti(path: Path) -> None:
    """100 GB declared."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 32767, 32767, 50, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<4f", header, 76, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header)) + gzipped_zeros(1 << 26))


def mgh(path: Path) -> None:
    head = struct.pack(">7i", 1, 30000, 30000, 100, 1, 4, 0) + bytes(256)
    path.write_bytes(gzip.compress(head) + gzipped_zeros(1 << 26))


def nrrd(path: Path) -> None:
    text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 30000 30000 100\nencoding: gzip\nendian: little\n"
    path.write_bytes(text.encode() + b"\n" + gzipped_zeros(1 << 26))


def nrrd_that_goes_on(path: Path) -> None:
    """100 voxels declared, 1 GiB packed."""
    text = "NRRD0004\ntype: short\ndimension: 3\nsizes: 10 5 2\nencoding: gzip\nendian: little\nspacings: 1 1 1\n"
    path.write_bytes(text.encode() + b"\n" + gzipped_zeros(GIB))


def metaimage(path: Path) -> None:
    text = "ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = True\nElementSpacing = 1 1 1\n"
    text += "DimSize = 30000 30000 100\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    path.write_bytes(text.encode() + zlib.compress(bytes(1 << 24), 9))


def npy(path: Path) -> None:
    np.lib.format.write_array_header_1_0(
        head := io.BytesIO(), {"descr": "<f8", "fortran_order": False, "shape": (10**4, 10**4, 10**3)}
    )
    path.write_bytes(head.getvalue() + bytes(1000))


def npz(path: Path) -> None:
    """80 GB declared, and the archive agrees."""
    npy(path)
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", content + bytes(1 << 24))
        archive.filelist[0].file_size = 8 * 10**10


def npz_that_goes_on(path: Path) -> None:
    """12 values declared, 512 MiB packed."""
    np.lib.format.write_array_header_1_0(
        head := io.BytesIO(), {"descr": "<f8", "fortran_order": False, "shape": (2, 3, 2)}
    )
    packed = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with packed as archive, archive.open("image.npy", "w") as member:
        member.write(head.getvalue())
        for _ in range(32):
            member.write(bytes(1 << 24))


def hdf5(path: Path) -> None:
    """800 GB declared in chunks of which none was ever written."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("image", shape=(20000, 20000, 1000), dtype="u2", chunks=(64, 64, 64), compression="gzip")


def hdf5_chunk(path: Path) -> None:
    """A small dataset in one chunk of 2 GB."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("image", shape=(4, 4), maxshape=(None, None), dtype="u1", chunks=(45000, 45000))


def png(path: Path, side: int = 60_000) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def png_below_pillows_limit(path: Path) -> None:
    png(path, 9_000)


def tiff(path: Path) -> None:
    data = zlib.compress(bytes(1 << 16))
    tags = [
        (256, 4, 9000), (257, 4, 9000), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 4, 9000),
        (279, 4, len(data)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in tags)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4))


def bmp(path: Path) -> None:
    head = struct.pack("<2sIHHI", b"BM", 154, 0, 0, 54)
    path.write_bytes(head + struct.pack("<IiiHHIIiiII", 40, 9000, 9000, 1, 24, 0, 0, 1, 1, 0, 0) + bytes(100))


def pgm(path: Path) -> None:
    path.write_bytes(b"P5\n99999 99999\n65535\n" + bytes(100))


def jpeg(path: Path) -> None:
    import PIL.Image

    PIL.Image.new("L", (16, 16)).save(path, "JPEG")
    content = path.read_bytes()
    at = content.index(b"\xff\xc0") + 5
    path.write_bytes(content[:at] + struct.pack(">HH", 9_000, 9_000) + content[at + 4 :])


def dicom(path: Path, **fields: object) -> bytes:
    """A small CT slice with other values in its header, written to `path`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, "1.2.3"
    meta.TransferSyntaxUID = fields.pop("syntax", ExplicitVRLittleEndian)
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.Modality = CTImageStorage, "1.2.3", "1.2.4", "CT"
    ds.Rows = ds.Columns = 8
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelSpacing, ds.SliceThickness = 15, [1, 1], 1
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 0]
    ds.PixelData = bytes(128)
    for name, value in fields.items():
        setattr(ds, name, value)
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds["PixelData"].VR = "OB" if meta.TransferSyntaxUID.is_encapsulated else "OW"
    ds["PixelData"].is_undefined_length = meta.TransferSyntaxUID.is_encapsulated
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path.read_bytes()


def dicom_gz(path: Path) -> None:
    """128 bytes of pixels, and 1 GiB behind them."""
    path.write_bytes(gzip.compress(dicom(path)) + gzipped_zeros(GIB))


def dicom_frames(path: Path) -> None:
    dicom(path, NumberOfFrames=2**31 - 1)


def dicom_frames_gz(path: Path) -> None:
    path.write_bytes(gzip.compress(dicom(path, NumberOfFrames=2**31 - 1)) + gzipped_zeros(1 << 24))


def dicom_sequence(path: Path) -> None:
    dicom(path, NumberOfFrames=2**31 - 1, Modality="XA", ImagePositionPatient=None, ImageOrientationPatient=None)


def dicom_deflated(path: Path) -> None:
    """128 bytes of pixels, and 1 GiB behind them, deflated."""
    content = dicom(path, syntax=DeflatedExplicitVRLittleEndian)
    begins = 144 + struct.unpack_from("<I", content, 140)[0]
    data = zlib.decompress(content[begins:], -zlib.MAX_WBITS)
    path.write_bytes(content[:begins] + b"".join(deflated(data, GIB)))


def dicom_deflated_header(path: Path) -> None:
    """A private element of 1 GiB before the pixels, which nobody needs."""
    content = dicom(path, syntax=DeflatedExplicitVRLittleEndian)
    begins = 144 + struct.unpack_from("<I", content, 140)[0]
    data = zlib.decompress(content[begins:], -zlib.MAX_WBITS)
    at = data.index(b"\x10\0\x10\0") if b"\x10\0\x10\0" in data else data.index(b"\x18\0")
    head = data[:at] + struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, GIB)
    path.write_bytes(content[:begins] + b"".join(deflated(head, GIB)))


def deflated(data: bytes, zeros: int) -> Iterator[bytes]:
    """A stream of the data and so many zeros, put together from pieces that end at whole bytes."""
    yield _piece(data, zlib.Z_FULL_FLUSH)
    yield _piece(bytes(1 << 24), zlib.Z_FULL_FLUSH) * (zeros >> 24)
    yield _piece(b"", zlib.Z_FINISH)


def _piece(data: bytes, end: int) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(end)


def dicom_rle(path: Path) -> None:
    frame = struct.pack("<16I", 2, 64, 66, *[0] * 13) + b"\x81\0" * 2
    dicom(path, syntax=RLELossless, Rows=65535, Columns=65535, PixelData=encapsulate([frame]))


def dicom_jpeg_2000(path: Path) -> None:
    """Header and codestream agree on 65535 × 65535 pixels."""
    size = struct.pack(">HHIIIIIIIIHBBB", 41, 0, 65535, 65535, 0, 0, 65535, 65535, 0, 0, 1, 15, 1, 1)
    frame = b"\xff\x4f\xff\x51" + size + bytes(101)
    dicom(path, syntax=JPEG2000Lossless, Rows=65535, Columns=65535, PixelData=encapsulate([frame]))


def dicom_jpeg_2000_lying(path: Path) -> None:
    size = struct.pack(">HHIIIIIIIIHBBB", 41, 0, 2**31, 2**31, 0, 0, 2**31, 2**31, 0, 0, 1, 15, 1, 1)
    dicom(path, syntax=JPEG2000Lossless, PixelData=encapsulate([b"\xff\x4f\xff\x51" + size + bytes(101)]))


def dicom_jpeg_ls(path: Path) -> None:
    frame = b"\xff\xd8\xff\xf7" + struct.pack(">HBHHBBBB", 11, 16, 65535, 65535, 1, 1, 17, 0) + bytes(40) + b"\xff\xd9"
    dicom(path, syntax=JPEGLSLossless, Rows=65535, Columns=65535, PixelData=encapsulate([frame]))


def segmentation_of_many_frames(path: Path) -> None:
    """A SEG that declares 10⁹ frames."""
    dicom(
        path, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG", SegmentationType="BINARY", BitsAllocated=1,
        BitsStored=1, HighBit=0, NumberOfFrames=10**9,
    )  # fmt: skip


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a.nii.gz": (nifti, "is too short for"),
    "a.mgz": (mgh, "too short"),
    "a.nrrd": (nrrd, "too short"),
    "a.mha": (metaimage, "too short"),
    "a.npy": (npy, "too short for its shape"),
    "a.npz": (npz, "holds 0 images"),
    "a.h5": (hdf5, "declares (20000, 20000, 1000) uint16 in a file of"),
    "b.h5": (hdf5_chunk, "declares (4, 4) uint8"),
    "a.png": (png, "million pixels"),
    "b.png": (png_below_pillows_limit, "declares 9000×9000 pixels, which cannot lie in its"),
    "a.tif": (tiff, "declares 9000×9000 pixels, which cannot lie in its"),
    "a.bmp": (bmp, "declares 9000×9000 pixels, which cannot lie in its"),
    "a.pgm": (pgm, "declares 99999×99999 pixels"),
    "a.jpg": (jpeg, "declares 9000×9000 pixels, which cannot lie in its"),
    "frames.dcm": (dicom_frames, "is a sequence of 2147483647 frames"),
    "frames.dcm.gz": (dicom_frames_gz, "is a sequence of 2147483647 frames"),
    "sequence.dcm": (dicom_sequence, "is a sequence of 2147483647 frames"),
    "deflated_header.dcm": (dicom_deflated_header, "ends before its pixels"),
    "rle.dcm": (dicom_rle, "would unfold to"),
    "j2k.dcm": (dicom_jpeg_2000, "would unfold to"),
    "lying.dcm": (dicom_jpeg_2000_lying, "its header says 8×8"),
    "jls.dcm": (dicom_jpeg_ls, "would unfold to"),
    "seg.dcm": (segmentation_of_many_frames, "1000000000"),
}
READABLE: dict[str, Callable[[Path], None]] = {
    "b.nrrd": nrrd_that_goes_on,
    "b.npz": npz_that_goes_on,
    "a.dcm.gz": dicom_gz,
    "deflated.dcm": dicom_deflated,
}


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bombs")
    for name, (write, _found) in REFUSED.items():
        write(folder / name)
    for name, write in READABLE.items():
        write(folder / name)
    return folder


def test_what_declares_too_much_is_refused_before_memory_is_taken(bombs: Path) -> None:
    lines, taken = read_by_a_process(*(bombs / name for name in REFUSED))
    assert taken < MORE_MIB
    for name, (_write, found) in REFUSED.items():
        said = [line for line in lines if f" {bombs / name}: " in line]
        (image,) = (line for line in said if line.startswith("read_image "))
        assert image.startswith("read_image refused"), image
        assert any(found in line for line in said), said


def test_no_more_is_unpacked_than_is_declared(bombs: Path) -> None:
    lines, taken = read_by_a_process(*(bombs / name for name in READABLE))
    assert taken < MORE_MIB
    for name in READABLE:
        assert f"read_image read {bombs / name}" in lines, [line for line in lines if name in line]
