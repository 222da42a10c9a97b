"""One series of each study, chosen by a rule; where none fits, or several do, the study is a case that says so."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.datasets.listing import Listed, images_at
from medseg.datasets.naming import safe_name
from medseg.datasets.series_facts import SeriesFacts
from medseg.datasets.series_rules import SeriesRule
from medseg.errors import InputError, LeftOutError
from medseg.io.archive import is_archive
from medseg.reporting import Silent

__all__ = ["COLUMN", "one_of_each_study"]

COLUMN = "series_chosen"
_SHOWN = 6


def one_of_each_study(found: Sequence[Listed], rule: SeriesRule) -> list[Case]:
    """The cases, of each study one, in the place of its first series.

    The case of a study is called by the folder or zip that holds the study; where others lie in the same, by its own
    series. `Case.columns["series_chosen"]` says what was chosen, out of how many, and by which rule. What fails on
    its own account stays as it is; an image that says nothing of a series cannot be judged, and fails. What a data
    set names by a file stays; of a study folder or zip that it names, a series is chosen.
    """
    studies: dict[tuple[str, str], list[Listed]] = {}
    for one in found:
        if one.series is not None:
            studies.setdefault(one.series.study, []).append(one)
    homes = Counter(_home(study) for study in studies.values())
    cases: list[Case] = []
    told: set[tuple[str, str]] = set()
    for one in found:
        if one.named:
            cases.append(_named(one.case, rule))
        elif one.series is None:
            cases.append(_unjudged(one.case, rule))
        elif one.series.study not in told:
            told.add(one.series.study)
            study = studies[one.series.study]
            cases.append(_chosen(study, rule, alone=homes[_home(study)] == 1))
    return cases


def _named(case: Case, rule: SeriesRule) -> Case:
    """A case of a data set."""
    where = case.images[0]
    if len(case.images) > 1 or not (where.is_dir() or (is_archive(where) and where.is_file())):
        return case
    within = [one for one in images_at(where, where, Silent(), rule) if one.series is not None]
    found = one_of_each_study(within, rule)
    if len(found) != 1:
        told = f"holds {len(found)} studies, and the data set names it for one case"
        return replace(case, refusal=InputError(where, told, "Name the folder of one study of DICOM series."))
    return replace(case, images=found[0].images, columns={**case.columns, **found[0].columns}, refusal=found[0].refusal)


def _unjudged(case: Case, rule: SeriesRule) -> Case:
    if case.refusal is not None or _fails_itself(case):
        return case
    found = f"nothing says of which series it is, and --series was given ({rule.text})"
    mend = "Leave --series out, or keep the JSON of dcm2niix (NAME.json) beside it."
    return replace(case, refusal=InputError(case.images[0], found, mend))


def _fails_itself(case: Case) -> bool:
    """Whether it is a DICOM file that cannot be read, whose own reason is the better one."""
    from medseg.errors import MedsegError
    from medseg.io.dicom.headers import read_header

    path = case.images[0]
    if len(case.images) > 1 or not address.is_file(path):
        return False
    try:
        read_header(path)
    except MedsegError:
        return True
    return False


def _chosen(study: Sequence[Listed], rule: SeriesRule, *, alone: bool) -> Case:
    known = [one.series for one in study if one.series is not None]
    fitting = [index for index, one in enumerate(known) if rule.fails(one.values) is None]
    named = f"by {rule.text!r}"
    if not fitting:
        return _none(study, known, rule, alone=alone)
    if len(fitting) > 1 and not rule.orders:
        several = (
            f"{len(fitting)} of {len(known)} series fit {rule.text!r} ({_listed([known[i].name for i in fitting])})"
        )
        return _refused(study, several, "Add what tells them apart, or newest, largest or first.", alone=alone)
    undecided = _undecided([known[index] for index in fitting], rule)
    if undecided:
        return _refused(study, undecided, "Add what tells them apart, or largest or first.", alone=alone)
    best = fitting[rule.ranked([known[index].values for index in fitting])[0]]
    said = f"{known[best].name}: 1 of {len(known)} {named}"
    case = study[best].case
    name = _name(study, alone=alone) or case.id
    patient = name if case.patient == case.id else case.patient
    return replace(case, id=name, patient=patient, columns={**case.columns, COLUMN: said})


def _undecided(known: Sequence[SeriesFacts], rule: SeriesRule) -> str:
    """Why a date cannot choose, where none of several series has one."""
    words = [word for word in rule.orders if word in ("newest", "oldest")]
    if len(known) > 1 and words and rule.orders[0] == words[0] and not any(one.values.get("time") for one in known):
        return f"{len(known)} series fit {rule.text!r}, and none of them says when it was made"
    return ""


def _none(study: Sequence[Listed], known: Sequence[SeriesFacts], rule: SeriesRule, *, alone: bool) -> Case:
    why = []
    for one in known:
        failed = rule.fails(one.values)
        assert failed is not None, "none fits"
        value = one.values.get(failed.field)
        is_known = f"{failed.field} is {value}" if value is not None else f"{failed.field} is not said"
        why.append(f"{one.name}: {is_known}, not {failed}")
    found = f"none of its {len(known)} series fits {rule.text!r} ({_listed(why)})"
    mend = "Change --series, where it should be segmented."
    return _refused(study, found, mend, alone=alone, kind=LeftOutError)


def _refused(
    study: Sequence[Listed], found: str, mend: str, *, alone: bool, kind: type[InputError] = InputError
) -> Case:
    """The study as a case that fails, or is left out; its images are all that could have been chosen."""
    first = study[0].case
    name = _name(study, alone=alone) or first.id
    patient = name if first.patient == first.id else first.patient
    images = tuple(one.case.images[0] for one in study)
    return Case(name, patient, images, refusal=kind(_home(study), found, mend))


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names[:_SHOWN]) + (f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _home(study: Sequence[Listed]) -> Path:
    homes = {one.series.home for one in study if one.series is not None}
    return next(iter(homes)) if len(homes) == 1 else Path(os.path.commonpath(homes))


def _name(study: Sequence[Listed], *, alone: bool) -> str:
    """The study's folder below the input; "" where that is no name of its own."""
    home, root = _home(study), study[0].root
    if not alone or not home.name:
        return ""
    below = home.relative_to(root).as_posix() if home.is_relative_to(root) and home != root else home.resolve().name
    return safe_name(below[: -len(".zip")] if is_archive(home) and home.is_file() else below)
