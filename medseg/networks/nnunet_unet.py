"""The two networks that nnU-Net v2 plans: its plain U-Net and the U-Net with a residual encoder.

They were written from nnU-Net's description of them (Isensee et al. 2021; ResEnc: 2024, "nnU-Net Revisited") and
take its weights; only the finest logits are computed, as nnU-Net predicts.
"""

from dataclasses import dataclass

import torch
from torch import nn

from medseg.networks.nnunet_layers import ConvStack, Layers, ResidualStack

__all__ = ["NnUNet", "UNetShape", "canonical_name"]

Sizes = tuple[tuple[int, ...], ...]
_TRANSPOSED: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@dataclass(frozen=True)
class UNetShape:
    """One of nnU-Net's networks in numbers; stages from the finest to the coarsest.

    Args:
        residual: Whether the encoder is of residual blocks behind a stem.
        channels: Of the images.
        outputs: Of the logits.
        features: Of each stage.
        kernels: Of each stage's convolutions.
        strides: By which each stage is coarser than the one before.
        encoder: Convolutions, or residual blocks, of each stage on the way down.
        decoder: Convolutions of each stage on the way up, coarsest first.
        layers: What all blocks share.
        stem: Features of the stem before residual blocks, where not those of the first stage.
    """

    residual: bool
    channels: int
    outputs: int
    features: tuple[int, ...]
    kernels: Sizes
    strides: Sizes
    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    layers: Layers
    stem: int | None = None


class NnUNet(nn.Module):
    """nnU-Net's network: images (B, C, *patch) to logits (B, outputs, *patch)."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.encoder = _Encoder(shape)
        self.decoder = _Decoder(shape)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of a batch of windows."""
        logits: torch.Tensor = self.decoder(self.encoder(images))
        return logits


class _Encoder(nn.Module):
    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        layers, inputs = shape.layers, shape.channels
        self.stem: nn.Module | None = None
        if shape.residual:
            outputs = shape.stem or shape.features[0]
            self.stem = ConvStack(layers, 1, inputs, outputs, shape.kernels[0], (1,) * layers.dims)
            inputs = outputs
        stages: list[nn.Module] = []
        widths = (inputs, *shape.features[:-1])
        for before, after, kernel, stride, count in zip(
            widths, shape.features, shape.kernels, shape.strides, shape.encoder, strict=True
        ):
            if shape.residual:
                stages.append(ResidualStack(layers, count, before, after, kernel, stride))
            else:  # nnU-Net has room for a pool before the convolutions, which it does not use
                stages.append(nn.Sequential(ConvStack(layers, count, before, after, kernel, stride)))
        self.stages = nn.Sequential(*stages)

    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        """The features of every stage, finest first."""
        if self.stem is not None:
            features = self.stem(features)
        found = []
        for stage in self.stages:
            features = stage(features)
            found.append(features)
        return found


class _Decoder(nn.Module):
    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        layers, dims = shape.layers, shape.layers.dims
        steps = list(zip(shape.features[1:], shape.features[:-1], shape.kernels[:-1], shape.strides[1:], strict=True))
        ups, stages, heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for (below, width, kernel, stride), count in zip(reversed(steps), shape.decoder, strict=True):
            ups.append(_TRANSPOSED[dims](below, width, stride, stride, bias=layers.bias))
            stages.append(ConvStack(layers, count, 2 * width, width, kernel, (1,) * dims))
            heads.append(layers.convolution(width, shape.outputs, (1,) * dims, (1,) * dims, bias=True))
        # The coarser heads were trained by deep supervision: they take their weights and are not asked.
        self.transpconvs, self.stages, self.seg_layers = ups, stages, heads

    def forward(self, skips: list[torch.Tensor]) -> torch.Tensor:
        """The finest logits, from the features of the encoder's stages."""
        features = skips[-1]
        for up, stage, skip in zip(self.transpconvs, self.stages, reversed(skips[:-1]), strict=True):
            features = stage(torch.cat((up(features), skip), 1))
        logits: torch.Tensor = self.seg_layers[-1](features)
        return logits


def canonical_name(name: str) -> str:
    """The name in `NnUNet` of a tensor that nnU-Net saved: it saves most tensors under up to four names.

    A decoder holds its encoder once more, and a block all its parts once more in `all_modules`: the convolution first,
    and of the others only the norm has tensors. Trainings on several GPUs or compiled ones put a prefix before all.
    """
    for prefix in ("module.", "_orig_mod."):
        name = name.removeprefix(prefix)
    name = name.replace("decoder.encoder.", "encoder.", 1)
    before, found, after = name.partition(".all_modules.")
    if not found:
        return name
    number, _, tensor = after.partition(".")
    return f"{before}.{'conv' if number == '0' else 'norm'}.{tensor}"
