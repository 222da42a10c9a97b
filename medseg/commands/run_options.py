"""How `medseg predict` is told to run: its options for the model, processes, resuming and what is written."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "Attempts",
    "Backend",
    "Cluster",
    "Device",
    "Inputs",
    "Jobs",
    "MasksOnly",
    "MaxMemory",
    "MemoryLimit",
    "MinVoxels",
    "ModelPath",
    "Parquet",
    "Part",
    "Portable",
    "Precision",
    "Probabilities",
    "Pseudonyms",
    "Redo",
    "RedoCase",
    "RetryFailed",
    "Speed",
    "Timeout",
    "Workers",
]

ModelPath = Annotated[
    Path,
    typer.Argument(
        help="Model folder or the folder of its run, nnU-Net results, MONAI bundle, ONNX file, or a classical "
        "method such as classical:otsu,side=dark (`medseg info classical:` lists them)."
    ),
]
Inputs = Annotated[
    list[Path],
    typer.Argument(
        help="Files, folders of files, study folders, zips of a study, patterns of them, a data set, or an archive, "
        "as pacs:NODE?Modality=CT."
    ),
]
Part = Annotated[str | None, typer.Option(help="Only this part of its split: train, validation, test.")]
Speed = Annotated[
    Literal["fast", "normal", "best"],
    typer.Option(help="fast: windows overlap less; normal: as planned; best: mirrored views are averaged."),
]
Backend = Annotated[
    Literal["auto", "torch", "compile", "onnx", "openvino"],
    typer.Option(help="What computes the network; auto chooses by device and size of the network."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="auto: bf16 where the processor computes in it.")
]
MaxMemory = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Most memory that all of it may hold, such as 6GiB; else what is needed."),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Processes that read the next cases, and as many that write the last, while the network works. "
        "0: none, all in one process. Left out: none for fewer than 16 cases of less than 64 MiB, which are done "
        "before processes have started (1 to 3 s); else one, or more on more than 8 processors.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes in which the network is; they share the processors, or are spread over the GPUs. Left out: "
        "one for each GPU; on a CPU one, or for a light network one for each processor.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        help="local (--jobs workers on this machine), tcp://HOST:PORT of a Dask scheduler, or a YAML file of jobs "
        "for Slurm, PBS, LSF ...; see docs/cluster.md.",
    ),
]
Parquet = Annotated[
    bool, typer.Option("--parquet", help="Also write regions.parquet, which keeps types and every digit.")
]
Pseudonyms = Annotated[
    Path | None,
    typer.Option(
        metavar="KEYFILE",
        help="Call cases and patients by a keyed hash in all that is written and said. The key is made where there "
        "is none; pseudonyms.csv beside it tells whose they are. Keep both out of OUT.",
    ),
]
Redo = Annotated[bool, typer.Option("--redo", help="Also do again what is done.")]
RedoCase = Annotated[
    list[str] | None,
    typer.Option("--redo-case", metavar="ID", help="Do this case again, or those of a pattern (ward3_*); repeat it."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Also do again what has failed.")]
Attempts = Annotated[
    int, typer.Option(min=1, help="How often a case may take its process down with it before it fails.")
]
Timeout = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Most for a case, such as 30min; then its process is killed: an attempt."),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Most resident memory of a process, such as 8GiB; likewise."),
]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Also write CASE/probabilities.npy: float16, (labels, x, y[, z]).")
]
MasksOnly = Annotated[
    bool, typer.Option("--masks-only", help="Masks and cases.csv alone: no previews, nothing is measured.")
]
Portable = Annotated[bool, typer.Option("--portable", help="As the bundle in MONAI: fp32, no crop.")]
MinVoxels = Annotated[int, typer.Option(min=0, help="Leave smaller regions out of the table.")]
