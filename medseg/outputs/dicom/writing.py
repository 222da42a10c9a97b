"""Which DICOM objects are written of a segmentation, and where they lie."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from medseg import address
from medseg.case import Case
from medseg.config import read_yaml
from medseg.errors import ConfigError, InputError
from medseg.image import Image, Segmentation
from medseg.io import formats
from medseg.labels import Labels
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.seg import segmentation_object, write_seg
from medseg.outputs.dicom.seg_header import Kind
from medseg.outputs.dicom.segments import Segments, require_codes
from medseg.outputs.dicom.source import source_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DICOM_FILES", "Objects", "Writing", "Written", "kinds_of", "writing_of"]

Objects = Literal["seg", "sr", "rtstruct", "capture"]
# Below the folder of a case, in the order that they are made in: an SR refers to the segments of its SEG. Captures are
# a folder of pictures.
DICOM_FILES: dict[Objects, str] = {"seg": "seg.dcm", "sr": "sr.dcm", "rtstruct": "rtstruct.dcm", "capture": "capture"}
_NEVER_DICOM = frozenset(formats.ENDINGS) - frozenset(formats.DICOM_ENDINGS)
_CODED: tuple[Objects, ...] = ("seg", "sr")  # these cannot be written of labels without codes


@dataclass(frozen=True)
class Written:
    """What was written.

    Args:
        paths: The files.
        notes: What the user should know of them.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Writing:
    """What is to be written.

    Args:
        objects: Which objects; an SR with its SEG.
        author: What makes the segmentations.
        codes: Of labels by their names, over those that they have; see `Labels.with_codes`.
        kind: Of the SEG.
        segments: A segment for each label or for each region of the table.
    """

    objects: tuple[Objects, ...]
    author: Author = field(default_factory=lambda: Author(""))
    codes: Mapping[str, Any] = field(default_factory=dict)
    kind: Kind = "BINARY"
    segments: Segments = "label"

    @property
    def told(self) -> dict[str, Any]:
        """All that can change a byte of the objects, but for the author."""
        return {name: value for name, value in asdict(self).items() if name != "author"}

    def of(self, author: Author) -> "Writing":
        """By who makes the segmentations."""
        return replace(self, author=author)

    def coded(self, labels: Labels) -> Labels:
        """Labels with the codes that were given.

        Raises:
            LabelError: A label that an object needs codes for has none.
        """
        coded = labels.with_codes({name: said for name, said in self.codes.items() if name in labels.names})
        if set(self.objects) & set(_CODED):
            require_codes(coded)
        return coded

    def judged(self, cases: Sequence[Case]) -> list[Case]:
        """Cases; those that are no DICOM by their files' names are refused before anything is computed."""
        return [one if one.refusal or not _is_other(one) else replace(one, refusal=_refusal(one)) for one in cases]

    def write(
        self, folder: Path, case: str, image: Image, segmentation: Segmentation, regions: "pd.DataFrame | None" = None
    ) -> Written:
        """Write the objects into a folder.

        Args:
            folder: Where to.
            case: The id that regions have in the table.
            image: From which the segmentation was made; read from DICOM.
            segmentation: On its grid.
            regions: The region table, by which regions are tracked.

        Raises:
            InputError: The image was not read from DICOM; or contours alone are asked for, which it cannot have.
            OutputError: A file cannot be written.
        """
        source = source_of(image)
        coded = replace(segmentation, labels=self.coded(segmentation.labels))
        paths, notes = {name: folder / DICOM_FILES[name] for name in self.objects}, []
        if "seg" in paths:
            made = segmentation_object(
                source,
                coded,
                self.author,
                case=case,
                kind=self.kind,
                segments=self.segments,
                regions=regions,
            )
            write_seg(paths["seg"], made)
            notes += [f"nothing was found: {paths['seg'].name} is an empty segmentation"] if made.empty else []
            if "sr" in paths:
                from medseg.outputs.dicom.sr import write_sr

                assert regions is not None, "a report is written of what was measured"
                write_sr(paths["sr"], source, image, coded, regions, self.author, case=case, seg=made)
        if "rtstruct" in paths:
            from medseg.outputs.dicom.rtstruct import write_rtstruct

            try:
                write_rtstruct(paths["rtstruct"], source, coded, self.author)
            except InputError as error:  # a picture, say, whose other objects are worth having
                if len(paths) == 1:
                    raise
                notes.append(f"no contours were written: {error}")
                del paths["rtstruct"]
        written = list(paths.values())
        if "capture" in paths:
            from medseg.outputs.dicom.capture import write_capture

            written.remove(paths["capture"])
            written += write_capture(paths["capture"], source, image, coded, self.author)
        if not source.frames:
            notes.append("DICOM objects lie by position: the image's slices are not those of its files")
        return Written(tuple(written), tuple(notes))


def _is_other(case: Case) -> bool:
    return all(formats.ending(address.split(path)[0]) in _NEVER_DICOM for path in case.images)


def _refusal(case: Case) -> InputError:
    found = "is no DICOM, of which alone a DICOM object can be made"
    return InputError(case.images[0] if case.images else case.id, found, "Leave away --write, or pass DICOM series.")


def writing_of(
    write: str | Sequence[str],
    codes: str | Path | Mapping[str, Any] | None = None,
    kind: Kind = "BINARY",
    segments: Segments | None = None,
) -> Writing | None:
    """What was asked for; None for nothing. Where regions are measured by an SR, each is a segment.

    Raises:
        ConfigError: There is no such object, the file of codes cannot be read, or what was asked does not go together.
        MissingExtraError: What an SR needs is not installed.
    """
    if not write:
        return None
    objects = kinds_of(write)
    if "sr" in objects:
        from medseg.outputs.dicom.sr import require_highdicom

        require_highdicom("write")
    if isinstance(codes, (str, Path)):
        codes = read_yaml(Path(codes))
    chosen = segments or ("region" if "sr" in objects and kind == "BINARY" else "label")
    if chosen == "region" and kind != "BINARY":
        raise ConfigError("segments", f"a segment for each region of a {kind} SEG", "Write it BINARY.")
    return Writing(objects, codes=dict(codes or {}), kind=kind, segments=chosen)


def kinds_of(words: str | Sequence[str]) -> tuple[Objects, ...]:
    """Objects by their names, "seg,rtstruct" or one after another, each once; an SR brings its SEG with it.

    Raises:
        ConfigError: There is no such object, or none is named.
    """
    named = words.split(",") if isinstance(words, str) else list(words)
    wanted = {word.strip().lower() for word in named if word.strip()}
    unknown = sorted(wanted - set(get_args(Objects)))
    if unknown or not wanted:
        raise ConfigError("write", ", ".join(unknown) or "nothing", "Name some of these.", ", ".join(DICOM_FILES))
    wanted |= {"seg"} if "sr" in wanted else set()
    return tuple(one for one in DICOM_FILES if one in wanted)
