"""Commands about archives: pacs echo, query, fetch and store."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medseg.commands.options import Json, OutFolder, bars, show, show_failures

if TYPE_CHECKING:
    from medseg.pacs.query import Query

__all__ = ["Nodes", "app", "echo", "fetch", "query", "store"]

app = typer.Typer(
    help="Ask, search and fill an archive (PACS) by DICOMweb or DIMSE; see docs/pacs.md.", no_args_is_help=True
)

Node = Annotated[str, typer.Argument(metavar="NODE", help="Its name in the file of nodes, or dicomweb+https://…")]
Asked = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="PatientID, StudyDate=20240101-20240131, Modality, StudyDescription, SeriesDescription, AccessionNumber, "
        "StudyInstanceUID …; * and ? match anything, commas separate alternatives; limit=10.",
    ),
]
Nodes = Annotated[
    Path | None,
    typer.Option("--nodes", metavar="FILE", help="YAML file of nodes; else ~/.config/medseg/nodes.yaml."),
]
WayOption = Annotated[
    Literal["web", "dimse"] | None, typer.Option("--way", help="Where a node has both: DICOMweb (web) or DIMSE.")
]


@app.command()
def echo(node: Node, nodes: Nodes = None, way: WayOption = None) -> None:
    """Whether an archive is there, and lets us in."""
    from medseg.workflow.pacs import echo as run

    typer.echo(run(node, nodes=nodes, way=way))


@app.command()
def query(
    node: Node,
    asked: Asked = None,
    series: Annotated[bool, typer.Option("--series", help="A row a series.")] = False,
    nodes: Nodes = None,
    way: WayOption = None,
    as_json: Json = False,
) -> None:
    """The studies of an archive, a row each."""
    from medseg.atomic import json_text
    from medseg.outputs.console import frame_table
    from medseg.workflow.pacs import find

    found = find(node, _query(asked), nodes=nodes, way=way, series=series)
    if as_json:
        typer.echo(json_text(found.to_dict("records"), sort_keys=False))
    else:
        show(frame_table(found, f"{len(found)} {'series' if series else 'studies'} in {node}", max_rows=200))


@app.command()
def fetch(node: Node, out: OutFolder, asked: Asked = None, nodes: Nodes = None, way: WayOption = None) -> None:
    """Fetch studies into OUT/STUDY/SERIES/INSTANCE.dcm; the same command again fetches what is missing.

    Exit code 1: a study failed, or came broken (what did lies in OUT/quarantine).
    """
    from medseg.workflow.pacs import fetch as run

    with bars() as reporter:
        done = run(node, _query(asked), out, nodes=nodes, way=way, reporter=reporter)
    files, new = (sum(getattr(one, key) for one in done.studies) for key in ("files", "new"))
    typer.echo(f"{len(done.studies)} studies, {files} files in {out}, {new} of them fetched now")
    _end(done.failed.items())


@app.command()
def store(
    node: Node,
    inputs: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.")],
    nodes: Nodes = None,
    way: WayOption = None,
) -> None:
    """Store files that the archive does not have. Exit code 1: it refused some."""
    from medseg.workflow.pacs import store as run

    done = run(node, inputs, nodes=nodes, way=way)
    typer.echo(f"{len(done.taken)} files stored, {len(done.there)} were there")
    _end((str(path), error) for path, error in done.refused.items())


def _query(words: list[str] | None) -> "Query":
    from medseg.errors import ConfigError
    from medseg.pacs.query import Query

    pairs = [word.partition("=") for word in words or []]
    for key, equals, _ in pairs:
        if not equals:
            raise ConfigError(key, "is no condition", "Write it as KEY=VALUE, such as Modality=CT.")
    return Query.of((key, value) for key, _, value in pairs)


def _end(failed: Iterable[tuple[str, Exception]]) -> None:
    told = [(where, str(error)) for where, error in failed]
    show_failures(told)
    if told:
        raise typer.Exit(1)
