"""A short fuzz test: damaged annotation files are read, or refused by an error of ours."""

import contextlib
import json
import plistlib
import random
from pathlib import Path

import pytest

from medseg.errors import MedsegError
from medseg.geometry import Geometry
from medseg.io import read_label_map

COCO = {
    "images": [{"id": 1, "file_name": "a", "width": 16, "height": 16}],
    "categories": [{"id": 1, "name": "mass"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1.5, 2, 9, 2, 9, 9]]},
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"counts": [100, 56, 100], "size": [16, 16]}},
        {"id": 3, "image_id": 1, "category_id": 1, "segmentation": {"counts": "T3h1T3", "size": [16, 16]}},
    ],
}
VIA = (
    "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    'a.jpg,1,"{}",2,0,"{""name"":""ellipse"",""cx"":5,""cy"":6,""rx"":3,""ry"":2,""theta"":0.5}","{}"\n'
    'a.jpg,1,"{}",2,1,"{""name"":""rect"",""x"":10,""y"":11,""width"":3,""height"":2}","{""k"":""mass""}"\n'
)
INBREAST = plistlib.dumps(
    {"Images": [{"ImageIndex": 0, "ROIs": [{"Name": "Mass", "Point_px": ["(1.5, 2)", "(9, 2)", "(9, 9)"]}]}]}
)
FILES = {
    "a.json": json.dumps(COCO).encode(),
    "via.csv": VIA.encode(),
    "Info.txt": b"mdb001 G CIRC B 535 425 197\nmdb001 G NORM\nmdb001 D CALC M 35 425 7\n",
    "annotations.csv": b"Name,Background Tissue,Abnormality,Type,x,y,r\nmdb001,G,CIRC,B,535.0,425.0,197.0\n",
    "1.xml": INBREAST,
}
INSIDE = {"a.json": "a", "via.csv": "a.jpg", "Info.txt": "mdb001", "annotations.csv": "mdb001", "1.xml": "0"}
SPLICES = (b"1e999", b"-1", b"NaN", b'"', b"\xff\xfe", b"[[", b"9" * 400, b"null", b"{}", b"\x00", b"&a;", b"<")


def read(path: Path) -> None:
    size = 1024 if INSIDE[path.name] == "mdb001" else 16
    read_label_map(f"{path}:/{INSIDE[path.name]}", on=Geometry.from_spacing((size, size), None))


def damaged(content: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(spoilt) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            del spoilt[at : at + rng.randint(1, 20)]
        elif kind == 1:
            spoilt[at:at] = rng.choice(SPLICES)
        elif kind == 2:
            spoilt[at : at + 1] = bytes([rng.randrange(256)])
        else:
            digits = [i for i, byte in enumerate(spoilt) if chr(byte).isdigit()] or [0]
            place = rng.choice(digits)
            spoilt[place : place + 1] = rng.choice(SPLICES)
    return bytes(spoilt)


@pytest.mark.parametrize("name", FILES)
def test_sound_files_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    read(tmp_path / name)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_bytes(damaged(FILES[name], rng))
        with contextlib.suppress(MedsegError):
            read(folder / name)
