"""Whether a trained network finds nothing in air, so that prediction may leave its windows out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import nn

from medseg.case import Case
from medseg.errors import MedsegError
from medseg.inference.skipping import air_limits, windows_in_air
from medseg.inference.windows import monai_tiling
from medseg.io import read_case_image
from medseg.plan import Plan
from medseg.transforms.prepare import prepare

__all__ = ["finds_nothing_in_air"]

_CASES = 3
_WINDOWS = 8  # of a case, evenly spread over those in air


def finds_nothing_in_air(
    network: nn.Module, plan: Plan, cases: Sequence[Case], fabric: Fabric
) -> tuple[bool | None, str]:
    """Let a network see windows of air of a few cases.

    Args:
        network: In eval mode; it is moved to Fabric's device and back to the CPU.
        plan: Its plan.
        cases: The first of them are looked at, whole; one that cannot be read is passed over.
        fabric: Device and precision.

    Returns:
        Whether it answered background in every voxel, `None` where no window of air was found; and that in words.
    """
    seen, labelled = 0, 0
    network.to(fabric.device)
    for case in cases[:_CASES]:
        for window in _air_of(case, plan):
            with torch.inference_mode(), fabric.autocast():
                logits = network(fabric.to_device(window[None])).float()
            seen += 1
            labelled += bool(logits.argmax(1).any() if plan.label_set.exclusive else (logits >= 0).any())
    network.cpu()
    if not seen:
        return None, "no window of the validation cases lies in air alone"
    if labelled:
        return False, f"the network finds something in {labelled} of {seen} windows of air"
    return True, f"background in all of {seen} windows of air, so that prediction answers one of them alone"


def _air_of(case: Case, plan: Plan) -> list[torch.Tensor]:
    """Windows (C, *patch) of a case that lie in air."""
    try:
        image = read_case_image(case, plan.reading)
        limits = air_limits(image, plan)
        if limits is None:
            return []
        prepared = prepare(image, plan, crop=False)
    except MedsegError:
        return []
    shape = prepared.restoration.working_shape
    tiling = monai_tiling(shape, plan.patch_size, plan.overlap, plan.batch_size)
    in_air = windows_in_air(image.voxels, limits, prepared.restoration, tiling)
    places = [place for place in tiling.places(0) if in_air(place)]
    before = tiling.before(shape)
    sides = [side for n, b, whole in zip(shape, before, tiling.padded, strict=True) for side in (whole - n - b, b)]
    padded = F.pad(prepared.voxels, sides[::-1])
    chosen = places[:: max(1, -(-len(places) // _WINDOWS))]
    boxes = [tuple(slice(n, n + side) for n, side in zip(place, plan.patch_size, strict=True)) for place in chosen]
    return [padded[(slice(None), *box)] for box in boxes]
