"""The text files of the two chest X-ray sets of the U.S. National Library of Medicine: sex, age and finding.

Montgomery has lines "Patient's Sex: F", "Patient's Age: 031Y" and the finding; Shenzhen "male 45yrs" and the finding.
"""

import re
from pathlib import Path

from medseg.errors import DatasetError

__all__ = ["clinical_columns"]

_SEX = re.compile(r"sex:\s*([MF])\b|\b(male|female)\b", re.IGNORECASE)
_AGE = re.compile(r"(\d+)\s*([ymd])", re.IGNORECASE)
_ABOUT_AGE = re.compile(r"patient's age", re.IGNORECASE)
_IN_A_YEAR = {"y": 1.0, "m": 12.0, "d": 365.25}


def clinical_columns(root: Path, name: str) -> dict[str, str]:
    """Sex ("M" or "F"), age in years and finding of a film, and whether its name ends as of tuberculosis (`_1`).

    Raises:
        DatasetError: The text cannot be read.
    """
    columns = {"tuberculosis": {"0": "no", "1": "yes"}.get(name.rpartition("_")[2], "")}
    path = root / "ClinicalReadings" / f"{name}.txt"
    if not path.is_file():
        return columns
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DatasetError(path, f"cannot be read ({error})", "Fetch it again.") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    sex, age = _SEX.search(text), _AGE.search(text)
    if sex:
        columns["sex"] = (sex[1] or sex[2])[0].upper()
    if age:
        columns["patient_age_y"] = f"{int(age[1]) / _IN_A_YEAR[age[2].lower()]:.4g}"
    about = [line for line in lines if not (_SEX.search(line) or _ABOUT_AGE.match(line))]
    return columns | {"finding": " ".join(about)}
