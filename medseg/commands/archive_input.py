"""What `medseg predict` does where INPUTS is an archive: pacs:NODE?Modality=CT, or dicomweb+https://host/path?…"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.commands.input_options import refuse_together
from medseg.commands.options import SHOWN_REGIONS, bars, show, show_failures

if TYPE_CHECKING:
    from medseg.pacs.query import Query
    from medseg.workflow.batch_options import BatchOptions
    from medseg.workflow.pacs_batch import FromArchive

__all__ = ["Cache", "Store", "predict_from", "show_found", "source_of"]

Store = Annotated[
    bool, typer.Option("--store", help="INPUTS is an archive: store there what --write wrote; see docs/pacs.md.")
]
Cache = Annotated[
    str, typer.Option(metavar="SIZE", help="INPUTS is an archive: most disk that fetched studies may take.")
]

_ROWS = 200


def source_of(inputs: list[Path], *, store: bool) -> "tuple[str, Query] | None":
    """The archive and what is asked of it; None where inputs are files.

    Raises:
        ConfigError: `store` was given with files.
    """
    if not store and not any(str(path).startswith(("dicomweb+", "pacs:")) for path in inputs):
        return None  # without loading what archives need
    from medseg.errors import ConfigError
    from medseg.workflow.pacs import remote_source

    found = remote_source(inputs)
    if found is None:
        raise ConfigError("--store", "INPUTS is no archive", "Use `medseg pacs store NODE OUT` afterwards.")
    return found


def predict_from(
    source: "tuple[str, Query]",
    model: Path,
    out: Path,
    options: "BatchOptions",
    nodes: Path | None,
    *,
    series: str | None,
    store: bool,
    cache: str,
    other: dict[str, bool],
) -> None:
    """Run it, and print what came of it; exit code 1 where a case failed, or the archive was gone."""
    from medseg.errors import ConfigError
    from medseg.pacs.opening import open_archive
    from medseg.training.memory import bytes_of
    from medseg.workflow.pacs import node_of, require_condition
    from medseg.workflow.pacs_batch import predict_archive

    refuse_together("an archive", other)
    word, asked = source
    require_condition(asked)
    if store and options.writing is None:
        raise ConfigError("--store", "nothing is written that could be stored", "Say what, such as --write seg,sr.")
    node = node_of(word, nodes)
    with bars() as reporter:
        done = predict_archive(
            model,
            lambda wait: open_archive(node, wait=wait),
            asked,
            out,
            options,
            series=series,
            store=store,
            room=bytes_of(cache),
            reporter=reporter,
        )
    _told(done, out)


def show_found(
    source: "tuple[str, Query]",
    model: Path,
    out: Path,
    options: "BatchOptions",
    nodes: Path | None,
    series: str | None,
    *,
    as_json: bool,
) -> None:
    """Print what the archive has of what is asked, and which of it would be done."""
    from medseg.atomic import json_text
    from medseg.outputs.console import frame_table
    from medseg.workflow.pacs import require_condition
    from medseg.workflow.pacs_foreseeing import foreseen

    refuse_together("an archive", {"--part": options.part, "--cluster": options.cluster})
    word, asked = source
    require_condition(asked)
    found = foreseen(model, word, asked, out, options, nodes=nodes, series=series)
    left = found[found["state"] == "to do"]
    told = {
        "studies": found["StudyInstanceUID"].nunique(),
        "studies_to_do": left["StudyInstanceUID"].nunique(),
        "series_to_do": len(left),
        # None where the archive does not say it of each
        "instances_to_do": sum(map(int, left["instances"])) if left["instances"].str.isdigit().all() else None,
    }
    if as_json:
        typer.echo(json_text({**told, "rows": found.to_dict("records")}, sort_keys=False))
        return
    show(frame_table(found, f"What would be done of {word}", max_rows=_ROWS))
    many = "an unknown number of" if told["instances_to_do"] is None else f"{told['instances_to_do']:,}"
    text = f"{told['studies']:,} studies, {told['studies_to_do']:,} to do: {told['series_to_do']:,} series"
    typer.echo(f"{text}, {many} instances; how many bytes, an archive does not say")


def _told(done: "FromArchive", out: Path) -> None:
    from medseg.outputs.console import frame_table

    bad = done.unfetched > 0 or done.gone is not None
    if done.predictions is not None:
        cases, failed = done.predictions.cases, done.predictions.failed
        show(frame_table(done.predictions.regions, f"Regions ({out / 'regions.csv'})", columns=SHOWN_REGIONS))
        typer.echo(f"{len(cases) - len(failed)} of {len(cases)} cases of {done.studies} studies: {out / 'cases.csv'}")
        show_failures(failed[["case", "error"]].itertuples(index=False, name=None))
        bad = bad or len(failed) > 0
    if done.delivery is not None:
        typer.echo(f"{done.delivery.sent} results stored, {done.delivery.there} were there")
        show_failures((str(path), str(error)) for path, error in done.delivery.refused.items())
        bad = bad or bool(done.delivery.refused)
    if done.gone is not None:
        typer.echo(f"The same command goes on: {done.gone}", err=True)
    if bad:
        raise typer.Exit(1)
