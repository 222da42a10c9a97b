"""The command that shows what augmentation does: augment-preview."""

from pathlib import Path
from typing import Annotated

import typer

from medseg.commands.options import bars

__all__ = ["augment_preview"]


def augment_preview(
    config: Annotated[Path, typer.Argument(help="YAML file, as for train.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Over the config, such as augment.preset=light."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write.")] = Path("augmentation.png"),
    cases: Annotated[int, typer.Option(min=1, help="Cases, one a row.")] = 3,
    variations: Annotated[int, typer.Option(min=1, help="Variations of each, beside the patch as it is.")] = 6,
) -> None:
    """Draw a sheet of training patches, varied as training would, each with what was done to it.

    Keys of `augment`: preset (none, light, full), flip_axes, and of each change how often (rotation, scaling, shift,
    elastic, noise, blur, brightness, contrast, low_resolution, gamma, inverted_gamma; of radiographs exposure,
    collimation, inversion) and how strongly (rotation_degrees, scaling_range, noise_sd ...).
    """
    from medseg.workflow.augmenting import augment_preview as draw

    with bars() as reporter:
        path = draw(config, *(overrides or []), out=out, cases=cases, variations=variations, reporter=reporter)
    typer.echo(f"Augmented patches: {path}")
