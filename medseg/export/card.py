"""What a model says of itself: the bundle's `configs/metadata.json` and its `README.md`."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from medseg.export.inference_config import bundle_command
from medseg.io.label_files import label_file_stems
from medseg.plan import Plan, Postprocessing
from medseg.trust import is_own

__all__ = ["metadata", "readme"]


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
        "intended_use": "Research only: not a medical device.",
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

Research only: not a medical device.

{_facts(card)}

## Run it

With medseg, from this folder:

    medseg predict . IMAGES --out OUT{_trust(plan)}

{_plain_monai(plan)}

## {"Values in its masks" if plan.label_set.exclusive else "Its masks, one for each label"}

{_masks(plan)}
{_reasons(plan)}"""


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
