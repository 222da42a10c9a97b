import struct
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import SimpleITK
import tifffile

from medseg.errors import UnreadableFileError
from medseg.io import read_geometry, read_image, read_mask
from medseg.options import ReadOptions

ROWS, COLUMNS = 3, 5
GREY = np.arange(ROWS * COLUMNS, dtype=np.uint8).reshape(ROWS, COLUMNS) * 16


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
def test_the_first_axis_is_the_column(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path / f"a.{ending}", GREY)
    image = read_image(path)
    assert image.voxels.shape == (1, COLUMNS, ROWS)
    np.testing.assert_array_equal(image.voxels[0].T, GREY)
    assert not image.geometry.spacing_known
    assert read_geometry(path).shape == (COLUMNS, ROWS)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_kept(tmp_path: Path, ending: str) -> None:
    deep = GREY.astype(np.uint16) * 257
    image = read_image(saved(tmp_path / f"deep.{ending}", deep))
    assert image.voxels.dtype == np.uint16
    np.testing.assert_array_equal(image.voxels[0].T, deep)


def test_equal_channels_stay_exact_and_colours_become_luminance(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path / "g.png", np.dstack([GREY] * 3))).voxels[0].T, GREY)
    colour = np.zeros((1, 3, 4), np.uint8)
    colour[0, :, :3] = np.eye(3) * 255
    np.testing.assert_array_equal(read_image(saved(tmp_path / "c.png", colour)).voxels[0].T, [[76, 150, 29]])


def test_a_tiff_with_a_unit_has_a_spacing(tmp_path: Path) -> None:
    inch = read_image(saved(tmp_path / "inch.tif", GREY, dpi=(254, 127)))
    assert inch.geometry.spacing_source == "TIFF"
    np.testing.assert_allclose(inch.geometry.spacing_mm, [0.1, 0.2])
    cm = saved(tmp_path / "cm.tif", GREY, x_resolution=50.0, y_resolution=50.0, resolution_unit="cm")
    np.testing.assert_allclose(read_geometry(cm).spacing_mm, [0.2, 0.2])


def test_a_screen_default_is_no_spacing(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "screen.tif", GREY, dpi=(72, 72)))
    assert not image.geometry.spacing_known
    assert "72 dpi" in image.notes[0]


def test_broken_pictures_are_refused_by_name(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.jpg").write_text("no picture")
    for name in ("cut.png", "empty.png", "words.jpg", "absent.tif"):
        with pytest.raises(UnreadableFileError, match=name):
            read_image(tmp_path / name)


def test_of_several_pages_one_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    first, *others = [PIL.Image.fromarray(GREY + page) for page in range(3)]
    first.save(path, save_all=True, append_images=others)
    with pytest.raises(UnreadableFileError, match=r"stack\.tif: has 3 pages\. .*stack\.tif:/0 to stack\.tif:/2"):
        read_image(path)
    for image in (read_image(f"{path}:/2"), read_image(path, options=ReadOptions(frame=2))):
        np.testing.assert_array_equal(image.voxels[0].T, GREY + 2)
    np.testing.assert_array_equal(read_mask(f"{path}:/1")[0].T, GREY + 1)
    assert read_geometry(f"{path}:/1").shape == (COLUMNS, ROWS)
    for page in ("3", "-1", "one", "²"):
        with pytest.raises(UnreadableFileError, match="has no page"):
            read_image(f"{path}:/{page}")


def test_a_single_picture_has_no_page_to_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "one.png", GREY)
    assert read_image(f"{path}:/0").geometry.shape == (COLUMNS, ROWS)
    with pytest.raises(UnreadableFileError, match="has no page '1'"):
        read_image(f"{path}:/1")


def test_pages_that_imagej_hides_are_not_lost_in_silence(tmp_path: Path) -> None:
    path = saved(tmp_path / "hidden.tif", GREY, description="ImageJ=1.53t\nimages=40\nslices=40\n")
    with pytest.raises(UnreadableFileError, match=r"hidden\.tif: is an ImageJ stack"):
        read_image(path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "bomb.png", GREY)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(UnreadableFileError, match="more than 0 million pixels"):
        read_image(path)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(columns: int, rows: int, *extra: bytes, pixels: bytes = bytes(8)) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


