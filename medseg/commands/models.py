"""Commands about models: train, predict, demo."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from medseg.commands.archive_input import Cache, Store, predict_from, source_of
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

__all__ = ["demo", "predict", "train"]


def train(
    config: Annotated[Path, typer.Argument(help="YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Over the config, such as minutes=15.")
    ] = None,
) -> None:
    """Train a U-Net on the labelled cases; the same command again goes on with a killed run.

    Keys of the config: dataset (path), layout, labels (name: file value), cases (case table: file, id, patient,
    split), modality, reading (how files become images), name, out, minutes or epochs, seed, init (model folder to
    fine-tune), test and validation (shares of the patients), stratify (columns), folds and fold (cross-validation),
    split (a file, see `medseg split`), preparation (steps before normalisation: remove_labels, crop_to_breast,
    clahe: {clip_limit: 0.02} ...), memory (8GiB, see `medseg plan`), jobs (processes), unreadable (stop or leave_out),
    plan (overrides of the computed plan), augment, loss, learning, log.
    Inner keys are written with dots: learning.learning_rate=0.0005.

    With model: classical:NAME (or "classical:" for the best of all) the options of a classical method are searched on
    the same cases by Dice, in place of a network: fit (values to try), budget, fit_cases, methods; see `medseg info
    classical:`.
    """
    from medseg.workflow import train as run

    with bars() as reporter:
        trained = run(config, *(overrides or []), reporter=reporter)
    typer.echo(f"Model folder: {trained.folder} (mean validation Dice {trained.validation_dice:.3f})")
    typer.echo(f"Learning curves: {', '.join(str(trained.run / name) for name in trained.tables)}")
    if trained.portable:
        from medseg.export.bundle import bundle_command

        typer.echo(f"In plain MONAI: {bundle_command(trained.folder)}")


def predict(
    model: Annotated[
        Path,
        typer.Argument(
            help="Model folder or the folder of its run, nnU-Net results, MONAI bundle, ONNX file, or a classical "
            "method such as classical:otsu,side=dark (`medseg info classical:` lists them)."
        ),
    ],
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="Files, folders of files, study folders, zips of a study, patterns of them, or a data set."
        ),
    ],
    out: OutFolder,
    series: Series = None,
    dry_run: DryRun = False,
    watch: Watch = False,
    quiet: Quiet = "30s",
    once: Once = False,
    part: Annotated[str | None, typer.Option(help="Only this part of its split: train, validation, test.")] = None,
    speed: Annotated[
        Literal["fast", "normal", "best"],
        typer.Option(help="fast: windows overlap less; normal: as planned; best: mirrored views are averaged."),
    ] = "normal",
    backend: Annotated[
        Literal["auto", "torch", "compile", "onnx", "openvino"],
        typer.Option(help="What computes the network; auto chooses by device and size of the network."),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="auto: bf16 where the processor computes in it.")
    ] = "auto",
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Most memory that all of it may hold, such as 6GiB; else what is needed."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes that read the next cases, and as many that write the last, while the network works. "
            "0: none, all in one process. Left out: none for fewer than 16 cases of less than 64 MiB, which are done "
            "before processes have started (1 to 3 s); else one, or more on more than 8 processors.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes in which the network is; they share the processors, or are spread over the GPUs. Left out: "
            "one for each GPU; on a CPU one, or for a light network one for each processor.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="local (--jobs workers on this machine), tcp://HOST:PORT of a Dask scheduler, or a YAML file of jobs "
            "for Slurm, PBS, LSF ...; see docs/cluster.md.",
        ),
    ] = None,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Also write regions.parquet, which keeps types and every digit.")
    ] = False,
    pseudonyms: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYFILE",
            help="Call cases and patients by a keyed hash in all that is written and said. The key is made where there "
            "is none; pseudonyms.csv beside it tells whose they are. Keep both out of OUT.",
        ),
    ] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Also do again what is done.")] = False,
    redo_case: Annotated[
        list[str] | None,
        typer.Option(
            "--redo-case", metavar="ID", help="Do this case again, or those of a pattern (ward3_*); repeat it."
        ),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also do again what has failed.")] = False,
    attempts: Annotated[
        int, typer.Option(min=1, help="How often a case may take its process down with it before it fails.")
    ] = 2,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Most for a case, such as 30min; then its process is killed: an attempt."),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Most resident memory of a process, such as 8GiB; likewise."),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write CASE/probabilities.npy: float16, (labels, x, y[, z]).")
    ] = False,
    masks_only: Annotated[
        bool, typer.Option("--masks-only", help="Masks and cases.csv alone: no previews, nothing is measured.")
    ] = False,
    portable: Annotated[bool, typer.Option("--portable", help="As the bundle in MONAI: fp32, no crop.")] = False,
    trusted: Trusted = False,
    write: Write = None,
    codes: Codes = None,
    seg: SegKind = "BINARY",
    segments: SegSegments = None,
    store: Store = False,
    nodes: Nodes = None,
    cache: Cache = "10GiB",
    min_voxels: Annotated[int, typer.Option(min=0, help="Leave smaller regions out of the table.")] = 0,
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
    from medseg.atomic import json_text
    from medseg.outputs.console import frame_table
    from medseg.outputs.dicom.writing import writing_of
    from medseg.workflow.batch_options import BatchOptions
    from medseg.workflow.predicting import predict_listed

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
        other = {"--dry-run": dry_run, "--watch": watch, "--json": as_json}
        predict_from(source, model, out, options, nodes, series=series, store=store, cache=cache, other=other)
        return
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
    if as_json:
        failed = done.failed[["case", "error"]].to_dict("records")
        told = {"out": str(out), "cases": len(done.cases), "failed": failed, "settings": dict(done.settings)}
        typer.echo(json_text(told, sort_keys=False))
    else:
        if not masks_only:
            show(frame_table(done.regions, f"Regions ({out / 'regions.csv'})", columns=SHOWN_REGIONS))
        left_out = f", {len(done.skipped)} left out" if len(done.skipped) else ""
        many = len(done.cases) - len(done.failed) - len(done.skipped)
        typer.echo(f"{many} of {len(done.cases)} cases done{left_out}: {out / 'cases.csv'}")
        show_failures(done.failed[["case", "error"]].itertuples(index=False, name=None))
    if len(done.failed):
        raise typer.Exit(1)


def demo(
    kind: Annotated[Literal["ct", "mammogram"], typer.Option(help="3D or 2D.")] = "ct",
    out: OutFolder = Path("medseg-demo"),
    minutes: Annotated[float, typer.Option(min=0.05, help="How long to train.")] = 2.0,
) -> None:
    """Generate studies, train on the labelled ones, predict the others, and score and measure the result."""
    from medseg.demonstration import demonstrate
    from medseg.outputs.console import frame_table

    with bars() as reporter:
        shown = demonstrate(kind, out, minutes=minutes, reporter=reporter)
    show(frame_table(shown.predictions.regions, "Regions of the unseen studies", columns=SHOWN_REGIONS))
    typer.echo(f"Dice on {len(shown.predictions.cases)} unseen studies: {shown.dice:.3f} (Otsu: {shown.otsu_dice:.3f})")
    for what, path in shown.places.items():
        typer.echo(f"{what + ':':<22}{path}")
