"""The plan of a run: computed from its training cases, or an earlier model's."""

from collections.abc import Sequence

from medseg.atomic import write_text
from medseg.case import Case
from medseg.config import check
from medseg.device import pick_device
from medseg.errors import LabelError
from medseg.labels import Labels
from medseg.plan import Plan, model_root, read_plan
from medseg.reporting import Reporter
from medseg.training.cases import require_judged
from medseg.training.fingerprint import take_fingerprint
from medseg.training.planning import make_plan
from medseg.training.settings import TrainSettings

__all__ = ["plan_training"]


def plan_training(
    cases: Sequence[Case], labels: Labels, channels: Sequence[str], settings: TrainSettings, reporter: Reporter
) -> Plan:
    """The plan of a run: computed from its training cases once, and saved as `plan.json`.

    With `init` it is the earlier model's, so that its weights fit; `plan` overrides still apply.

    Raises:
        LabelError: The labels are not those of the model that training starts from.
        DatasetError: A label was looked for in no case.
    """
    require_judged(cases, labels)
    path = settings.folder / "plan.json"
    if path.exists():
        return read_plan(path)
    if settings.init is not None:
        earlier = read_plan(model_root(settings.init) / "plan.json")
        if earlier.label_set.names != labels.names:
            names = ", ".join(earlier.label_set.names)
            raise LabelError(
                "labels", ", ".join(labels.names), "Fine-tune on the same structures.", f"{names} as in init"
            )
        merged = {**earlier.model_dump(), "labels": labels.to_config(), "reading": settings.reading}
        if settings.preparation:
            merged |= {"preparation": settings.preparation, "portable": False}
        merged |= settings.plan
        merged["network"] = {**earlier.network.model_dump(), **settings.plan.get("network", {})}
        plan = check(Plan, merged, "plan")
    else:
        fingerprint = take_fingerprint(
            cases, labels, reporter, settings.modality, settings.seed, settings.reading, settings.preparation
        )
        gpu = pick_device(settings.learning.device).type != "cpu"
        given = {"reading": settings.reading, "preparation": settings.preparation, **settings.plan}
        plan = make_plan(fingerprint, labels, channels, given, gpu=gpu)
    write_text(path, plan.model_dump_json(indent=2) + "\n")
    return plan