BMP = b"BM" + struct.pack("<IIIIiiHHIIiiII", 70, 0, 54, 40, 8000, 8000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(16)
JPEG_FRAME = b"\xff\xc0" + struct.pack(">HBHHBBBB", 11, 8, 9000, 9000, 1, 1, 0x11, 0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", png_of(9000, 9000)),
        ("a.bmp", BMP),
        ("a.jpg", b"\xff\xd8" + JPEG_FRAME + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(64)),
        ("raw.pgm", b"P5 9000 9000 255 " + bytes(64)),
        ("plain.pgm", b"P2 9000 9000 255 " + b"0 " * 64),
        ("bits.pnm", b"P4 9000 9000 " + bytes(64)),
    ],
)
def test_pixels_that_cannot_lie_in_the_file_are_refused_undecoded(
    tmp_path: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(PIL.Image.Image, "load", None)  # decoding would fail otherwise
    for read in (read_image, read_geometry, read_mask):
        with pytest.raises(UnreadableFileError, match=rf"{name}: declares [89]000×[89]000 pixels"):
            read(tmp_path / name)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_tiff_bomb_is_refused_undecoded(tmp_path: Path, compression: str) -> None:
    path = saved(tmp_path / "a.tif", GREY, compression=compression)
    content = path.read_bytes()
    for tag, size in ((256, COLUMNS), (257, ROWS)):
        kind = 4 if struct.pack("<HHI", tag, 4, 1) in content else 3
        entry = struct.pack("<HHI", tag, kind, 1)
        assert entry + struct.pack("<I", size) in content
        content = content.replace(entry + struct.pack("<I", size), entry + struct.pack("<I", 9000))
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"a\.tif: declares 9000×9000 pixels, which cannot lie in its"):
        read_image(path)


def test_blank_pictures_are_no_bombs(tmp_path: Path) -> None:
    blank = np.zeros((3000, 2000), np.uint8)
    for name, options in (
        ("deflate.png", {"compress_level": 9}),
        ("lzw.tif", {"compression": "tiff_lzw"}),
        ("deflate.tif", {"compression": "tiff_adobe_deflate"}),
        ("runs.tif", {"compression": "packbits"}),
        ("jpeg.tif", {"compression": "jpeg"}),
        ("progressive.jpg", {"progressive": True, "optimize": True}),
        ("baseline.jpg", {"optimize": True}),
    ):
        assert not read_image(saved(tmp_path / name, blank, **options)).voxels.any()
    fax = saved(tmp_path / "fax.tif", blank > 0, compression="group4")
    assert not read_image(fax).voxels.any()


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_bomb_in_a_text_or_profile_is_not_inflated(tmp_path: Path, kind: bytes) -> None:
    inflated = 1 << 26
    bomb = chunk(kind, b"name\0\0" + zlib.compress(bytes(inflated)))
    (tmp_path / "a.png").write_bytes(png_of(5, 3, bomb, pixels=bytes(18)))
    tracemalloc.start()
    try:
        with suppress(UnreadableFileError):  # a profile that is too large is left away
            assert read_image(tmp_path / "a.png").voxels.shape == (1, 5, 3)
        assert tracemalloc.get_traced_memory()[1] < inflated // 8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content", "stored"),
    [
        ("raw.pgm", b"P5 # a comment\n2 # another\n2\n100\n\x00\x01\x32\x64", [[0, 1], [50, 100]]),
        ("deep.pgm", b"P5\n2 1\n4095\n\x0f\xff\x00\x01", [[4095, 1]]),
        ("plain.pgm", b"P2\n2 2\n65535\n0 1\n65535\t7\n", [[0, 1], [65535, 7]]),
        ("grey.ppm", b"P6 2 1 255\n\x09\x09\x09\x0a\x0a\x0a", [[9, 10]]),
        ("deep.ppm", b"P6 1 1 65535\n\x01\x02\x01\x02\x01\x02", [[258]]),
        ("plain.pnm", b"P3 1 2 255 255 0 0  0 0 255", [[76], [29]]),
        ("bits.pnm", b"P4 10 2\n\xff\x80\x00\x00", [[0] * 9 + [1], [1] * 10]),
        ("plainbits.pnm", b"P1 3 2\n101\n0 1 0", [[0, 1, 0], [1, 0, 1]]),
    ],
)
def test_pnm_samples_are_as_stored(tmp_path: Path, name: str, content: bytes, stored: list) -> None:
    (tmp_path / name).write_bytes(content)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.voxels[0].T, stored)
    assert image.voxels.dtype.itemsize == (2 if "deep" in name or "65535" in str(content) else 1)
    assert read_geometry(tmp_path / name).shape == image.geometry.shape
    assert not image.geometry.spacing_known


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"P5 2 2 255\n\0\0\0", "declares 2×2 pixels but holds 3 bytes"),
        (b"P2 2 2 255\n0 0 0 ", "declares 2×2 pixels but holds 6 bytes"),
        (b"P2 2 2 255\n0 0 0     ", "holds 3 samples, expected 4"),
        (b"P2 2 2 255\n0 0 0 zero", "words that are not numbers"),
        (b"P2 2 2 255\n0 0 0 256", "the sample 256, expected at most 255"),
        (b"P5 2 2 100\n\0\0\0\x65", "the sample 101, expected at most 100"),
        (b"P1 2 2\n0120", "the sample 2, expected at most 1"),
        (b"P5 0 2 255\n\0", "broken PNM header"),
        (b"P5 2 2 65536\n" + bytes(16), "broken PNM header"),
        (b"P5 2 2\n", "broken PNM header"),
        (b"P5 1 1 255\n\0P5 1 1 255\n\0", "several pictures"),
    ],
)
def test_broken_pnm_is_refused_with_what_is_wrong(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "a.pgm").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=rf"a\.pgm: .*{found}"):
        read_image(tmp_path / "a.pgm")


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_colours_of_sixteen_bits_are_exact(tmp_path: Path, name: str, channels: int) -> None:
    grey = np.random.default_rng(0).integers(0, 65536, (4, 6)).astype(np.uint16)
    colours = np.dstack([grey] * channels)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(colours, isVector=True), tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.voxels.dtype == np.uint16
    np.testing.assert_array_equal(image.voxels[0].T, grey)


