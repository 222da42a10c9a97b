"""Runs a bundle's own inference config on one image at a time, through MONAI's `ConfigWorkflow`.

The config decides how an image is loaded, prepared, cut into windows and postprocessed. Ours is only what goes in
and what comes out: its list of files becomes the image at hand, and its savers hand over what they would write.
"""

import contextlib
import logging
import shutil
import sys
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medseg.errors import MissingExtraError, ModelFolderError

__all__ = ["Workflow"]

_RUNS = ("run", "evaluating")  # what a config is run by; the second until MONAI 1.1

_LOGGERS = ("monai", "monai.bundle.workflows")  # they warn of packages that a bundle need not have


class Workflow:
    """An opened bundle. Its config can run code: open only one whose maker is trusted.

    Args:
        root: The bundle's folder.
        config: Its inference config, JSON or YAML.
        device: Where its network runs, such as "cpu" or "cuda:0".

    Raises:
        ModelFolderError: The config lacks a part, or fails.
        MissingExtraError: pytorch-ignite, which runs MONAI's evaluators, is not installed.
    """

    def __init__(self, root: Path, config: Path, device: str) -> None:
        if find_spec("ignite") is None:
            mend = "Install it: pip install 'medseg[bundle]'."
            raise MissingExtraError("a MONAI bundle", "pytorch-ignite is not installed", mend)
        self._root = root
        self._config = config
        self._kept: dict[str, Any] = {}
        # What a bundle writes besides its masks (metrics, logs) has no place in our outputs.
        scratch = tempfile.mkdtemp(prefix="medseg-bundle-")
        weakref.finalize(self, shutil.rmtree, scratch, True)
        with self._running():
            self._workflow = self._opened(device, scratch)
            parser = self._workflow.parser
            self._dataset = parser.get_parsed_content("dataset")
            self._catch(parser.get_parsed_content("evaluator#postprocessing"))
        self._first = True

    def run(self, image: str | list[str]) -> Mapping[str, Any]:
        """What the bundle makes of an image.

        Args:
            image: Its file, or one for each channel.

        Returns:
            What its savers would have written, by their keys, channel first, and as `image` what the network saw.
        """
        self._kept.clear()
        self._dataset.data = [{"image": image}]
        with self._running():
            self._workflow.run()
            if self._first:
                self._keep_weights()
        self._first = False
        seen = self._kept.pop("image", None)
        if not self._kept:
            raise ModelFolderError(self._config, "gives no mask", "Its postprocessing must leave `pred`.")
        return {"image": seen, **self._kept}

    def _opened(self, device: str, scratch: str) -> Any:
        from monai.bundle import ConfigWorkflow

        workflow = ConfigWorkflow(str(self._config), workflow_type="inference", logging_file=False)
        parser = workflow.parser
        for needed in ("dataset#transform", "evaluator#val_data_loader", "evaluator#postprocessing"):
            if needed not in parser:
                mend = "Such a bundle does not run image by image: run it in MONAI, and measure its masks."
                raise ModelFolderError(self._config, f"has no {needed.replace('#', '.')}", mend)
        workflow.run_id = next((key for key in _RUNS if key in parser), _RUNS[0])
        ours = {"bundle_root": str(self._root), "device": f"$torch.device('{device}')"}
        ours |= {"output_dir": scratch, "dataset_dir": scratch}
        parser.update({key: value for key, value in ours.items() if key in parser})
        parser["dataset"] = {
            "_target_": "Dataset",
            "data": [{"image": ""}],  # one item; each run puts its own there
            "transform": parser["dataset#transform"],
        }
        parser["evaluator#val_data_loader"] = {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "num_workers": 0,
        }
        workflow.initialize()
        return workflow

    def _catch(self, postprocessing: Any) -> None:
        """Let its savers keep what they are given instead of writing it."""
        from monai.transforms import Compose

        if not isinstance(postprocessing, Compose):
            raise ModelFolderError(self._config, "its postprocessing is no Compose", "Write it as MONAI's Compose.")
        if not self._caught(postprocessing):
            postprocessing.transforms = (*postprocessing.transforms, _Keep(("pred",), self._kept))

    def _caught(self, compose: Any) -> bool:
        from monai.transforms import Compose, SaveImaged

        steps, found = [], False
        for step in compose.transforms:
            if isinstance(step, Compose):
                found |= self._caught(step)
            elif isinstance(step, SaveImaged):
                step, found = _Keep(step.keys, self._kept), True
            steps.append(step)
        compose.transforms = tuple(steps)
        return found

    def _keep_weights(self) -> None:
        """Load no weights again: a config whose handlers load them does so whenever its evaluator starts."""
        from ignite.engine import Events
        from monai.handlers import CheckpointLoader

        evaluator = self._workflow.evaluator
        for handler in self._workflow.handlers or ():
            if isinstance(handler, CheckpointLoader) and evaluator.has_event_handler(handler, Events.STARTED):
                evaluator.remove_event_handler(handler, Events.STARTED)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """The bundle's own modules are found, what it prints goes to standard error, and what fails is named."""
        path, loggers = sys.path.copy(), [logging.getLogger(name) for name in _LOGGERS]
        levels = [logger.level for logger in loggers]
        sys.path.insert(1, str(self._root))
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of MONAI's versions and optional packages: nothing a user can mend
                yield
        except (ModelFolderError, MissingExtraError, MemoryError):
            raise
        except Exception as error:  # whatever the code of anybody can raise
            first: BaseException = error
            while first.__cause__ is not None:  # MONAI wraps what a transform raises in errors of its own
                first = first.__cause__
            told = ": ".join([type(first).__name__, *str(first).strip().splitlines()[:1]])
            mend = "Install what its metadata.json requires, or mend its config; --debug shows where it failed."
            raise ModelFolderError(self._config, f"fails as the bundle runs it ({told})", mend) from error
        finally:
            sys.path[:] = path
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


class _Keep:
    """A transform that keeps what a saver would write, and the image that belongs to it."""

    def __init__(self, keys: Sequence[Any], kept: dict[str, Any]) -> None:
        self._keys = tuple(str(key) for key in keys)
        self._kept = kept

    def __call__(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        self._kept |= {key: data[key] for key in (*self._keys, "image") if key in data}
        return data
