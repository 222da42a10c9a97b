from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.case import Case
from medseg.datasets import open_dataset
from medseg.datasets.manifest_writing import write_manifest
from medseg.errors import DatasetError

NAMES = st.text("abcXYZ 12,;:\"'é\n%=", min_size=1, max_size=8).map(str.strip).filter(bool)
STRUCTURES = st.text("abXY 1_:é,", min_size=1, max_size=6).map(str.strip).filter(lambda name: name.strip("_: "))
FREE = st.one_of(NAMES, st.sampled_from(["image", "id", "label view", "mask", "reader:a", "column:x", "patients"]))
LOOKED_FOR = st.sampled_from(["all", "none", "liver", "ä b"])


@st.composite
def cases(draw: st.DrawFn) -> list[Case]:
    """Cases of every kind that a data set can hold; their files do not exist yet."""
    channels, columns = draw(st.integers(1, 3)), draw(st.lists(FREE, max_size=3, unique=True))
    structures = draw(st.lists(STRUCTURES, min_size=1, max_size=3, unique=True))
    made = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["none", "whole", "structures", "readers"]))
        case = Case(
            f"c{number}",
            draw(NAMES.filter(lambda text: "\n" not in text)),
            tuple(Path(f"images/{number}_{channel}.png") for channel in range(channels)),
            split=draw(st.sampled_from(["", "train", "validation", "test"])),
            columns={name: draw(st.one_of(st.just(""), NAMES)) for name in columns},
            spacing_mm=draw(st.none() | st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=3).map(tuple)),
            annotated=draw(st.none() | st.lists(LOOKED_FOR, max_size=3, unique=True).map(tuple)),
            negative=draw(st.booleans()),
        )
        masks = tuple(Path(f"masks/{number}_{mask}.png") for mask in range(draw(st.integers(1, 3))))
        if kind == "whole":
            case = replace(case, masks=masks)
        elif kind == "structures":
            named = [draw(st.sampled_from(structures)) for _ in masks]
            annotated = draw(st.sampled_from([case.annotated, tuple(dict.fromkeys(named))]))
            case = replace(case, masks=masks, structures=tuple(named), annotated=annotated)
        elif kind == "readers":
            case = replace(case, readers=dict.fromkeys(draw(st.lists(STRUCTURES, min_size=1, unique=True)), masks))
        made.append(case)
    return made


def placed(case: Case, root: Path) -> Case:
    return replace(
        case,
        images=tuple(root / path for path in case.images),
        masks=tuple(root / path for path in case.masks),
        readers={name: tuple(root / path for path in paths) for name, paths in case.readers.items()},
    )


def comparable(case: Case) -> Case:
    """The structures' files stand in the order of the columns, as do the structures that were looked for."""
    case = case if case.annotated is None else replace(case, annotated=tuple(sorted(case.annotated)))
    pairs = sorted(zip(case.structures, case.masks, strict=False), key=lambda pair: pair[0])
    if not pairs:
        return case
    return replace(case, structures=tuple(name for name, _ in pairs), masks=tuple(mask for _, mask in pairs))


@given(cases())
def test_cases_come_back_from_the_manifest_that_was_written_of_them(made: list[Case]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        whole = [placed(case, root) for case in made]
        for case in whole:
            for path in (*case.images, *case.masks, *(file for own in case.readers.values() for file in own)):
                path.parent.mkdir(exist_ok=True)
                path.touch()
        write_manifest(root / "manifest.csv", whole)
        read = open_dataset(root).cases
        assert [comparable(case) for case in read] == [comparable(case) for case in whole]


def test_files_below_the_folder_are_named_from_there_and_others_in_full(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere" / "mask.png"
    case = Case("a", "p", (tmp_path / "set" / "x" / ".." / "image.png",), (outside,))
    write_manifest(tmp_path / "set" / "manifest.csv", [case])
    assert (tmp_path / "set" / "manifest.csv").read_text() == f"id,patient,image,label\na,p,image.png,{outside}\n"


@pytest.mark.parametrize(
    ("cases", "found"),
    [
        ([], "no case"),
        ([Case("a", "p", (Path("i"),)), Case("b", "p", (Path("i"), Path("j")))], "different numbers of images"),
        ([Case("a", "p", (Path("i"),)), Case("a", "q", (Path("j"),))], "two cases have one id"),
        ([Case("a", "p ", (Path("i"),))], "begins or ends with a space"),
        ([Case("a", "p", (Path("i"),), annotated=("x;y",))], "semicolon"),
    ],
)
def test_what_a_manifest_cannot_say_is_refused(tmp_path: Path, cases: list[Case], found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        write_manifest(tmp_path / "manifest.csv", cases)
    assert not list(tmp_path.iterdir())
