"""Segment and measure files, studies or a data set by a model."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medseg.batch.veil import Veil, require_same_names
from medseg.case import Case
from medseg.datasets import cases_from_inputs
from medseg.errors import ConfigError
from medseg.line.network import Facts
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.writing import writing_of
from medseg.outputs.record import model_card
from medseg.outputs.tables import require_parquet
from medseg.plan import model_root
from medseg.reporting import Reporter, Silent
from medseg.workflow.batch_options import BatchOptions
from medseg.workflow.cluster_opening import open_on_cluster
from medseg.workflow.model_opening import OpenModel, open_for_batch
from medseg.workflow.openings import Openings
from medseg.workflow.parts import cases_of_part
from medseg.workflow.predicting_cases import predict_with

if TYPE_CHECKING:
    from medseg.batch import Predictions
    from medseg.segmenter import Model

__all__ = ["predict", "predict_listed"]


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
    workers: int | None = None,
    redo: bool | Sequence[str] = False,
    retry_failed: bool = False,
    attempts: int = 2,
    timeout: str | float | None = None,
    memory_limit: str | int | None = None,
    command: str = "",
    reporter: Reporter | None = None,
    series: str | None = None,
    cluster: str | Path | None = None,
    pseudonyms: str | Path | None = None,
    parquet: bool = False,
    write: str | Sequence[str] = (),
    codes: str | Path | Mapping[str, Any] | None = None,
    seg: Literal["BINARY", "FRACTIONAL", "LABELMAP"] = "BINARY",
    segments: Literal["label", "region"] | None = None,
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
        workers: Processes in which the network is, each with its share of the processors; on several GPUs, which they
            are spread over. Left out: one for each GPU; on a CPU one, or for a light network one for each processor.
        redo: Also do again what is done: all of it, or cases by their ids (or patterns of them, such as "ward3_*").
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
        pseudonyms: File of a key, made where there is none, outside `out`. Cases and patients are then called by a
            keyed hash in all that is written and said; whose they are is in `pseudonyms.csv` beside the key.
        parquet: Also write `regions.parquet`, which keeps types and every digit; needs the extra `parquet`.
        write: DICOM objects of each case that was read from DICOM, such as "seg,sr": seg, sr, rtstruct, capture. They
            carry the patient's identity, whatever else is under pseudonyms.
        codes: What labels mean in DICOM's codes, by their names, where neither the model nor medseg's table says it;
            a mapping or a YAML file. See `medseg.codes.Coding.from_config`.
        seg: The kind of SEG; FRACTIONAL is of `probabilities`.
        segments: A segment for each label, or for each region, as where an SR is written too, which measures regions.
        settings: How the model is to run, as in `load_model`; an opened one runs as it was opened. What was chosen for
            "auto" is chosen again when a run goes on.

    Raises:
        ConfigError: A setting is unknown, does not fit, or was given for an opened model.
        MedsegError: An input does not exist, or `out` cannot be written or is in use by another process. A case that
            fails is a row of `cases`.
        KeyboardInterrupt: As the user wished; cases that are finished have their files and rows.
    """
    listed = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    options = BatchOptions(
        part=part,
        min_voxels=min_voxels,
        reading=reading,
        probabilities=probabilities,
        masks_only=masks_only,
        jobs=jobs,
        workers=workers,
        redo=redo,
        retry_failed=retry_failed,
        attempts=attempts,
        timeout=timeout,
        memory_limit=memory_limit,
        command=command,
        cluster=cluster,
        pseudonyms=pseudonyms,
        parquet=parquet,
        writing=writing_of(write, codes, seg, segments),
        settings=settings,
    )

    def listing(channels: int) -> Sequence[Case]:
        return cases_from_inputs(listed, reporter, channels=channels, series=series)

    return predict_listed(model, listing, Path(out), options, reporter)


def predict_listed(
    model: "str | Path | Model",
    listing: Callable[[int], Sequence[Case]],
    out: Path,
    options: BatchOptions | None = None,
    reporter: Reporter | None = None,
    openings: Openings | None = None,
) -> "Predictions":
    """`predict`, of the cases that `listing` gives for a model of so many channels.

    Rounds with the same `openings` find the model open.
    """
    options, reporter = options or BatchOptions(), reporter or Silent()
    veil = None if options.pseudonyms is None else Veil.of_key(options.pseudonyms, out)
    require_same_names(out, veil)
    if options.parquet:
        require_parquet("parquet")
    with ExitStack() as stack:
        found = _opened(model, listing, out, options, reporter, stack, openings)
        options.require_fit(found.facts)
        cases = found.cases if options.part is None else cases_of_part(found.cases, options.part, model)
        card = model_card(model) if isinstance(model, (str, Path)) else None
        if options.writing is not None:
            author = Author(_named(model, card or {}))
            cases = options.writing.judged(cases)
            options = replace(options, writing=options.writing.of(author))
        if veil is not None:
            cases = veil.cases(cases)
            veil.keep()
        return predict_with(found.model, cases, out, reporter, options, facts=found.facts, card=card, veil=veil)


def _opened(
    model: "str | Path | Model",
    listing: Callable[[int], Sequence[Case]],
    out: Path,
    options: BatchOptions,
    reporter: Reporter,
    stack: ExitStack,
    openings: Openings | None,
) -> OpenModel:
    """The model, opened where it is best, and its cases."""
    settings, limits = options.settings, options.limits
    if isinstance(model, (str, Path)):
        opening = partial(open_for_batch, workers=options.workers, openings=openings)
        if options.cluster is not None:
            if options.workers is not None:
                raise ConfigError("workers", "given for a cluster", "Give --jobs for local, or say it in its file.")
            opening = partial(open_on_cluster, options.cluster, reporter=reporter)
        return opening(Path(model), settings, listing, out, jobs=options.jobs, limits=limits, stack=stack)
    if settings:
        mend = "Give them to load_model, or give predict the model's folder."
        raise ConfigError("predict", f"{', '.join(settings)} given for a model that is open", mend)
    for name in ("cluster", "workers"):
        if getattr(options, name) is not None:
            raise ConfigError(name, "given for a model that is open", "Give predict the model's folder.")
    facts = Facts.of(model)
    return OpenModel(model, facts, listing(len(facts.channels)))


def _named(model: "str | Path | Model", card: Mapping[str, Any]) -> str:
    """A model's name: that of its card or of its training, else of its folder, or as it was asked for."""
    learnt = card.get("card")
    name = card.get("name") or (learnt.get("name") if isinstance(learnt, Mapping) else None)
    if name:
        return str(name)
    if not isinstance(model, (str, Path)):
        return str(model.description.get("method") or "opened model") if hasattr(model, "description") else "model"
    return str(model) if str(model).startswith("classical:") else model_root(Path(model)).resolve().name
