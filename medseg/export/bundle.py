"""A trained network as a model folder: a MONAI bundle that runs in plain MONAI, without medseg."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from medseg.atomic import atomic_path, write_json, write_text
from medseg.errors import OutputError
from medseg.export.card import metadata, readme
from medseg.export.inference_config import bundle_command, inference_config
from medseg.export.program import PROGRAM, export_network
from medseg.networks.building import monai_definition
from medseg.networks.weights import weight_bytes
from medseg.plan import Plan

__all__ = ["bundle_command", "write_bundle"]


def write_bundle(folder: Path, plan: Plan, network: nn.Module, card: Mapping[str, Any]) -> Plan:
    """Write the model folder.

    A network that is not one of MONAI's own classes travels as an exported program too.

    Args:
        folder: Where it is made: `plan.json`, `README.md`, `configs/` and `models/`.
        plan: The plan that the weights belong to.
        network: The plan's network with its weights, float32, on the CPU.
        card: What the model is, in a few JSON values: trained on, scores, seed.

    Returns:
        The plan as it was saved: not portable where the network cannot be exported.

    Raises:
        OutputError: Something cannot be written.
    """
    definition, program = monai_definition(plan), None
    if definition is None:
        try:
            program = export_network(network, plan)
        except OutputError as error:
            reasons = {**plan.reasons, "portable": f"the network {error}".rstrip(".")}
            plan = plan.model_copy(update={"portable": False, "reasons": reasons})
    _write_weights(folder, network, program)
    write_json(folder / "configs" / "metadata.json", metadata(plan, card))
    if plan.portable:
        write_json(folder / "configs" / "inference.json", inference_config(plan, definition))
    write_text(folder / "README.md", readme(plan, card))
    # Last, because a model folder is known by its plan: what has one is whole.
    write_text(folder / "plan.json", plan.model_dump_json(indent=2) + "\n")
    return plan


def _write_weights(folder: Path, network: nn.Module, program: ExportedProgram | None) -> None:
    try:
        with atomic_path(folder / "models" / "model.safetensors") as unfinished:
            unfinished.write_bytes(weight_bytes(network))
        with atomic_path(folder / "models" / "model.pt") as unfinished:
            torch.save(network.state_dict(), unfinished)
        if program is not None:
            with atomic_path(folder / PROGRAM) as unfinished:
                torch.export.save(program, unfinished)
    except RuntimeError as error:
        raise OutputError(folder, f"the weights cannot be written ({error})", "Free some space there.") from error
