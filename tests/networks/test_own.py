"""A network of the user's own is tried before it is trusted."""

import pytest
import torch
from plans import plan_2d

from medseg.errors import ConfigError
from medseg.networks.building import build_network
from medseg.networks.ensemble import Ensemble
from medseg.networks.own import find_factory
from medseg.networks.supervision import DeepSupervision


def planned(name: str, **changes):
    plan = plan_2d(**changes)
    return plan.model_copy(update={"network": plan.network.model_copy(update={"name": name})})


def test_a_factory_of_the_users_makes_the_network():
    plan = planned("our_networks:pointwise")
    network = build_network(plan)
    assert network.training
    assert network(torch.rand(3, 1, 32, 32)).shape == (3, 2, 32, 32)
    assert len(DeepSupervision(network, plan)(torch.rand(1, 1, 32, 32))) == 1  # two stages, the lowest left out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package.module:factory", "put its folder on PYTHONPATH"),
        ("our_networks:missing", "no function 'missing'"),
        ("our_networks:no_function", "no function 'no_function'"),
        (":", "package.module:factory"),
        ("our_networks:listing", "gives a list"),
        ("our_networks:raising", "our_networks:raising fails (KeyError: 'depth'). Mend the factory"),
        ("our_networks:asserting", "fails on a patch [32, 32] (AssertionError)"),
        ("our_networks:failing", "fails on a patch [32, 32]"),
        ("our_networks:halving", "(1, 2, 16, 16), expected (1, 2, 32, 32)"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_is_wrong(name, message):
    with pytest.raises(ConfigError, match=r"plan\.network\.name") as error:
        build_network(planned(name))
    assert message in str(error.value)


def test_what_a_factory_raised_stays_behind_the_error():
    with pytest.raises(ConfigError) as error:
        build_network(planned("our_networks:raising"))
    assert isinstance(error.value.__cause__, KeyError)


@pytest.mark.parametrize("text", ["def factory(:", "1 / 0", "assert False"])
def test_a_module_that_fails_when_imported_is_refused_by_name(text, tmp_path, monkeypatch):
    (tmp_path / "unfinished_module.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"unfinished_module cannot be imported .*Error.* mend the module"):
        find_factory("unfinished_module:factory")


def test_a_package_that_lacks_another_is_not_taken_for_missing(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import not_there_either\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="not_there_either"):
        find_factory("needs_more:factory")


def test_an_ensemble_is_the_mean_of_its_members_logits():
    plan = plan_2d(members=3)
    network, images = build_network(plan).eval(), torch.rand(2, 1, 32, 32)
    assert isinstance(network, Ensemble)
    assert "members.2." in "".join(network.state_dict())
    mean = torch.stack([member(images) for member in network.members]).mean(0)
    assert torch.allclose(network(images), mean, atol=1e-6)
