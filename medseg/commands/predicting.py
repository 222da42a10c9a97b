"""The command that segments and measures studies: predict."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from medseg.commands.archive_input import Cache, Store, predict_from, show_found, source_of
from medseg.commands.company import require_company
from medseg.commands.dicom_options import Codes, SegKind, SegSegments, Write
from medseg.commands.input_options import (
    DryRun,
    Once,
    Quiet,
    Series,
    Watch,
    command_line,
    follow,
    listing_of,
    refuse_together,
    show_forecast,
    show_jobs,
)
from medseg.commands.options import (
    SHOWN_REGIONS,
    Frame,
    Json,
    OutFolder,
    Reading,
    Trusted,
    Untilt,
    bars,
    reading_changes,
    show,
    show_failures,
)
from medseg.commands.pacs import Nodes
from medseg.commands.run_options import (
    Attempts,
    Backend,
    Cluster,
    Device,
    Inputs,
    Jobs,
    MasksOnly,
    MaxMemory,
    MemoryLimit,
    MinVoxels,
    ModelPath,
    Parquet,
    Part,
    Portable,
    Precision,
    Probabilities,
    Pseudonyms,
    Redo,
    RedoCase,
    RetryFailed,
    Speed,
    Timeout,
    Workers,
)

if TYPE_CHECKING:
    from medseg.batch import Predictions

__all__ = ["predict"]


def predict(
    ctx: typer.Context,
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    series: Series = None,
    dry_run: DryRun = False,
    watch: Watch = False,
    quiet: Quiet = "30s",
    once: Once = False,
    part: Part = None,
    speed: Speed = "normal",
    backend: Backend = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    max_memory: MaxMemory = None,
    jobs: Jobs = None,
    workers: Workers = None,
    cluster: Cluster = None,
    parquet: Parquet = False,
    pseudonyms: Pseudonyms = None,
    redo: Redo = False,
    redo_case: RedoCase = None,
    retry_failed: RetryFailed = False,
    attempts: Attempts = 2,
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
    probabilities: Probabilities = False,
    masks_only: MasksOnly = False,
    portable: Portable = False,
    trusted: Trusted = False,
    write: Write = None,
    codes: Codes = None,
    seg: SegKind = "BINARY",
    segments: SegSegments = None,
    store: Store = False,
    nodes: Nodes = None,
    cache: Cache = "10GiB",
    min_voxels: MinVoxels = 0,
    frame: Frame = None,
    untilt: Untilt = False,
    reading: Reading = None,
    as_json: Json = False,
) -> None:
    """Segment and measure studies: a mask and a preview a case, one table of regions, one of cases.

    The same command again goes on with a run that was killed, and does what is missing or has changed. With --watch it
    follows a folder until Ctrl-C, which then is no interruption: 0 or 1. Exit code 0:
    all done; 1: a case failed, its reason is in cases.csv; 2: it could not run; 130: Ctrl-C (143: SIGTERM), which
    finishes what is in the network (twice: stops at once), and finished cases keep files and rows.
    """
    from medseg.outputs.dicom.writing import writing_of
    from medseg.workflow.batch_options import BatchOptions
    from medseg.workflow.predicting import predict_listed

    _refuse_idle(ctx)
    options = BatchOptions(
        part=part,
        min_voxels=min_voxels,
        reading=reading_changes(reading, frame, untilt),
        probabilities=probabilities,
        masks_only=masks_only,
        jobs=jobs,
        workers=workers,
        redo=redo or tuple(redo_case or ()),
        retry_failed=retry_failed,
        attempts=attempts,
        timeout=timeout,
        memory_limit=memory_limit,
        command=command_line(inputs if pseudonyms else ()),
        cluster=cluster,
        pseudonyms=pseudonyms,
        parquet=parquet,
        writing=writing_of(write or "", codes, seg, segments),
        settings={
            "speed": speed,
            "backend": backend,
            "device": device,
            "precision": precision,
            "max_memory": max_memory,
            "portable": portable,
            "trusted": trusted,
        },
    )
    if (source := source_of(inputs, store=store)) is not None:
        if dry_run:
            refuse_together("--dry-run", {"--watch": watch})
            show_found(source, model, out, options, nodes, series, as_json=as_json)
            return
        other = {"--watch": watch, "--json": as_json}
        predict_from(source, model, out, options, nodes, series=series, store=store, cache=cache, other=other)
        return
    require_company(ctx, ("--nodes", "--cache"), "an archive as INPUTS", there=False)
    if dry_run:
        refuse_together("--dry-run", {"--watch": watch, "--part": part})
        if cluster is not None:
            show_jobs(cluster, as_json=as_json)
        show_forecast(model, inputs, out, series, options, as_json=as_json)
        return
    if watch:
        refuse_together(
            "--watch", {"--cluster": cluster, "--part": part, "--redo": redo or redo_case, "--json": as_json}
        )
        follow(model, inputs, out, series, options, quiet=quiet, once=once)
        return
    with bars() as reporter:
        done = predict_listed(model, listing_of(inputs, series, reporter), out, options, reporter)
    _tell(done, out, masks_only=masks_only, as_json=as_json)
    if len(done.failed):
        raise typer.Exit(1)


def _refuse_idle(ctx: typer.Context) -> None:
    """Refuse options that would do nothing as they are given.

    Raises:
        ConfigError: There is one.
    """
    from medseg.outputs.dicom.writing import kinds_of

    given = ctx.params
    require_company(ctx, ("--quiet", "--once"), "--watch", given["watch"])
    require_company(ctx, ("--codes", "--seg", "--segments"), "--write", given["write"])
    if given["write"]:
        require_company(ctx, ("--seg", "--segments"), "seg in --write", "seg" in kinds_of(given["write"]))
    if given["masks_only"]:
        refuse_together("--masks-only", {"--parquet": given["parquet"], "--min-voxels": given["min_voxels"]})
    if given["redo"]:
        refuse_together("--redo", {"--redo-case": given["redo_case"]})
    if given["cluster"] not in (None, "local"):
        refuse_together(f"--cluster {given['cluster']}", {"--jobs": given["jobs"] is not None})


def _tell(done: "Predictions", out: Path, *, masks_only: bool, as_json: bool) -> None:
    from medseg.atomic import json_text
    from medseg.outputs.console import frame_table

    if as_json:
        failed = done.failed[["case", "error"]].to_dict("records")
        told = {"out": str(out), "cases": len(done.cases), "failed": failed, "settings": dict(done.settings)}
        typer.echo(json_text(told, sort_keys=False))
        return
    if not masks_only:
        show(frame_table(done.regions, f"Regions ({out / 'regions.csv'})", columns=SHOWN_REGIONS))
    left_out = f", {len(done.skipped)} left out" if len(done.skipped) else ""
    many = len(done.cases) - len(done.failed) - len(done.skipped)
    typer.echo(f"{many} of {len(done.cases)} cases done{left_out}: {out / 'cases.csv'}")
    show_failures(done.failed[["case", "error"]].itertuples(index=False, name=None))
