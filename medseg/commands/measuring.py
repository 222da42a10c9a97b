"""The command that measures masks: measure."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medseg.commands.options import (
    SHOWN_REGIONS,
    Frame,
    Json,
    Label,
    Reading,
    Untilt,
    bars,
    labels_of_words,
    reading_options,
    show,
    show_failures,
)

if TYPE_CHECKING:
    from medseg.labels import Labels
    from medseg.options import ReadOptions

__all__ = ["measure"]

_SHOWN = [*SHOWN_REGIONS, "suv_max", "suv_peak", "mtv_41pct_ml", "organ", "side"]
_SHOWN_TOTALS = ["case", "label", "regions", "total_volume_ml", "largest_volume_ml", "total_area_mm2", "recist_sum_mm"]


def measure(
    image: Annotated[
        Path | None, typer.Argument(help="Image file or DICOM folder; without MASK, a data set with masks.")
    ] = None,
    mask: Annotated[
        list[Path] | None, typer.Argument(help="Label map on the image's grid, SEG or RTSTRUCT; several unite.")
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="Another channel of the study, measured on its own grid; repeat it.", metavar="IMAGE"),
    ] = None,
    label: Label = None,
    families: Annotated[
        str, typer.Option(help="Columns, as size,place; `default` stands for those that fit the image.")
    ] = "default",
    texture: Annotated[bool, typer.Option("--texture", help="Also texture (extra radiomics).")] = False,
    side: Annotated[bool, typer.Option("--side", help="Also the side of the patient.")] = False,
    suv_threshold: Annotated[
        list[float] | None, typer.Option(help="Also MTV and TLG at this SUV; repeat it.", metavar="SUV")
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(help="What a channel is in where its file does not say so: SUVbw, HU; one a channel, in order."),
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="What a channel is called in columns; one a channel, in order.")
    ] = None,
    organs: Annotated[Path | None, typer.Option(help="Label map of organs on the image's grid.")] = None,
    organ: Annotated[list[str] | None, typer.Option(help="What a value of it means, as name=value; repeat it.")] = None,
    min_voxels: Annotated[int, typer.Option(min=0, help="Leave smaller regions out.")] = 0,
    merge_mm: Annotated[
        float, typer.Option(min=0, help="Fragments of a label at most so far apart (voxel centres) are one region.")
    ] = 0.0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="table.csv or table.parquet; of a data set, a folder of tables.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw the largest regions, with their RECIST lines, into this PNG.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes for a data set; -1 for one a core.")] = 1,
    frame: Frame = None,
    untilt: Untilt = False,
    reading: Reading = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the table that these families give.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure every region of a mask, or of the masks of a data set: size, diameters, place, intensities and more.

    Exit code 1 where a case of a data set failed; its reason is in cases.csv.
    """
    chosen = _families(families, texture, side, suv_threshold)
    if schema:
        _print_schema(chosen, channel)
        return
    if image is None:
        raise typer.BadParameter("name an image and its mask, or a data set with masks.", param_hint="IMAGE")
    if organ and organs is None:
        raise typer.BadParameter("says what a value of --organs means, which is not given.", param_hint="--organ")
    options, labels = reading_options(reading, frame, untilt), labels_of_words(label)
    if mask:
        _one(
            [image, *(also or [])], mask, labels, out, as_json,
            options=options, families=chosen, min_voxels=min_voxels, merge_mm=merge_mm, organs=organs,
            organ_labels=labels_of_words(organ), units=unit or (), channel_names=channel, picture=picture,
        )  # fmt: skip
        return
    if also or unit or organs is not None or picture is not None:
        raise typer.BadParameter(
            "--also, --unit, --organs and --picture go with an image and its mask.", param_hint="MASK"
        )
    _data_set(
        image, labels, options, out, as_json,
        families=chosen, min_voxels=min_voxels, merge_mm=merge_mm, jobs=jobs, channel_names=channel,
    )  # fmt: skip


def _families(words: str, texture: bool, side: bool, thresholds: list[float] | None) -> list[Any]:
    from medseg.regions.pet import pet_family

    found: list[Any] = [word.strip() for word in words.split(",") if word.strip()]
    return [
        *found,
        *(name for name, wanted in (("texture", texture), ("side", side)) if wanted),
        *([pet_family(thresholds)] if thresholds else []),
    ]


def _print_schema(families: list[Any], channels: list[str] | None) -> None:
    """Of "default", every family that may come with it, not all of which every image has."""
    from medseg.atomic import json_text
    from medseg.regions import json_schema, region_columns
    from medseg.regions.families import DEFAULT_FAMILIES, OPTIONAL_FAMILIES

    always, wide = (
        list(dict.fromkeys(one for name in families for one in (default if name == "default" else (name,))))
        for default in (DEFAULT_FAMILIES, (*DEFAULT_FAMILIES, *OPTIONAL_FAMILIES))
    )
    schema = json_schema(region_columns(channels or ("ch0",), wide), region_columns(channels or (), always))
    typer.echo(json_text(schema, sort_keys=False))


def _one(
    images: list[Path], mask: list[Path], labels: "Labels | None", out: Path | None, as_json: bool, **given: Any
) -> None:
    from medseg.outputs.console import frame_table
    from medseg.outputs.tables import table_json, write_table
    from medseg.workflow import measure as run

    table = run(images[0] if len(images) == 1 else images, mask, labels, **given)
    if out is not None:
        write_table(out, table)
    if as_json:
        typer.echo(table_json(table))
    else:
        show(frame_table(table, ", ".join(map(str, mask)), columns=_SHOWN))


def _data_set(
    path: Path,
    labels: "Labels | None",
    options: "ReadOptions",
    out: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    from medseg.outputs.console import frame_table
    from medseg.outputs.tables import table_json
    from medseg.workflow import measure_cases

    if out is None or out.suffix in (".csv", ".parquet"):
        found = "none is given" if out is None else f"{out} is a file"
        raise typer.BadParameter(f"a data set needs a folder to write to, and {found}.", param_hint="--out")
    with bars() as reporter:
        done = measure_cases(path, labels, options=options, reporter=reporter, **given)
    done.save(out)
    if as_json:
        typer.echo(table_json(done.totals))
    else:
        show(frame_table(done.totals, f"Cases and labels ({out / 'totals.csv'})", columns=_SHOWN_TOTALS))
        show_failures(done.failed[["case", "error"]].itertuples(index=False, name=None))
    if len(done.failed):
        raise typer.Exit(1)
