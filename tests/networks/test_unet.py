"""The planned U-Net gives one logit a class and voxel."""

import torch
from plans import plan_3d

from medseg.networks import build_network
from medseg.plan import NetworkPlan


def test_a_3d_network_keeps_the_shape():
    network = build_network(plan_3d()).eval()
    assert network(torch.zeros(1, 1, 16, 24, 8)).shape == (1, 3, 16, 24, 8)


def test_a_2d_network_with_two_channels_and_thin_axis_strides():
    flat = NetworkPlan(features=(4, 8, 8), kernels=((3, 3), (1, 3), (3, 3)), strides=((1, 1), (1, 2), (2, 2)))
    network = build_network(plan_3d(dims=2, channels=("a", "b"), patch_size=(8, 16), network=flat)).eval()
    assert network(torch.zeros(2, 2, 8, 16)).shape == (2, 3, 8, 16)
