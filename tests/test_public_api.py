"""The public surface: what is promised exists, and what exists is promised."""

import importlib
import pkgutil

import pytest

import medseg

MODULES = [module.name for module in pkgutil.walk_packages(medseg.__path__, "medseg.") if "__main__" not in module.name]
PROMISED = {
    *("open_dataset", "train", "load_model", "measure", "evaluate", "predict", "read_image", "write_mask"),
    *("Case", "Geometry", "Image", "Labels", "MedsegError", "Segmentation", "Segmenter"),
}


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_names_in_all_exists(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it is for"
    if hasattr(module, "__path__") and not hasattr(module, "__all__"):
        return  # a package that exports nothing of its own
    assert len(set(module.__all__)) == len(module.__all__)
    assert [word for word in module.__all__ if not hasattr(module, word)] == []


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_and_classes_are_named_in_all(name):
    module = importlib.import_module(name)
    own = {word for word, value in vars(module).items() if getattr(value, "__module__", None) == name}
    if name == "medseg.cli":
        return  # its functions are the commands, reached through `app`
    public = {word for word in own if not word.startswith("_") and callable(getattr(module, word))}
    assert public <= set(getattr(module, "__all__", ()))


def test_the_package_offers_what_it_promises():
    assert set(medseg.__all__) >= PROMISED
    for name in medseg.__all__:
        assert getattr(medseg, name) is not None


def test_all_and_the_table_of_homes_agree():
    assert set(medseg.__all__) == {*medseg._HOMES, "__version__"}
    assert dir(medseg) == sorted(medseg.__all__)


def test_every_error_is_public():
    errors = importlib.import_module("medseg.errors")
    assert set(errors.__all__) <= set(medseg.__all__)


def test_an_unknown_name_is_refused_as_usual():
    with pytest.raises(AttributeError, match="no attribute 'segmentt'"):
        _ = medseg.segmentt


def test_the_version_is_that_of_the_installed_package():
    assert importlib.import_module("importlib.metadata").version("medseg") == medseg.__version__
