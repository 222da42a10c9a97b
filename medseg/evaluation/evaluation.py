"""What an evaluation of several cases found: its tables and figures, as objects, as JSON and as files."""

import html
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.atomic import json_text, write_csv, write_json
from medseg.errors import OutputError
from medseg.evaluation.agreement import volume_agreement, volumes_table
from medseg.evaluation.calibration import Reliability, calibration_table
from medseg.evaluation.detection import CURVE_COLUMNS, Detection, detections
from medseg.evaluation.facts import facts_table
from medseg.evaluation.pairs import PLOTS
from medseg.evaluation.scoring import Scoring
from medseg.evaluation.source import Source
from medseg.evaluation.statistics.subgroups import SUBGROUP_COLUMNS, subgroup_table
from medseg.evaluation.worst import worst_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "refuse_folder_of_others"]

_NOT_ALWAYS = ("subgroups.csv", "froc.csv", "calibration.csv", "index.html", *PLOTS)
_IN_SUBGROUPS = ("dice", "hd95_mm", "hd95_px", "nsd", "nsd_px", "lesion_f1")


def refuse_folder_of_others(folder: Path) -> None:
    """Refuse to write scores where a prediction run, or a data set, keeps its own `cases.csv`.

    Raises:
        OutputError: The folder is such.
    """
    if (folder / "cases.csv").exists() and not (folder / "scores.csv").exists():
        mend = "Choose a folder of its own for the scores, such as PREDICTIONS/evaluation."
        raise OutputError(folder, "holds a cases.csv that is of no evaluation", mend)


def _clear(folder: Path) -> None:
    """Remove what stands or falls with options and data: an old page or curve beside new scores would be a lie."""
    try:
        for name in _NOT_ALWAYS:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(folder, f"an earlier {name} cannot be removed ({error})", "Choose another folder.") from error


