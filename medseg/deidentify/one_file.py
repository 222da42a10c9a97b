"""One file, de-identified: an object of DICOM, or a NIfTI volume; anything else is left out."""

import errno
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from medseg import __version__
from medseg.deidentify.burnt_in import burnt_in, may_show_text
from medseg.deidentify.header import Header
from medseg.deidentify.nifti import without_texts
from medseg.deidentify.originals import Original
from medseg.deidentify.patient import Patient
from medseg.deidentify.pixels import blank, clear_overlay_bits, first_frame
from medseg.deidentify.profile import Profile
from medseg.deidentify.reading import read_whole
from medseg.deidentify.refusal import RefusedError
from medseg.deidentify.table import EDITION
from medseg.io.formats import DICOM_ENDINGS, NIFTI, begins_as_dicom, ending
from medseg.pseudonyms import Pseudonyms

__all__ = ["IMPLEMENTATION", "OneFile", "Outcome"]

IMPLEMENTATION: Final = "2.25.171260434298424376049735637113471843047"  # a UID of this program, made once at random
_CUT_OFF: Final = " in file "  # ... how its warnings of that kind go on, and no others
_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_UNCHECKED: Final = ("CT", "MR", "PT", "SEG", "SR", "RTSTRUCT", "RTDOSE", "RTPLAN", "REG", "PR", "KO")
_DATES: Final = {"keep": "UNMODIFIED", "shift": "MODIFIED", "remove": "REMOVED"}


@dataclass(frozen=True)
class Outcome:
    """What became of one file; nothing in it names file or patient.

    Args:
        source: The pseudonym of its path.
        outcome: "done", "failed", "skipped" or "withheld".
        reason: Why it is not done.
        file: Where it lies, below the folder of results.
        patient: The patient's pseudonym; so are study and series.
        study: As it says.
        series: As it says.
        modality: As in the header.
        burnt_in: "declared", "likely" (marks like text were seen), "possible" (its kind often shows text), "no" or "".
        blanked: How many regions were blanked.
        done: What was done to how many attributes, by keyword and action.
    """

    source: str
    outcome: str
    reason: str = ""
    file: str = ""
    patient: str = ""
    study: str = ""
    series: str = ""
    modality: str = ""
    burnt_in: str = ""
    blanked: int = 0
    done: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class OneFile:
    """What is done to any one file.

    Args:
        profile: What is wanted.
        pseudonyms: What takes the place of ids and UIDs.
    """

    profile: Profile
    pseudonyms: Pseudonyms

    def deidentify(self, path: Path, names: tuple[str, str], target: Path) -> tuple[Outcome, Original]:
        """De-identify one file.

        Args:
            path: The file; it stays as it is.
            names: The pseudonyms of its path and of its folder.
            target: Where to write it for now; the outcome says what its place is.

        Returns:
            What became of it (a file that cannot be used is an outcome, too), and what it was.

        Raises:
            OSError: The disk is full, or may not be written to.
        """
        try:
            with warnings.catch_warnings(record=True) as heard, pydicom.config.disable_value_validation():
                warnings.simplefilter("always")
                found = self._any_kind(path, names, target)
            # pydicom only warns of a sequence or of compressed pixels that the end of the file has cut off.
            if any(_CUT_OFF in str(one.message) for one in heard):
                raise RefusedError("ends in the middle of an attribute")
            return found
        except RefusedError as error:
            return Outcome(names[0], error.outcome, error.reason), Original()
        except Exception as error:  # a text of pydicom's may quote the very value that must not be seen
            if isinstance(error, OSError) and error.errno in _DISK:
                raise
            return Outcome(names[0], "failed", f"cannot be de-identified ({type(error).__name__})"), Original()

    def _any_kind(self, path: Path, names: tuple[str, str], target: Path) -> tuple[Outcome, Original]:
        if ending(path) in NIFTI:
            packed = path.name.lower().endswith(".gz")
            without_texts(path, target, packed=packed)
            place = f"nifti/{names[1]}/{names[0]}.nii{'.gz' if packed else ''}"
            return Outcome(names[0], "done", file=place, modality="NIfTI"), Original()
        with path.open("rb") as file:
            if not begins_as_dicom(file.read(132)):
                if ending(path) in DICOM_ENDINGS:
                    raise RefusedError("is not DICOM, as its name says")
                raise RefusedError("is neither DICOM nor NIfTI: not copied", "skipped")
        return self._object(read_whole(path), names[0], target)

    def _object(self, dataset: Dataset, source: str, target: Path) -> tuple[Outcome, Original]:
        profile, pseudonyms = self.profile, self.pseudonyms
        seen = "likely" if clear_overlay_bits(dataset) else _seen(dataset)
        patient = Patient.of(dataset, pseudonyms, named="institution" in profile.keep)
        original = _original(dataset, str(patient.days) if profile.dates == "shift" else "")
        rules = [rule for rule in profile.blank if rule.fits(dataset)]
        blanked = blank(dataset, rules) if rules else 0
        if profile.burnt_in == "withhold" and seen in ("declared", "likely", "possible") and not blanked:
            raise RefusedError(f"text in its picture is {seen} and no rule blanks it", "withheld")
        header = Header(profile, pseudonyms, patient, str(dataset.SOPClassUID))
        modality = str(dataset.get("Modality") or "")
        header.clean(dataset)
        _state(dataset, profile, bool(blanked))
        _write(dataset, target)
        study, series = (
            pseudonyms.of("study", original.original_study),
            pseudonyms.of("series", original.original_series),
        )
        name = pseudonyms.of("instance", original.original_instance)
        place = "/".join((patient.pseudonym or "unknown", study or "unknown", series or "unknown", f"{name}.dcm"))
        done: dict[str, dict[str, int]] = {}
        for (keyword, action), count in sorted(header.done.items()):
            done.setdefault(keyword, {})[action] = count
        row = Outcome(source, "done", "", place, patient.pseudonym, study, series, modality, seen, blanked, done)
        return row, original


def _original(dataset: Dataset, days: str) -> Original:
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    patient, name, *uids = (str(dataset.get(one) or "").strip(" \0") for one in ("PatientID", "PatientName", *keywords))
    return Original(patient, name, days, *uids)


def _seen(dataset: Dataset) -> str:
    """What header and, where it is worth a look, pixels say of text in the picture."""
    said = burnt_in(dataset)
    if said == "declared" or "PixelData" not in dataset:
        return said if "PixelData" in dataset else ""
    if said != "possible" and dataset.get("Modality") in _UNCHECKED:
        return said
    frame = first_frame(dataset)
    return "likely" if frame is not None and may_show_text(frame) else said


def _state(dataset: Dataset, profile: Profile, blanked: bool) -> None:
    """Say in the object what was done (PS3.15, E.1.1)."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = f"medseg {__version__}, DICOM PS3.15 {EDITION} Annex E"
    codes = [*profile.codes(), *([("113101", "Clean Pixel Data Option")] if blanked else [])]
    dataset.DeidentificationMethodCodeSequence = [_code(value, meaning) for value, meaning in sorted(codes)]
    dataset.LongitudinalTemporalInformationModified = _DATES[profile.dates]
    if blanked:
        dataset.BurnedInAnnotation = "NO"


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _write(dataset: Dataset, target: Path) -> None:
    """Write with a head and preamble of our own: the original's name stations, programs and their versions."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    meta.ImplementationVersionName = f"MEDSEG_{__version__}"[:16]
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    pydicom.dcmwrite(target, dataset, enforce_file_format=True)
