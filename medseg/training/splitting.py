"""What a model that training starts from has learnt before."""

from pathlib import Path

from medseg.datasets import Split
from medseg.plan import model_root

__all__ = ["learnt_before"]


def learnt_before(model: Path, split: Split) -> tuple[str, ...]:
    """Validation and test cases that a model folder has learnt from, as far as the split beside it tells."""
    path = model_root(model).parent / "split.json"
    if not path.is_file():
        return ()
    return tuple(sorted({*Split.load(path).train} & {*split.validation, *split.test}))
