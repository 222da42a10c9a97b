"""A process of medseg's own loads of MONAI the networks alone: they are the same, and nothing else is harmed by it."""

import subprocess
import sys

LEAN = """
import sys
import torch
from medseg.networks.lean import allow_lean, import_networks

allow_lean()
import_networks()
heavy = {"ignite", "mlflow", "matplotlib", "pandas", "skimage", "sklearn", "scipy.signal"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert None not in [sys.modules.get(name, 0) for name in heavy]
"""
THE_SAME = """
from monai.networks.nets import DynUNet, FlexibleUNet, SegResNet

torch.manual_seed(0)
dynunet = DynUNet(3, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], filters=[4, 8, 8])
others = SegResNet(2, 8, 1, 2), FlexibleUNet(1, 2, "efficientnet-b0", spatial_dims=2)
found = dynunet(torch.ones(1, 1, 8, 8, 8)), *(one.eval()(torch.ones(1, 1, 32, 32)) for one in others)
print([one.double().sum().item() for one in found], [sorted(one.state_dict()) for one in (dynunet, *others)])
"""
NOT_HARMED = """
import matplotlib.pyplot, nibabel, pandas, scipy.signal, skimage.measure
assert pandas.Series([1]).sum() == 1
assert skimage.measure.label(torch.ones(2, 2).numpy()).max() == 1
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_networks_are_those_of_a_whole_monai():
    assert run(LEAN + THE_SAME) == run("import torch, monai" + THE_SAME) != ""


def test_what_was_left_out_can_be_imported_afterwards():
    run(LEAN + NOT_HARMED)


def test_where_it_is_not_allowed_nothing_is_imported():
    run(
        "import sys; from medseg.networks.lean import import_networks; import_networks();"
        "assert 'monai' not in sys.modules"
    )
