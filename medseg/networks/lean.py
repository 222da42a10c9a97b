"""Import MONAI's networks without the libraries that other parts of it take: opening a model takes a third less."""

import sys

__all__ = ["allow_lean", "import_networks"]

# What MONAI can do without, and neither its networks nor the transforms that prepare an image ever use: its import
# would load all of these that are installed.
_OTHERS = (
    "ignite",
    "itk",
    "matplotlib",
    "mlflow",
    "pandas",
    "scipy.signal",
    "skimage",
    "sklearn",
    "tensorboard",
    "torchvision",
    "transformers",
)
_allowed = False


def allow_lean() -> None:
    """Say that this process is medseg's own: what MONAI has beside its networks may not work in it."""
    global _allowed
    _allowed = True


def import_networks() -> None:
    """Import MONAI's networks before anybody imports MONAI, lean where that is allowed; else nothing is done."""
    if not _allowed or "monai" in sys.modules:
        return
    hidden = [name for name in _OTHERS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # Python takes None for "is not there"
    try:
        import monai.networks.nets  # noqa: F401
    finally:
        for name in hidden:
            if sys.modules.get(name, name) is None:
                del sys.modules[name]
