"""Commands about what surrounds a training: cross-validate, review."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medseg.commands.options import Json, Trusted, bars, show, show_failures

if TYPE_CHECKING:
    from medseg.workflow.corrections import Corrections

__all__ = ["cross_validate", "review"]

_SHOWN = ["case", "patient", "part", "why", "dice", "expected_dice", "border_entropy"]


def cross_validate(
    config: Annotated[Path, typer.Argument(help="YAML file, as for train.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Over the config, such as folds=5.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model for each fold, judge each by the patients held out from it, and join them in one model folder.

    The same command again goes on with a killed one. Say folds=5 or split=FILE (of `medseg split --folds`); minutes or
    epochs are those of each fold; test=0 lets all patients take part. Held-out patients choose no weights: their
    fold's own validation cases do. They choose the post-processing of the model (largest component, smallest size,
    threshold), and postprocessing.csv says what it was worth, honestly too. Exit code 1 where a case failed.
    """
    from medseg.outputs.console import frame_table
    from medseg.workflow import cross_validate as run

    with bars() as reporter:
        done = run(config, *(overrides or []), reporter=reporter)
    if as_json:
        typer.echo(done.to_json())
    else:
        show(frame_table(done.by_fold, "Out-of-fold Dice"))
        show(frame_table(done.choice.tried, f"Post-processing ({done.folder / 'postprocessing.csv'})", max_rows=60))
        figures = "{before:.3f} before, {after:.3f} after, {honest:.3f} by what the other folds chose"
        typer.echo(f"Post-processing: Dice {figures.format(**done.dice)}")
        typer.echo(f"Model folder: {done.model} ({len(done.folds)} folds)")
        show_failures(done.evaluation.failures)
    if done.evaluation.failures:
        raise typer.Exit(1)


def review(
    run: Annotated[Path, typer.Argument(help="Folder that train or cross-validate wrote.")],
    worst: Annotated[int, typer.Option(min=0, help="How many of the lowest Dice.")] = 10,
    uncertain: Annotated[int, typer.Option(min=0, help="How many of the lowest expected Dice.")] = 10,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to; RUN/review.")] = None,
    viewer: Annotated[
        Literal["slicer", "itksnap"] | None, typer.Option("--for", help="Names and colours for one viewer only.")
    ] = None,
    inputs: Annotated[
        list[Path] | None, typer.Option("--inputs", help="Unlabelled images to choose from too; repeat it.")
    ] = None,
    corrected: Annotated[
        Path | None, typer.Option("--corrected", help="Read back: the folder of a review, with corrected masks.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="With --corrected: CSV of the whole data set with those masks.")
    ] = None,
    take_unchanged: Annotated[
        bool, typer.Option("--take-unchanged", help="With --corrected: take masks as predicted too.")
    ] = False,
    trusted: Trusted = False,
    as_json: Json = False,
) -> None:
    """List the worst and the least certain cases that did not teach the model, laid out for correction; read it back.

    Each gets a folder with image, mask and reference for 3D Slicer or ITK-SNAP. With --corrected and --to, the masks
    are checked and a manifest of the whole data set is written, with a config to go on training.
    Exit code 1 where a case failed or a mask was refused.
    """
    from medseg.outputs.console import frame_table
    from medseg.workflow import read_corrections
    from medseg.workflow import review as look

    if (corrected is None) != (to is None):
        raise typer.BadParameter("--corrected and --to belong together")
    if corrected is not None and to is not None:
        with bars() as reporter:
            back = read_corrections(
                run, corrected, to, take_unchanged=take_unchanged, trusted=trusted, reporter=reporter
            )
        _show_corrections(back, as_json)
        return
    with bars() as reporter:
        done = look(
            run,
            worst=worst,
            uncertain=uncertain,
            out=out,
            viewer=viewer,
            inputs=inputs or (),
            trusted=trusted,
            reporter=reporter,
        )
    if as_json:
        typer.echo(done.to_json())
    else:
        show(frame_table(done.chosen, f"To look at ({done.folder / 'review.csv'})", columns=_SHOWN, max_rows=60))
        typer.echo(f"Picture: {done.folder / 'review.png'}; what to do: {done.folder / 'README.md'}")
        show_failures(done.failed[["case", "error"]].itertuples(index=False, name=None))
    if len(done.failed):
        raise typer.Exit(1)


def _show_corrections(back: "Corrections", as_json: bool) -> None:
    from medseg.outputs.console import frame_table

    if as_json:
        typer.echo(back.to_json())
    else:
        show(frame_table(back.cases, f"Corrections ({back.manifest})", max_rows=60))
        if back.moved:
            typer.echo(f"Learnt from now, no longer held out: patients {', '.join(back.moved)}")
        typer.echo(f"Go on: medseg {back.next_command} {back.config}")
        show_failures(back.refused[["case", "reason"]].itertuples(index=False, name=None))
    if len(back.refused):
        raise typer.Exit(1)
