"""Networks as a user might write them."""

import torch
from torch import nn

from medseg.plan import Plan


class Pointwise(nn.Module):
    """A small network with a decoder of two stages and a constant of its own."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.lift = nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU())
        self.decoder_stages = nn.ModuleList([nn.Conv2d(6, 5, 3, stride=2, padding=1), nn.Conv2d(6, 4, 1)])
        self.join = nn.ConvTranspose2d(5, 6, 2, 2)
        self.head = nn.Sequential(nn.InstanceNorm2d(4), nn.Conv2d(4, outputs, 1, bias=False))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        coarse = self.decoder_stages[0](self.lift(images))
        fine = self.decoder_stages[1](self.join(coarse) + torch.ones(1, device=images.device))
        return self.head(fine)


def pointwise(plan: Plan) -> nn.Module:
    return Pointwise(len(plan.channels), plan.outputs)


class Branching(Pointwise):
    """It depends on the values of an image, which no exported program can."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images * 2 if images.max() > 3 else images)


def branching(plan: Plan) -> nn.Module:
    return Branching(len(plan.channels), plan.outputs)


def solid(plan: Plan) -> nn.Module:
    return nn.Conv3d(len(plan.channels), plan.outputs, 3, padding=1)


def raising(plan: Plan) -> nn.Module:
    raise KeyError("depth")


def asserting(plan: Plan) -> nn.Module:
    class Asserting(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise AssertionError

    return Asserting()


def halving(plan: Plan) -> nn.Module:
    return nn.Conv2d(len(plan.channels), plan.outputs, 2, 2)


def failing(plan: Plan) -> nn.Module:
    return nn.Conv2d(7, plan.outputs, 1)


def listing(plan: Plan) -> list[int]:
    return [plan.outputs]


no_function = 3