def test_sixteen_bit_colours_that_cannot_be_kept_are_noted_or_refused(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 65536, (32, 32, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "tiles.tif", colours, tile=(16, 16), photometric="rgb")
    assert read_image(tmp_path / "tiles.tif").notes == ("16-bit colours were read as 8 bit",)
    tifffile.imwrite(tmp_path / "apart.tif", np.moveaxis(colours, 2, 0), planarconfig="separate", photometric="rgb")
    with pytest.raises(UnreadableFileError, match=r"apart\.tif: keeps the channels of its 16-bit colours apart"):
        read_image(tmp_path / "apart.tif")


@pytest.mark.parametrize("kind", ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", "<i4", ">i4", "<f4", ">f4"])
def test_every_type_of_a_grey_tiff_is_kept(tmp_path: Path, kind: str) -> None:
    limits = (-1.5, 2.25) if "f" in kind else (np.iinfo(kind).min, np.iinfo(kind).max)
    pixels = np.array([[*limits, 3], [2, 1, 0]]).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=">" if ">" in kind else "<", photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    assert image.voxels.dtype == np.dtype(kind).newbyteorder("=")
    np.testing.assert_array_equal(image.voxels[0].T, pixels)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_white_at_zero_is_turned_in_images_and_stored_values_are_labels(tmp_path: Path, kind: str) -> None:
    pixels = np.array([[0, 1, 200]], kind)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").voxels[0].T, np.iinfo(kind).max - pixels)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif")[0].T, pixels)
    tifffile.imwrite(tmp_path / "bits.tif", pixels > 0, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "bits.tif").voxels[0].T, [[1, 0, 0]])
    np.testing.assert_array_equal(read_mask(tmp_path / "bits.tif")[0].T, [[0, 1, 1]])


def test_samples_that_nothing_here_decodes_are_refused(tmp_path: Path) -> None:
    for kind in ("<f8", "<f2", "<u8", ">u4"):
        tifffile.imwrite(tmp_path / "a.tif", np.ones((2, 3), kind), byteorder=kind[0])
        with pytest.raises(UnreadableFileError, match=r"a\.tif: is no picture that can be read, expected PNG"):
            read_image(tmp_path / "a.tif")


