"""The report of what was measured: a Comprehensive 3D SR after template TID 1500, "Measurement Report"."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg.codes import Code
from medseg.errors import InputError, MissingExtraError
from medseg.image import Image, Segmentation
from medseg.outputs.dicom.header import begun, content_of, dated, reference, write
from medseg.outputs.dicom.identity import Author, uid_of
from medseg.outputs.dicom.seg import SegObject
from medseg.outputs.dicom.source import Source
from medseg.outputs.dicom.sr_groups import Subject, absent, of_region
from medseg.outputs.dicom.sr_values import concept, quantities
from medseg.regions import segmentation_regions

if TYPE_CHECKING:
    import pandas as pd
    from pydicom import Dataset

__all__ = ["measurement_report", "require_highdicom", "write_sr"]

_STORAGE = "1.2.840.10008.5.1.4.1.1.88.34"  # Comprehensive 3D SR
# What was done (CID 100), by modality
_PROCEDURES = {
    "CT": Code("LN", "25045-6", "CT unspecified body region"),
    "MR": Code("LN", "25056-3", "MRI unspecified body region"),
    "PT": Code("LN", "44136-0", "PET unspecified body region"),
    "NM": Code("LN", "49118-3", "NM unspecified body region"),
    **dict.fromkeys(("DX", "CR"), Code("LN", "43468-8", "XR unspecified body region")),
}
_PROCEDURE = Code("SCT", "363679005", "Imaging procedure")


def write_sr(
    path: Path,
    source: Source,
    image: Image,
    segmentation: Segmentation,
    regions: "pd.DataFrame",
    author: Author,
    *,
    case: str = "",
    seg: SegObject,
) -> Path:
    """Write the measurements of a case as a DICOM report.

    Args:
        path: The file to be.
        source: The instances under the image.
        image: What was measured.
        segmentation: The mask.
        regions: Its rows of the region table; those of a label that has none say that it is absent.
        author: What made the mask.
        case: The id that regions have in the table.
        seg: The DICOM SEG of the mask, to be stored beside the report, which refers to its segments.

    Raises:
        InputError: The table has a label that the mask has not.
        MissingExtraError: The extra `dicom` is not installed.
        OutputError: The file cannot be written.
    """
    return write(measurement_report(source, image, segmentation, regions, author, case=case, seg=seg), path)


def measurement_report(
    source: Source,
    image: Image,
    segmentation: Segmentation,
    regions: "pd.DataFrame",
    author: Author,
    *,
    case: str = "",
    seg: SegObject,
) -> "Dataset":
    """The object that `write_sr` writes.

    Raises:
        InputError: As there.
        MissingExtraError: As there.
    """
    require_highdicom(source.where)
    _require_labels(regions, segmentation, source.where)
    pictured = (
        {(one.label, one.id): one for one in segmentation_regions(segmentation)} if image.geometry.ndim == 2 else {}
    )
    subject = Subject(
        source, segmentation, seg, author, case or source.series, quantities(image, list(regions.columns)), pictured
    )
    measured = regions.to_json(orient="split", double_precision=15)
    ds = begun(source, author, _STORAGE, "SR", "Measurements", content_of(segmentation), seg.uid, str(measured))
    ds.SeriesNumber = 9003
    ds.ContentDate, ds.ContentTime = dated(source)
    ds.CompletionFlag, ds.VerificationFlag, ds.PreliminaryFlag = "COMPLETE", "UNVERIFIED", "PRELIMINARY"
    ds.ReferencedPerformedProcedureStepSequence, ds.PerformedProcedureCodeSequence = [], []
    ds.CurrentRequestedProcedureEvidenceSequence = _evidence(source, seg)
    for element in _content(subject, regions, image.modality):
        ds.add(element)
    return ds


def require_highdicom(where: str | Path) -> None:
    """Refuse to write a report without the library that knows its template.

    Raises:
        MissingExtraError: The extra `dicom` is not installed.
    """
    if find_spec("highdicom") is None:
        mend = "Install it with `pip install medseg[dicom]`."
        raise MissingExtraError(where, "highdicom, by which an SR is written, is not installed", mend)


def _require_labels(regions: "pd.DataFrame", segmentation: Segmentation, where: Path) -> None:
    strange = sorted(set(regions["label"]) - set(segmentation.labels.names))
    if strange:
        found = f"the region table has {', '.join(strange)}, which the mask has not"
        raise InputError(where, found, "Pass the table of this mask.")


def _content(subject: Subject, regions: "pd.DataFrame", modality: str) -> "Dataset":
    """The root of the content tree."""
    from highdicom import sr

    groups: list[Any] = []
    for label in subject.segmentation.labels.labels:
        rows = regions[regions["label"] == label.name].to_dict("records")
        for row in rows:
            groups += of_region(subject, label, {str(name): value for name, value in row.items()})
        groups += [] if rows else [absent(subject, label)]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_device(subject.author)),
        procedure_reported=concept(_PROCEDURES.get(modality, _PROCEDURE)),
        imaging_measurements=groups,
    )
    return report[0]


def _device(author: Author) -> Any:
    """The observer: the program, with the model that it ran and the hash of its weights."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=uid_of("device", *author.parts),
            name=f"medseg {author.version}".strip(),
            manufacturer_name="medseg",
            model_name=author.model or "drawn by hand",
            serial_number=author.model_hash or None,
        ),
    )


def _evidence(source: Source, seg: SegObject) -> "list[Dataset]":
    """Every instance that the report is about, by study and series."""
    from pydicom import Dataset

    studies: dict[str, dict[str, list[Dataset]]] = {}
    for one in (*source.datasets, seg.head):
        series = studies.setdefault(str(one.StudyInstanceUID), {})
        series.setdefault(str(one.SeriesInstanceUID), []).append(reference(one))
    listed = []
    for study, by_series in studies.items():
        item = Dataset()
        item.StudyInstanceUID, item.ReferencedSeriesSequence = study, []
        for uid, instances in by_series.items():
            series_item = Dataset()
            series_item.SeriesInstanceUID, series_item.ReferencedSOPSequence = uid, instances
            item.ReferencedSeriesSequence.append(series_item)
        listed.append(item)
    return listed
