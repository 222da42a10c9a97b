"""Commands that make models: train, and demo, which shows all of it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from medseg.commands.options import SHOWN_REGIONS, OutFolder, bars, show

__all__ = ["demo", "train"]


def train(
    config: Annotated[Path, typer.Argument(help="YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Over the config, such as minutes=15.")
    ] = None,
) -> None:
    """Train a U-Net on the labelled cases; the same command again goes on with a killed run.

    Keys of the config: dataset (path), layout, labels (name: file value), codes (of labels, for DICOM results),
    cases (case table: file, id, patient, split), modality, reading (how files become images), name, out, minutes or
    epochs, seed, init (model folder to fine-tune), test and validation (shares of the patients), stratify
    (columns), folds and fold (cross-validation), split (a file, see `medseg split`), preparation (steps before
    normalisation: remove_labels, crop_to_breast, clahe: {clip_limit: 0.02} ...), memory (8GiB, see `medseg plan`),
    jobs (processes), unreadable (stop or leave_out), plan (overrides of the computed plan), augment, loss,
    learning, log.
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
