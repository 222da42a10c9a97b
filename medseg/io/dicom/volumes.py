"""From the slices of one series to the volumes in it, each regular or refused with its reason.

The policy, in the order in which it is applied:

* Frames of a multi-frame object, and tiles of a mosaic, are slices like any other.
* Radiographs, and pictures without a place in the patient, are 2D images: one a file.
* Slices of another size, spacing, direction or frame of reference are another volume; so are localisers. Where they
  are slices of one stack, of which some have another size, it is refused as a whole; so is one such slice beside it.
* The same object stored twice counts once, with a note; with other pixels, each folder is a volume of its own.
* Where several slices lie at one position, the series is several volumes: they are told apart by the first of
  echo, image type, time, b-value, ... that does so without a remainder.
* What is left must be evenly spaced along the slice normal (`medseg.io.dicom.grid`). Gaps, repeated positions,
  several directions at one place: refused. Gantry tilt: refused, or resampled on request.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from medseg.errors import InputError, MedsegError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.grid import stacked
from medseg.io.dicom.grouping import by_place, is_localizer, told_apart, without_copies
from medseg.io.dicom.headers import RADIOGRAPHS, Slice
from medseg.io.dicom.mosaic import is_mosaic, tiles_of
from medseg.io.dicom.multiframe import frames_of
from medseg.io.dicom.odd_slices import odd_slices

__all__ = ["Kind", "Volume", "is_sequence", "volumes_of"]

Kind = Literal["volume", "localizer", "radiograph", "picture"]
_SECTIONAL = ("CT", "MR", "PT")  # modalities whose images always have a place


@dataclass(frozen=True, eq=False)
class Volume:
    """What can be read as one image, or the reason why not.

    Args:
        slices: Sorted along the slice normal where there is a grid; one for a 2D image.
        kind: "volume"; "localizer" for a scout; "radiograph"; "picture" for another 2D image without place.
        key: What tells it from the other volumes of its series, such as "EchoTime 4.9".
        geometry: The grid of a volume; that of a 2D image is found when it is read.
        tilt: The gantry tilt in words, empty where there is none.
        notes: What the user should know.
        refusal: Why it cannot be read.
    """

    slices: tuple[Slice, ...]
    kind: Kind
    key: str = ""
    geometry: Geometry | None = None
    tilt: str = ""
    notes: tuple[str, ...] = ()
    refusal: MedsegError | None = None

    @property
    def first(self) -> Slice:
        """Its first slice, whose header stands for all."""
        return self.slices[0]

    @property
    def flat(self) -> bool:
        """Whether it is a 2D image."""
        return self.kind in ("radiograph", "picture")

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Its files, each once."""
        return tuple(dict.fromkeys(one.path for one in self.slices))

    @cached_property
    def home(self) -> Path:
        """Its one file, or the deepest folder that holds all of them."""
        return _home(self.files)

    def at_frame(self, frame: int) -> "Volume":
        """One frame of a sequence without positions, as a 2D image.

        Raises:
            InputError: There is no such frame.
        """
        count = self.first.frames
        if not 0 <= frame < count:
            raise InputError(
                self.first.path, f"has {count} frames, not {frame}", "Choose another.", f"0 to {count - 1}"
            )
        kind: Kind = "radiograph" if self.kind == "radiograph" else "picture"
        return Volume((replace(self.first, frame=frame),), kind, f"frame {frame}")

    def described(self) -> str:
        """In a few words, for messages."""
        header = self.first.header
        name = header.get("SeriesDescription") or f"series {header.get('SeriesNumber', '?')}"
        size = f"{len(self.slices)} slices" if not self.flat else "2D"
        return f"{self.first.modality} {str(name)!r}{f', {self.key}' if self.key else ''}: {size}"


