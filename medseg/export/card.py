"""What a model says of itself: the bundle's `configs/metadata.json` and its `README.md`."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from medseg.export.inference_config import bundle_command
from medseg.io.label_files import label_file_stems
from medseg.labels import Labels
from medseg.plan import Plan, Postprocessing
from medseg.trust import is_own

__all__ = ["intended_use", "limits", "metadata", "readme"]


def metadata(plan: Plan, card: Mapping[str, Any]) -> dict[str, Any]:
    """What the bundle specification asks for, and the model's card."""
    labels = plan.label_set
    names = ("background", *labels.names) if labels.exclusive else labels.names
    size = {"num_channels": len(plan.channels), "spatial_shape": list(plan.patch_size), "dtype": "float32"}
    return {
        "version": version("medseg"),
        "changelog": {version("medseg"): "trained"},
        "monai_version": version("monai"),
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {
            "nibabel": version("nibabel"),
            "scipy": version("scipy"),
            "pytorch-ignite": "0.5.0",
            "fire": "0.7.0",
        },
        "task": f"Segmentation of {', '.join(plan.label_set.names)}",
        "description": f"{plan.title} trained with medseg",
        "authors": "the user of medseg who trained it",
        "copyright": "of whoever trained it",
        "intended_use": intended_use(plan),
        "limits": list(limits(plan, card)),
        "data_source": str(card.get("cases", "not stated")),
        "eval_metrics": {key: value for key, value in card.items() if "Dice" in key or key.startswith("after ")},
        "label_values": _label_values(plan.label_set),
        "card": dict(card),
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": plan.modality or "unknown",
                    "value_range": [],
                    "is_patch_data": True,
                    "channel_def": dict(enumerate(plan.channels)),
                    **size,
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "value_range": [0, 1],
                    "is_patch_data": True,
                    "channel_def": dict(enumerate(names)),
                    **size,
                    "num_channels": plan.outputs,
                }
            },
        },
    }


def readme(plan: Plan, card: Mapping[str, Any]) -> str:
    """What a person should know who finds the folder."""
    return f"""# A {plan.title} for {", ".join(plan.label_set.names)}

{intended_use(plan)}

{_facts(card)}

## Its limits

{_listed(limits(plan, card))}

## Run it

With medseg, from this folder:

    medseg predict . IMAGES --out OUT{_trust(plan)}

{_plain_monai(plan)}

## {"Values in its masks" if plan.label_set.exclusive else "Its masks, one for each label"}

{_masks(plan)}
{_reasons(plan)}"""


def intended_use(plan: Plan) -> str:
    """For what a model of this plan is meant."""
    images = f"{plan.modality} " * bool(plan.modality) + ("images" if plan.dims == 2 else "volumes")
    return f"Research only: not a medical device. Segmentation of {', '.join(plan.label_set.names)} in {images}."


def limits(plan: Plan, card: Mapping[str, Any]) -> tuple[str, ...]:
    """What should not be expected of a model, a sentence each."""
    found = ["It finds nothing but its labels, and where it finds nothing there may be something."]
    if plan.modality:
        found.append(f"It has seen {plan.modality} alone; what it says of other images means nothing.")
    if plan.spacing_mm is not None:
        grid = "×".join(f"{step:.3g}" for step in plan.spacing_mm)
        found.append(f"It works on a grid of {grid} mm: what is smaller than a few such voxels may be missed.")
    else:
        found.append("It was trained without physical spacing: structures must be as large in the picture as there.")
    if "validation Dice" in card:
        found.append("Its weights were chosen by the validation cases, so that their Dice is a little too good.")
    if plan.members > 1:
        found.append("Out-of-fold scores are of single members, each on patients that it had not seen.")
    found.append("Its scores are of patients from the training's data set: judge it on your own before you rely on it.")
    return tuple(found)


def _listed(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _label_values(labels: Labels) -> dict[str, int]:
    """What masks hold, where they are one label map; readers of the metadata alone need it."""
    return dict(zip(("background", *labels.names), labels.written_values, strict=True)) if labels.exclusive else {}


def _facts(card: Mapping[str, Any]) -> str:
    """A line each; what holds several values, such as scores by label, on lines below its name."""
    lines = []
    for key, value in card.items():
        inner = value if isinstance(value, Mapping) else {}
        lines += [f"- {key}:{'' if inner else f' {value}'}", *(f"    - {name}: {one}" for name, one in inner.items())]
    return "\n".join(lines)


def _trust(plan: Plan) -> str:
    """What the command needs where the network is somebody's code."""
    if not is_own(plan.network.name):
        return ""
    return f""" --trusted

Its network `{plan.network.name}` is code of whoever made this folder, which runs: say `--trusted` only where you trust
them."""


def _plain_monai(plan: Plan) -> str:
    if not plan.portable:
        return f"It runs in medseg only: {plan.reasons.get('portable', 'plain MONAI lacks a part of its plan')}."
    cleaned = " before their cleaning" if plan.postprocessing != Postprocessing() else ""
    return f"""In plain MONAI, without medseg, likewise:

    pip install monai nibabel scipy fire pytorch-ignite pillow
    {bundle_command(Path())}

`IMAGE` is a {"NIfTI file" if plan.dims == 3 else "PNG file"} or a folder of them. The masks equal those of
`medseg predict --portable`{cleaned}."""


def _masks(plan: Plan) -> str:
    labels = plan.label_set
    if labels.exclusive:
        rows = [f"| {label.name} | {label.values[0]} |" for label in labels.labels]
        return "\n".join(["| label | value |", "| --- | --- |", *rows])
    rows = [f"| {name} | `{stem}` |" for name, stem in zip(labels.names, label_file_stems(labels.names), strict=True)]
    return "\n".join(["| label | file |", "| --- | --- |", *rows])


def _reasons(plan: Plan) -> str:
    if not plan.reasons:
        return ""
    rows = "\n".join(f"- {key}: {reason}" for key, reason in plan.reasons.items())
    return f"""
## Why its numbers are what they are

{rows}
"""
