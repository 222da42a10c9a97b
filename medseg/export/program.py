"""A network as an exported program (`models/model.pt2`): it runs in plain PyTorch, without the code that made it."""

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from medseg.errors import OutputError
from medseg.plan import Plan

__all__ = ["PROGRAM", "export_network"]

PROGRAM = "models/model.pt2"


def export_network(network: nn.Module, plan: Plan) -> ExportedProgram:
    """A network in eval mode, float32, for batches of any size of the plan's patches.

    Raises:
        OutputError: What the network does cannot be exported (it depends on the values of an image, say).
    """
    # From an example of one, torch.export would take 1 for the only batch size.
    example = torch.zeros(2, len(plan.channels), *plan.patch_size)
    learns = network.training
    try:
        return torch.export.export(network.eval(), (example,), dynamic_shapes=({0: Dim("batch")},), strict=False)
    except Exception as error:  # whatever tracing a network of anybody's can raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        mend = "Write its forward without branches on values; until then it runs only where its code is."
        raise OutputError(plan.network.name, f"cannot be exported ({first})", mend) from error
    finally:
        network.train(learns)
