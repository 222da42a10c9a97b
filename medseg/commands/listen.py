"""The command that receives studies and segments them: listen."""

from pathlib import Path
from typing import Annotated

import typer

from medseg.commands.company import require_company
from medseg.commands.dicom_options import Codes, SegKind, SegSegments, Write
from medseg.commands.input_options import Series
from medseg.commands.options import Frame, OutFolder, Reading, Trusted, Untilt, bars, reading_changes
from medseg.commands.pacs import Nodes

__all__ = ["listen"]


def listen(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(help="As in `medseg predict`.")],
    out: OutFolder,
    ae: Annotated[str, typer.Option("--ae", help="Our AE title; who calls another one is rejected.")],
    allow: Annotated[
        list[str], typer.Option("--allow", metavar="AE", help="An AE title that may send; repeat it. `any` for all.")
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 11112,
    host: Annotated[str, typer.Option(help="At which address; 0.0.0.0 for all of this machine's.")] = "127.0.0.1",
    tls_certificate: Annotated[Path | None, typer.Option(metavar="PEM", help="Encrypt, with this certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its private key.")] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Callers must have a certificate that comes from these.")
    ] = None,
    send: Annotated[str | None, typer.Option(metavar="NODE", help="Where what --write wrote is sent.")] = None,
    nodes: Nodes = None,
    quiet: Annotated[str, typer.Option(metavar="TIME", help="Complete is what nothing came of for so long.")] = "60s",
    keep: Annotated[
        str, typer.Option(metavar="TIME", help="So long a study stays when it is done; what comes late joins it.")
    ] = "1h",
    least_free: Annotated[
        str, typer.Option(metavar="SIZE", help="Below so much free disk, senders are told to come again.")
    ] = "2GiB",
    once: Annotated[bool, typer.Option("--once", help="End when what lay there at the start is done.")] = False,
    series: Series = None,
    jobs: Annotated[int | None, typer.Option(min=0, help="As in `medseg predict`.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    trusted: Trusted = False,
    write: Write = None,
    codes: Codes = None,
    seg: SegKind = "BINARY",
    segments: SegSegments = None,
    min_voxels: Annotated[int, typer.Option(min=0, help="Leave smaller regions out of the table.")] = 0,
    frame: Frame = None,
    untilt: Untilt = False,
    reading: Reading = None,
) -> None:
    """Receive studies by DICOM (C-STORE), segment them when they are complete, send results on; until Ctrl-C.

    An instance is acknowledged when it is on the disk, in OUT/archive/received; killed and started again, it goes on.
    Masks and tables are as those of predict. Exit code 1: a case has failed.
    """
    from medseg.errors import ConfigError
    from medseg.line.limits import seconds_of
    from medseg.outputs.dicom.writing import writing_of
    from medseg.pacs.opening import open_archive, require_extra
    from medseg.training.memory import bytes_of
    from medseg.workflow.batch_options import BatchOptions
    from medseg.workflow.pacs import node_of

    require_extra("pynetdicom", "listen")
    from medseg.pacs.receiving import Door
    from medseg.workflow.listening import Keeping
    from medseg.workflow.listening import listen as run

    require_company(ctx, ("--codes", "--seg", "--segments"), "--write", write)
    require_company(ctx, ("--nodes",), "--send", send)
    if send is not None and not write:
        raise ConfigError("--send", "nothing is written that could be sent", "Say what, such as --write seg,sr.")
    allowed = () if "any" in allow else tuple(allow)
    options = BatchOptions(
        jobs=jobs,
        min_voxels=min_voxels,
        reading=reading_changes(reading, frame, untilt),
        writing=writing_of(write or "", codes, seg, segments),
        settings={"device": device, "trusted": trusted},
        command="medseg listen",
    )
    with bars() as reporter:
        failed = run(
            model,
            out,
            Door(ae, port, allowed, host, tls_certificate, tls_key, tls_ca),
            options,
            send=None if send is None else open_archive(node_of(send, nodes)),
            keeping=Keeping(seconds_of(quiet), seconds_of(keep), bytes_of(least_free)),
            series=series,
            once=once,
            reporter=reporter,
        )
    if failed:
        typer.echo(f"{failed} cases have failed, see {out / 'cases.csv'}", err=True)
        raise typer.Exit(1)