def _no_facts() -> "pd.DataFrame":
    return facts_table(())


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate_pairs` found.

    Args:
        cases: One row a case and label; columns as `medseg.evaluation.SCORE_COLUMNS`.
        summary: One row a label and metric; columns as `medseg.evaluation.SUMMARY_COLUMNS`.
        failures: Cases that could not be scored, each with its reason.
        scoring: Tolerances, definitions and rules.
        lesions: One row a lesion; columns as `medseg.evaluation.LESION_COLUMNS`.
        reliability: Voxels by probability, by label and scope; empty where no case has probabilities.
        notes: Cases whose masks were changed before they were scored (resampled, say), each with what was done; and the
            reference, where cases of it have no prediction.
        facts: One row a case, scored or failed: `case`, `patient`, and whatever else is known of it, as text.
        group_by: Columns of `facts` that make subgroups.
        source: Where the masks and images lie.
    """

    cases: "pd.DataFrame"
    summary: "pd.DataFrame"
    failures: tuple[tuple[str, str], ...]
    scoring: Scoring
    lesions: "pd.DataFrame"
    reliability: dict[tuple[str, str], Reliability] = field(default_factory=dict)
    notes: tuple[tuple[str, str], ...] = ()
    facts: "pd.DataFrame" = field(default_factory=_no_facts)
    group_by: tuple[str, ...] = ()
    source: Source = field(default_factory=Source)

    @property
    def nsd_tolerance(self) -> float:
        """Of the normalised surface Dice of labels without one of their own, in mm (`nsd`) and pixels (`nsd_px`)."""
        return self.scoring.nsd_tolerance

    @cached_property
    def volumes(self) -> "pd.DataFrame":
        """Predicted and reference size of each case and label; columns as `medseg.evaluation.agreement` says."""
        return volumes_table(self.cases)

    @cached_property
    def agreement(self) -> list[dict[str, Any]]:
        """Bland–Altman, ICC(2,1) and Lin's CCC of these sizes, by label."""
        return volume_agreement(self.volumes)

    @cached_property
    def detection(self) -> tuple[Detection, ...]:
        """Lesions of all cases together, by label."""
        return detections(self.lesions, self.cases)

    @cached_property
    def worst(self) -> "pd.DataFrame":
        """Scored cases by label, the worst first; columns as `medseg.evaluation.worst` says."""
        return worst_table(self.cases, self.facts)

    @cached_property
    def subgroups(self) -> "pd.DataFrame":
        """Scores of the groups that `group_by` makes, as `subgroup_table` gives; empty without it."""
        import pandas as pd

        metrics = [name for name in _IN_SUBGROUPS if self.cases[name].notna().any()]
        how = {"resamples": self.scoring.resamples, "seed": self.scoring.seed}
        scored = self.facts[self.facts["case"].isin(self.cases["case"])]
        tables = [subgroup_table(self.cases, scored, column, metrics, **how) for column in self.group_by]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(SUBGROUP_COLUMNS))

    @property
    def froc(self) -> "pd.DataFrame":
        """The FROC curves; empty where no case has probabilities."""
        import pandas as pd

        curves = [curve for one in self.detection if len(curve := one.curve)]
        return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=list(CURVE_COLUMNS))

    @property
    def calibration(self) -> "pd.DataFrame":
        """The reliability curves; empty where no case has probabilities."""
        return calibration_table(self.reliability)

    def mean(self, label: str, metric: str = "dice") -> float:
        """One mean of the summary.

        Raises:
            KeyError: There is no such label or metric.
        """
        row = self.summary[(self.summary["label"] == label) & (self.summary["metric"] == metric)]
        if row.empty:
            raise KeyError(f"{label}, {metric}")
        return float(row["mean"].iloc[0])

    def to_dict(self) -> dict[str, Any]:
        """The summary and the failures as nested dictionaries: label, then metric, then figure."""
        labels: dict[str, dict[str, Any]] = {}
        for row in self.summary.to_dict("records"):
            label, metric = str(row.pop("label")), str(row.pop("metric"))
            labels.setdefault(label, {})[metric] = row
        failures, notes = (
            [{"case": case, what: text} for case, text in listed]
            for what, listed in (("reason", self.failures), ("note", self.notes))
        )
        found: dict[str, Any] = {"cases_scored": self.cases["case"].nunique(), "nsd_tolerance": self.nsd_tolerance}
        found |= {"scoring": self.scoring.model_dump(mode="json") | {"match_threshold": self.scoring.threshold}}
        detection = {one.label: one.to_dict() for one in self.detection}
        calibration: dict[str, dict[str, Any]] = {}
        for (label, scope), one in self.reliability.items():
            calibration.setdefault(label, {})[scope] = {"ece": one.ece, "brier": one.brier, "voxels": one.n}
        parts = {"labels": labels, "detection": detection, "agreement": self.agreement, "calibration": calibration}
        groups = {"subgroups": self.subgroups.to_dict("records")} if self.group_by else {}
        return found | parts | groups | {"failures": failures, "notes": notes}

    def to_json(self) -> str:
        """`to_dict` as JSON text; an undefined figure is null."""
        return json_text(self.to_dict())

    def save(self, folder: str | Path) -> None:
        """Write the tables and `summary.json`, which holds all but the rows of single cases.

        Tables: scores.csv, cases.csv (what is known of each case), summary.csv, lesions.csv, volumes.csv, worst.csv,
        failures.csv; with `group_by` subgroups.csv; where there are probabilities froc.csv and calibration.csv. And
        agreement.json. What an earlier evaluation left there and this one does not write is removed.

        Raises:
            OutputError: The folder cannot be written, or is one of predictions or of a data set.
        """
        import pandas as pd

        folder = Path(folder)
        refuse_folder_of_others(folder)
        if (folder / "scores.csv").exists():
            _clear(folder)
        write_csv(folder / "scores.csv", self.cases)
        write_csv(folder / "cases.csv", self.facts)
        write_csv(folder / "summary.csv", self.summary)
        write_csv(folder / "failures.csv", pd.DataFrame(list(self.failures), columns=["case", "reason"]))
        write_csv(folder / "lesions.csv", self.lesions)
        write_csv(folder / "volumes.csv", self.volumes)
        write_csv(folder / "worst.csv", self.worst)
        write_json(folder / "agreement.json", self.agreement)
        write_json(folder / "summary.json", self.to_dict())
        if self.group_by:
            write_csv(folder / "subgroups.csv", self.subgroups)
        if self.reliability:
            write_csv(folder / "froc.csv", self.froc)
            write_csv(folder / "calibration.csv", self.calibration)

    def _repr_html_(self) -> str:
        table = self.summary.to_html(index=False, float_format="{:.3f}".format, na_rep="")
        lines = "".join(f"<li><b>{html.escape(c)}</b>: {html.escape(why)}</li>" for c, why in self.failures)
        return table + (f"<p>Not scored:</p><ul>{lines}</ul>" if lines else "")
