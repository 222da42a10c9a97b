"""Open a model, and segment and measure what it is given."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.case import Case
from medseg.config import check
from medseg.datasets import (
    Split,
    cases_from_inputs,
    require_no_leak,
)
from medseg.errors import ConfigError
from medseg.ledger import Run
from medseg.line.limits import Limits, seconds_of
from medseg.line.network import Facts, Remote
from medseg.options import ReadOptions
from medseg.outputs.learnt_record import with_learnt_patients
from medseg.outputs.record import model_card
from medseg.reporting import Reporter, Silent
from medseg.training.memory import bytes_of
from medseg.workflow.classical_models import is_classical_model, open_classical_model
from medseg.workflow.cluster_opening import open_on_cluster
from medseg.workflow.model_opening import OpenModel, open_for_batch

if TYPE_CHECKING:
    from medseg.batch import Predictions
    from medseg.image import Segmentation
    from medseg.scale import Fleet
    from medseg.segmenter import Model, Segmenter

__all__ = ["is_classical", "load_model", "model_info", "predict", "predict_listed", "predict_with"]


def load_model(path: str | Path, **settings: Any) -> "Model":
    """Open a model, whoever trained it; see `medseg.inference.model_folder.load_model`.

    Args:
        path: A model folder or the folder of its run, an nnU-Net results folder, a MONAI bundle, an ONNX file with
            its `plan.json`, or a classical method: its word (`classical:otsu,side=dark`) or the folder of its fit.
        settings: Fields of `InferenceSettings`: device, precision, backend, speed, max_memory, portable, trusted.

    Raises:
        ConfigError: A setting is unknown or does not fit.
        ModelFolderError: It is no model, incomplete, or needs to be trusted.
    """
    from medseg.inference.settings import InferenceSettings

    checked = check(InferenceSettings, settings, "load_model")
    if is_classical_model(path):
        return open_classical_model(path, checked.model_dump(exclude_defaults=True))
    from medseg.inference.model_folder import load_model as open_path

    return open_path(path, checked)


def model_info(path: str | Path) -> dict[str, Any]:
    """What a model says of itself, without opening it; see `medseg.inference.model_info.model_info`.

    A bare `classical:` lists the classical methods, `classical:otsu` what that one can be told.
    """
    if is_classical_model(path):
        from medseg.classical import classical_info

        return classical_info(path)
    from medseg.inference.model_info import model_info as described

    return described(path)


def predict(
    model: "str | Path | Model",
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    part: str | None = None,
    min_voxels: int = 0,
    reading: Mapping[str, Any] | None = None,
    probabilities: bool = False,
    masks_only: bool = False,
    jobs: int | None = None,
    redo: bool = False,
    retry_failed: bool = False,
    attempts: int = 2,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
    command: str = "",
    reporter: Reporter | None = None,
    series: str | None = None,
    cluster: str | Path | None = None,
    **settings: Any,
) -> "Predictions":
    """Segment and measure files, folders of files, study folders of DICOM series, or a data set.

    What `out` has of the same input, model and settings is kept; so the same call goes on with a run that was killed.

    Args:
        model: What `load_model` takes, or an opened model. Where there are processes, the first is opened in one, so
            that a case that kills it costs nothing but itself; an opened one computes in this process.
        inputs: One or several paths, patterns of them, or zips of a study. For a model of several channels
            `case_0000.nii.gz` and `case_0001.nii.gz` are one case, as nnU-Net has it.
        out: Gets `<case>/mask.nii.gz` (or .png; of labels that overlap `mask_LABEL.nii.gz`), `<case>/preview.png`,
            `regions.csv`, `totals.csv`, `patients.csv`, `cases.csv`, `timings.csv`, `run.json` and `ledger.sqlite`.
        part: Only this part ("test", "validation", "train") of the split that the model was trained with.
        min_voxels: Regions with fewer voxels are left out of the table.
        reading: Fields of `ReadOptions` that are to be other than in training.
        probabilities: Also write `<case>/probabilities.npy`: of the labels, float16, (labels, x, y[, z]).
        masks_only: Write masks and `cases.csv` alone: no previews, nothing is measured.
        jobs: Processes that read the next cases, and as many that write the last ones, while the network works; 0 for
            none, as is chosen for a few small cases. A script needs no `__main__` guard for it.
        redo: Also do again what is done.
        retry_failed: Also do again what has failed.
        attempts: How often a case may take its process down with it, or be lost with the run, before it fails.
        timeout: Most time for a case, such as "30min" or seconds; then its process is killed, which costs an attempt.
        memory_limit: Most memory, such as "8GiB" or bytes, that a process may hold; likewise.
        command: The command line, for `run.json`.
        reporter: Told of the progress.
        series: Which series of each study is its case, such as "modality=CT, slices>20, newest"; see
            `medseg.datasets.cases_from_inputs`.
        cluster: Where the cases are done: "local" (`jobs` workers on this machine), the address of a Dask scheduler
            (tcp://host:port), or a YAML file that says which jobs of a batch system are workers; the model is then a
            path. Masks and tables are those of this process.
        settings: How the model is to run, as in `load_model`; an opened one runs as it was opened. What was chosen for
            "auto" is chosen again when a run goes on.

    Raises:
        ConfigError: A setting is unknown, does not fit, or was given for an opened model.
        MedsegError: An input does not exist, or `out` cannot be written or is in use by another process. A case that
            fails is a row of `cases`.
        KeyboardInterrupt: As the user wished; cases that are finished have their files and rows.
    """
    listed = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    return predict_listed(
        model,
        lambda channels: cases_from_inputs(listed, reporter, channels=channels, series=series),
        out,
        part=part,
        min_voxels=min_voxels,
        reading=reading,
        probabilities=probabilities,
        masks_only=masks_only,
        jobs=jobs,
        redo=redo,
        retry_failed=retry_failed,
        attempts=attempts,
        timeout=timeout,
        memory_limit=memory_limit,
        command=command,
        reporter=reporter,
        cluster=cluster,
        **settings,
    )


def predict_listed(
    model: "str | Path | Model",
    listing: Callable[[int], Sequence[Case]],
    out: str | Path,
    *,
    part: str | None = None,
    min_voxels: int = 0,
    reading: Mapping[str, Any] | None = None,
    probabilities: bool = False,
    masks_only: bool = False,
    jobs: int | None = None,
    redo: bool = False,
    retry_failed: bool = False,
    attempts: int = 2,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
    command: str = "",
    reporter: Reporter | None = None,
    cluster: str | Path | None = None,
    **settings: Any,
) -> "Predictions":
    """`predict`, of the cases that `listing` gives for a model of so many channels."""
    if settings and not isinstance(model, (str, Path)):
        mend = "Give them to load_model, or give predict the model's folder."
        raise ConfigError("predict", f"{', '.join(settings)} given for a model that is open", mend)
    limits = _limits(attempts, timeout, memory_limit)
    with ExitStack() as stack:
        if isinstance(model, (str, Path)):
            opening = open_for_batch
            if cluster is not None:
                opening = partial(open_on_cluster, cluster, reporter=reporter or Silent())
            found = opening(Path(model), settings, listing, Path(out), jobs=jobs, limits=limits, stack=stack)
        elif cluster is not None:
            raise ConfigError("cluster", "given for a model that is open", "Give predict the model's folder.")
        else:
            facts = Facts.of(model)
            found = OpenModel(model, facts, listing(len(facts.channels)))
        facts, cases = found.facts, found.cases
        if settings.get("max_memory") and "max_memory" not in facts.settings:
            raise ConfigError("max_memory", "this kind of model cannot be held to a limit", "Leave it out.")
        if probabilities and facts.settings.get("probabilities") is False:
            found_none = f"{facts.settings.get('method')} has none"
            raise ConfigError("probabilities", found_none, "Leave them away, or use random_walker or gmm.")
        if probabilities and not facts.gives_probabilities:
            told = f"{facts.settings['method']} has none"
            raise ConfigError("probabilities", told, "Leave them away, or use random_walker or gmm.")
        if part is not None:
            cases = _of_part(cases, part, model)
        return predict_with(
            found.model,
            cases,
            Path(out),
            reporter or Silent(),
            min_voxels=min_voxels,
            reading=check(ReadOptions, facts.reading.model_dump() | dict(reading or {}), "reading"),
            probabilities=probabilities,
            masks_only=masks_only,
            jobs=jobs,
            command=command,
            redo=redo,
            retry_failed=retry_failed,
            limits=limits,
            facts=facts,
            asked=settings,
            card=model_card(model) if isinstance(model, (str, Path)) else None,
        )


def predict_with(
    model: "Segmenter | Remote | Fleet",
    cases: Sequence[Case],
    out: Path,
    reporter: Reporter,
    *,
    min_voxels: int = 0,
    reading: ReadOptions | None = None,
    probabilities: bool = False,
    masks_only: bool = False,
    jobs: int | None = None,
    command: str = "",
    look: Callable[[Case, "Segmentation"], None] | None = None,
    redo: bool = False,
    retry_failed: bool = False,
    limits: Limits | None = None,
    facts: Facts | None = None,
    asked: Mapping[str, Any] | None = None,
    card: Mapping[str, Any] | None = None,
) -> "Predictions":
    """Segment and measure cases by an opened model, with the record of what did it; see `predict`.

    With `look`, each segmentation has its probabilities and is shown to it before it is written; then all is done in
    this process, and again where it was done before. `facts` are the model's, `asked` how it was to run, `card`
    what its maker says of it.
    """
    from medseg.batch import facts_of, predict_cases
    from medseg.outputs.learnt_record import machine
    from medseg.outputs.record import versions, write_run

    facts = facts or facts_of(model)
    options = reading or facts.reading
    settings = {"reading": options.model_dump(), **facts.settings, "min_voxels": min_voxels}
    reporter.say(_how_it_runs(facts.settings))
    told = {**settings, "threads": facts.threads}
    run = Run(command, asked=dict(asked or {}), settings=told, versions=versions(), machine=machine())
    description = dict(facts.description)
    done = predict_cases(
        model,
        cases,
        out,
        reporter,
        min_voxels=min_voxels,
        channel_names=facts.channels if len(facts.channels) > 1 else None,
        reading=options,
        look=look,
        jobs=jobs,
        probabilities=probabilities,
        masks_only=masks_only,
        max_memory=facts.settings.get("max_memory"),
        redo=redo,
        retry_failed=retry_failed,
        limits=limits,
        run=run,
        record=lambda: write_run(out / "run.json", description, facts.hash, command, settings, card),
    )
    return replace(done, settings=settings)


def _limits(attempts: int, timeout: str | float | None, memory_limit: str | int | None) -> Limits:
    if attempts < 1:
        raise ConfigError("attempts", f"{attempts}", "Give every case a chance.", "1 or more")
    return Limits(
        attempts,
        None if timeout is None else seconds_of(timeout),
        None if memory_limit is None else bytes_of(str(memory_limit)),
    )


def is_classical(path: str | Path) -> bool:
    """Whether it is the word of a classical method, or holds a fitted one; no library is loaded to know."""
    folders = (Path(path), Path(path) / "model")
    return str(path).startswith("classical:") or any((folder / "classical.json").is_file() for folder in folders)


def _open_classical(path: str | Path, settings: Mapping[str, Any]) -> "Model":
    from medseg.classical import open_classical

    settings = {key: value for key, value in settings.items() if key != "trusted"}
    if settings:
        mend = "Leave it out: a classical method runs on the processor, one image after another."
        raise ConfigError(", ".join(settings), f"has no meaning for {path}", mend)
    return open_classical(path)


def _how_it_runs(settings: Mapping[str, Any]) -> str:
    """In a line, what segments, and why so."""
    if "method" in settings:
        told = [f"{key}={value}" for own in settings["parameters"].values() for key, value in own.items()]
        return f"Classical: {settings['method']}" + (f" ({', '.join(told)})" if told else "")
    told = [f"{key} {settings[key]}" for key in ("backend", "precision", "device", "speed") if settings.get(key)]
    why = f" ({settings['why']})" if settings.get("why") else ""
    return f"Network: {', '.join(told) or 'runs as its maker says'}{why}"


def _of_part(cases: Sequence[Case], part: str, model: Any) -> list[Case]:
    """The cases of one part of the split that lies beside the model folder."""
    run = Path(model) if isinstance(model, (str, Path)) else Path()
    path = next((p for p in (run / "split.json", run.parent / "split.json") if p.exists()), None)
    parts = ("train", "validation", "test")
    if path is None or part not in parts:
        found = f"no split.json beside {run}" if path is None else "is not a part of a split"
        raise ConfigError(f"part {part}", found, "Pass the run's folder, and one of train, validation, test.")
    split = Split.load(path)
    cases = with_learnt_patients(cases, path.with_name("cases.csv"))
    require_no_leak(split, cases, path)
    return split.part(part, cases)