def volumes_of(slices: Sequence[Slice]) -> list[Volume]:
    """The volumes of one series, in a stable order.

    Args:
        slices: The images of the series, in any order; multi-frame files as one.
    """
    volumes: list[Volume] = []
    placed: list[Slice] = []
    for one in slices:
        try:
            frames = tiles_of(one) if is_mosaic(one) else frames_of(one)
        except MedsegError as error:
            volumes.append(Volume((one,), "volume", refusal=error))
            continue
        for frame in frames:
            flat = _flat(frame)
            if flat:
                volumes.append(Volume((frame,), flat, refusal=_packed(frame)))
            else:
                placed.append(frame)
    return volumes + _stacks(placed)


def _stacks(placed: Sequence[Slice]) -> list[Volume]:
    """Volumes of slices that have a place, localizers last but for what is refused for its size."""
    groups = by_place(placed)
    scouts = [pair for pair in groups if is_localizer(pair[0][0])]
    others = [pair for pair in groups if not is_localizer(pair[0][0])]
    refused = odd_slices([group for group, _key in others])
    left_out = {index for odd in refused for index in odd.groups}
    whole = [pair for index, pair in enumerate(others) if index not in left_out]
    volumes: list[Volume] = []
    for group, key in (*sorted(whole, key=lambda pair: pair[1]), *sorted(scouts, key=lambda pair: pair[1])):
        volumes += _at_one_place(group, key if len(groups) > 1 else "")
    for odd in refused:
        slices = tuple(one for index in odd.groups for one in others[index][0])
        volumes.append(Volume(slices, "volume", others[odd.groups[0]][1], refusal=odd.error))
    return volumes


def _home(files: Iterable[Path]) -> Path:
    """The one file, or the deepest folder that holds all of them."""
    distinct = dict.fromkeys(files)
    return next(iter(distinct)) if len(distinct) == 1 else Path(os.path.commonpath([path.parent for path in distinct]))


def _flat(one: Slice) -> Literal["radiograph", "picture"] | None:
    if one.modality in RADIOGRAPHS:
        return "radiograph"
    return "picture" if "ImagePositionPatient" not in one.header and one.modality not in _SECTIONAL else None


def is_sequence(one: Slice) -> bool:
    """Whether a file holds several frames of which nothing says where they are."""
    return one.frames > 1 and one.frame is None


def _packed(one: Slice) -> MedsegError | None:
    """The refusal of a file with several frames of which nothing says where they are."""
    if not is_sequence(one):
        return None
    return UnreadableFileError(
        one.path,
        f"is a sequence of {one.frames} frames without positions",
        f"Choose one: `--frame k` or {one.path.name}:/k, k from 0 to {one.frames - 1}.",
    )


def _at_one_place(slices: list[Slice], key: str) -> list[Volume]:
    """Volumes of slices that have one size and direction."""
    try:
        unique, notes = without_copies(slices)
    except UnreadableFileError as error:
        folders: dict[Path, list[Slice]] = {}
        for one in slices:
            folders.setdefault(one.path.parent, []).append(one)
        if len(folders) == 1:
            return [Volume(tuple(slices), "volume", key, refusal=error)]
        # The same objects written twice, compressed in another way, say: each folder for itself.
        named = ((f"{key}, {folder.name}".removeprefix(", "), group) for folder, group in folders.items())
        return [volume for name, group in named for volume in _at_one_place(group, name)]
    return [_volume(group, ", ".join(part for part in (key, own) if part), notes) for own, group in told_apart(unique)]


def _volume(slices: list[Slice], key: str, notes: tuple[str, ...]) -> Volume:
    kind: Kind = "localizer" if is_localizer(slices[0]) else "volume"
    refusal = next((error for one in slices if (error := _unusable(one))), None)
    if refusal:
        return Volume(tuple(slices), kind, key, notes=notes, refusal=refusal)
    try:
        stack = stacked(slices, _home([one.path for one in slices]))
    except MedsegError as error:
        return Volume(tuple(slices), kind, key, notes=notes, refusal=error)
    return Volume(stack.slices, kind, key, stack.geometry, stack.tilt, (*notes, *stack.notes))


def _unusable(one: Slice) -> MedsegError | None:
    if one.pixels_at is None:
        return UnreadableFileError(one.path, "ends before its pixels", EXPORT_AGAIN)
    return _packed(one)
