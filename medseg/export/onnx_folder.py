"""A model folder as an ONNX file with its plan, which ONNX Runtime computes without PyTorch's network."""

import shutil
from pathlib import Path

from medseg.atomic import write_text
from medseg.errors import OutputError
from medseg.inference.backends.onnx_runtime import convert, versions
from medseg.inference.backends.original import Original
from medseg.inference.backends.quietly import quietly
from medseg.inference.model_folder import read_network
from medseg.plan import model_root, read_plan

__all__ = ["write_onnx"]


def write_onnx(model: Path, out: Path, *, trusted: bool = False) -> Path:
    """Write the network of a model folder as ONNX, float32, for batches of any size of the plan's patches.

    Args:
        model: A model folder of ours, or the folder of its run; an ensemble is one network.
        out: The folder that gets `network.onnx`, `plan.json` and the card (`configs/metadata.json`).
        trusted: Its network may be somebody's own code; see `load_model`.

    Returns:
        The ONNX file.

    Raises:
        ModelFolderError: The model cannot be read, or is not trusted.
        MissingExtraError: The extra `onnx` is not installed.
        OutputError: The network cannot be exported, or the folder cannot be written.
    """
    root = model_root(model)
    plan = read_plan(root / "plan.json")
    network = read_network(root, plan, trusted=trusted).eval()
    versions()  # what is missing is told before the folder is made
    original = Original(network, (len(plan.channels), *plan.patch_size), plan.label_set.exclusive)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with quietly():
            convert(original, out)
        card = root / "configs" / "metadata.json"
        if card.is_file():
            (out / "configs").mkdir(exist_ok=True)
            shutil.copyfile(card, out / "configs" / "metadata.json")
    except Exception as error:  # whatever tracing a network of anybody's can raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OutputError(out, f"cannot be exported ({first})", "Predict with the model folder.") from error
    write_text(out / "plan.json", plan.model_dump_json(indent=2) + "\n")
    return out / "network.onnx"