def test_ink_palettes_and_transparency_become_grey(tmp_path: Path) -> None:
    white = np.full((8, 8, 3), 255, np.uint8)
    PIL.Image.fromarray(white).convert("CMYK").save(tmp_path / "ink.jpg")
    assert (read_image(tmp_path / "ink.jpg").voxels == 255).all()
    palette = PIL.Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    palette.putpalette([9, 9, 9, 255, 0, 0, 0, 0, 255])
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png").voxels[0].T, [[9, 76, 29]])
    for mode in ("LA", "RGBA"):
        clear = PIL.Image.fromarray(GREY).convert(mode)
        clear.putalpha(PIL.Image.fromarray(255 - GREY))
        clear.save(tmp_path / "clear.png")
        image = read_image(tmp_path / "clear.png")
        np.testing.assert_array_equal(image.voxels[0].T, GREY)
        assert image.notes == ("transparency has no part in the grey values",)


def test_an_orientation_is_noted(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png"):
        image = read_image(saved(tmp_path / name, GREY, exif=exif))
        assert image.voxels.shape == (1, COLUMNS, ROWS)
        assert image.notes == ("EXIF asks viewers to turn this picture: it is used as stored",)
    for orientation, turned in ((2, GREY[:, ::-1]), (3, GREY[::-1, ::-1]), (4, GREY[::-1])):
        for compression in ("raw", "tiff_lzw"):
            tiff = saved(tmp_path / "a.tif", GREY, tiffinfo={274: orientation}, compression=compression)
            np.testing.assert_array_equal(read_image(tiff).voxels[0].T, turned)
            assert read_image(tiff).notes == ("turned as its TIFF orientation says",)
    with pytest.raises(UnreadableFileError, match=r"a\.tif: lies on its side \(TIFF orientation 6\)"):
        read_image(saved(tmp_path / "a.tif", GREY, tiffinfo={274: 6}))


@pytest.mark.parametrize(
    ("description", "resolution", "unit", "spacing"),
    [
        ("ImageJ=1.53t\nunit=mm\n", 5.0, 1, 0.2),
        ("ImageJ=1.53t\nunit=\\u00B5m\n", 5.0, 1, 0.0002),
        ("ImageJ=1.53t\nunit=inch\n", 254.0, 2, 0.1),
        ("ImageJ=1.53t\nunit=inch\n", 72.0, 2, None),
        ("ImageJ=1.53t\nunit=mm\n", 1.0, 1, None),
        ("ImageJ=1.53t\nunit=pixel\n", 5.0, 1, None),
        ("unit=mm\n", 5.0, 1, None),
        ("", 28.346, 3, None),
        ("", 37.795, 3, None),
        ("", 1.0, 3, None),
    ],
)
def test_a_resolution_counts_where_it_is_a_measurement(
    tmp_path: Path, description: str, resolution: float, unit: int, spacing: float | None
) -> None:
    tags = {270: description, 282: resolution, 283: resolution, 296: unit}
    geometry = read_geometry(saved(tmp_path / "a.tif", GREY, tiffinfo=tags))
    assert geometry.spacing_known == (spacing is not None)
    if spacing is not None:
        np.testing.assert_allclose(geometry.spacing_mm, [spacing] * 2)


def test_the_density_of_pictures_for_the_screen_is_no_measurement(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.bmp"):
        for dpi, notes in ((300, 1), (96, 0), (72, 0)):
            image = read_image(saved(tmp_path / name, GREY, dpi=(dpi, dpi)))
            assert not image.geometry.spacing_known
            assert len(image.notes) == notes


def test_a_picture_is_known_by_its_content(tmp_path: Path) -> None:
    saved(tmp_path / "a.bmp", GREY).rename(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").voxels[0].T, GREY)
    (tmp_path / "b.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 3\n")
    with pytest.raises(UnreadableFileError, match="is no picture"):
        read_image(tmp_path / "b.png")


def test_real_mammograms_of_both_formats_keep_their_grey_values(test_data: Path) -> None:
    paths = sorted((test_data / "mini_mias" / "images").iterdir())
    assert len(paths) == 8
    for path in paths:
        image = read_image(path)
        with PIL.Image.open(path) as picture:  # its PGM has 255 for a maximum, which Pillow does not stretch
            np.testing.assert_array_equal(image.voxels[0].T, np.array(picture))
        assert (image.voxels.shape, image.voxels.dtype) == ((1, 1024, 1024), np.uint8)
        assert (image.geometry.spacing_known, image.notes) == (False, ())
