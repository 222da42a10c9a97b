"""Deep supervision: in training, the coarser levels of a network's decoder answer too."""

import copy
from functools import partial

import torch
from monai.networks.layers.factories import Conv
from monai.networks.nets import DynUNet, FlexibleUNet, SegResNet
from torch import nn

from medseg.plan import Plan

__all__ = ["DeepSupervision", "decoder_stages"]

# Where MONAI's networks keep the stages of their decoders, coarsest first.
_STAGES: dict[type[nn.Module], str] = {DynUNet: "upsamples", SegResNet: "up_layers", FlexibleUNet: "decoder.blocks"}


def decoder_stages(network: nn.Module) -> list[nn.Module]:
    """The modules whose outputs are the levels of the decoder, coarsest first; empty where they are not known.

    A network of your own is deeply supervised where it has such a `decoder_stages` (an `nn.ModuleList`).
    """
    stages = getattr(network, "decoder_stages", None)
    if stages is None and type(network) in _STAGES:
        stages = network.get_submodule(_STAGES[type(network)])
    return list(stages) if isinstance(stages, nn.ModuleList) else []


class DeepSupervision(nn.Module):
    """A network whose coarser decoder levels give logits too, by a 1×1 convolution each, as in nnU-Net.

    It is only for training: `network` stays as it was and is what predicts and is saved. The lowest level of the
    decoder has no head, to which nnU-Net gives the weight 0.

    Args:
        network: (B, C, *patch) to logits (B, outputs, *patch).
        plan: Its plan; without `network.deep_supervision` there are no coarser levels.
    """

    def __init__(self, network: nn.Module, plan: Plan) -> None:
        super().__init__()
        self.network = network
        stages = decoder_stages(network) if plan.network.deep_supervision else []
        self._coarser = range(1, len(stages) - 1)
        self.heads = nn.ModuleList(_head(plan, width) for width in self._widths(plan))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Logits of images (B, C, *patch), finest first, each at its level's own resolution."""
        finest, features = self._run(self.network, images)
        return [finest, *(head(feature) for head, feature in zip(self.heads, features, strict=True))]

    def _run(self, network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """What the network and its coarser levels give, finest first."""
        stages, levels = decoder_stages(network), list(reversed(self._coarser))
        features: dict[int, torch.Tensor] = {}
        # Hooks only while it runs: the network itself stays free of them, for copies, export and prediction.
        hooks = [stages[level].register_forward_hook(partial(_keep, features, level)) for level in levels]
        try:
            logits = network(images)
        finally:
            for hook in hooks:
                hook.remove()
        return logits, [features[level] for level in levels]

    def _widths(self, plan: Plan) -> list[int]:
        """Channels of the levels that get a head, seen in a run without numbers."""
        if not self._coarser:
            return []
        on_meta = copy.deepcopy(self.network).to("meta")
        _, features = self._run(on_meta, torch.empty(2, len(plan.channels), *plan.patch_size, device="meta"))
        return [feature.shape[1] for feature in features]


def _head(plan: Plan, width: int) -> nn.Module:
    head = Conv[Conv.CONV, plan.dims](width, plan.outputs, 1)
    nn.init.kaiming_normal_(head.weight, a=0.01)
    nn.init.zeros_(head.bias)
    return head


def _keep(
    features: dict[int, torch.Tensor], level: int, _module: nn.Module, _inputs: object, out: torch.Tensor
) -> None:
    features[level] = out
