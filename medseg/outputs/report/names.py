"""What a case is called in a report, and its texts without what tells whose it is, unless that is wished.

A case's id is made of the path of its file, and reasons of failures name files: both may hold a patient's name.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from medseg import address
from medseg.io import formats
from medseg.pseudonyms import MARK

__all__ = ["SAFE_COLUMNS", "images_of", "plain_words", "reveals", "shown_columns", "without_identity"]

_NEVER_DICOM = frozenset(formats.ENDINGS) - frozenset(formats.DICOM_ENDINGS)
# but not the number of a volume in a file, as in "scan.nii.gz:/0"
_PATH = re.compile(
    r"(?!(?<=:)/\d{1,4}\.?(?:\s|$))(?:(?<![\w/])(?:[A-Za-z]:)?[/\\]|\.{1,2}/)[^\s:;,'\"()]*(?:/[^\s:;,'\"()]+)*"
)
_WORD = re.compile(r"[^\W_]+")
# What a header or case table says of a case without saying whose it is. No date, text of a user's, or other number.
SAFE_COLUMNS = (
    *("modality", "manufacturer", "model", "scanner", "field_strength_t", "kvp", "phase", "contrast_agent"),
    *("slice_thickness_mm", "kernel", "echo_time_ms", "repetition_time_ms", "tracer", "sex", "patient_age_y"),
    *("laterality", "view", "body_part", "split", "burned_in_annotation", "patient_orientation"),
    "classical_found",
)


def images_of(words: str) -> tuple[Path, ...]:
    """The files of a case, which `cases.csv` has in one field with blanks between, though names may hold blanks.

    The longest run of words that names what exists is a file; where nothing exists any more, a file ends where the next
    word begins a path from the root.
    """
    parts, found, start = words.split(" ") if words else [], [], 0
    while start < len(parts):
        ends = range(len(parts), start, -1)
        there = next((end for end in ends if address.exists(" ".join(parts[start:end]))), None)
        ends = range(start + 1, len(parts))
        end = there or next((end for end in ends if parts[end].startswith("/")), len(parts))
        found.append(Path(" ".join(parts[start:end])))
        start = end
    return tuple(found)


def reveals(case: str, patient: str, images: Sequence[Path], others: Collection[str] = ()) -> bool:
    """Whether the id of a case may tell whose it is: it holds a patient's, or it comes from folders of DICOM files.

    Where the patient is called as the case, nothing told whose it is, and the id is the data set's own.

    Args:
        case: Its id.
        patient: Whose it is.
        images: Its files.
        others: Other patients, as `plain_words` gives them.
    """
    words = plain_words(case).split()
    parts = {" ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
    own = plain_words(patient) if patient != case else ""
    return own in parts or not parts.isdisjoint(others) or any(_maybe_dicom(image) for image in images)


def plain_words(name: str) -> str:
    """Letters and digits of a name in small letters with blanks between, as ids of cases and file names alter it."""
    return " ".join(_WORD.findall(name.casefold()))


def shown_columns(columns: Mapping[str, str], identifiers: bool) -> dict[str, str]:
    """What is shown of what else is known of a case; empty fields are not."""
    return {name: value for name, value in columns.items() if value and (identifiers or name in SAFE_COLUMNS)}


def without_identity(text: str, case: str, shown: str, patients: Collection[str], images: Sequence[Path]) -> str:
    """A warning or an error in which no path is left, nor a patient, nor an id that is not shown.

    Args:
        text: The warning.
        case: Id of its case, and
        shown: what the case is called.
        patients: Who must not be named, as `plain_words` gives them.
        images: The case's files.
    """
    for number, image in enumerate(images, start=1):
        name = "[image]" if len(images) == 1 else f"[image {number}]"
        for path in {str(image), str(address.split(image)[0])}:
            text = re.sub(re.escape(path) + r"[^:;,'\"()]*", name, text)
        text = text.replace(address.split(image)[0].name, name)
    text = _PATH.sub("[file]", text)
    if shown != case:
        text = text.replace(case, shown)
    return _without_patients(text, patients)


def _maybe_dicom(image: Path) -> bool:
    if str(image).startswith(MARK):
        return False
    # of what is gone, nothing on disk tells where an address goes inside
    return formats.ending(Path(str(address.split(image)[0]).partition(":/")[0])) not in _NEVER_DICOM


def _without_patients(text: str, patients: Collection[str]) -> str:
    """Runs of words that are a patient's, whatever stands between them, become "[patient]"."""
    longest = max((patient.count(" ") + 1 for patient in patients), default=0)
    words = list(_WORD.finditer(text))
    for first in range(len(words) - 1, -1, -1):
        for last in range(min(len(words), first + longest) - 1, first - 1, -1):
            start, end = words[first].start(), words[last].end()
            if end <= len(text) and plain_words(text[start:end]) in patients:
                text, words = f"{text[:start]}[patient]{text[end:]}", words[:first]
                break
    return text
