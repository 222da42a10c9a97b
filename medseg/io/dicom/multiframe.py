"""The frames of an enhanced multi-frame object, each as a slice with the header values of its functional groups."""

from typing import Any

from medseg.errors import UnreadableFileError
from medseg.io.dicom.content import EXPORT_AGAIN
from medseg.io.dicom.headers import Slice, converted, dataset, guarded

__all__ = ["frames_of"]

# sequence of the functional group: its values by keyword, and the keyword of single-frame objects that means the same
_GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "PlanePositionSequence": {"ImagePositionPatient": ("ImagePositionPatient", "DS")},
    "PlaneOrientationSequence": {"ImageOrientationPatient": ("ImageOrientationPatient", "DS")},
    "PixelMeasuresSequence": {
        "PixelSpacing": ("PixelSpacing", "DS"),
        "SliceThickness": ("SliceThickness", "DS"),
        "SpacingBetweenSlices": ("SpacingBetweenSlices", "DS"),
    },
    "PixelValueTransformationSequence": {
        "RescaleSlope": ("RescaleSlope", "DS"),
        "RescaleIntercept": ("RescaleIntercept", "DS"),
        "RescaleType": ("RescaleType", "LO"),
    },
    "FrameContentSequence": {
        "TemporalPositionIndex": ("TemporalPositionIdentifier", "US"),
        "FrameAcquisitionNumber": ("AcquisitionNumber", "US"),
        "StackID": ("StackID", "SH"),
    },
    "MREchoSequence": {"EffectiveEchoTime": ("EchoTime", "FD")},
    "MRDiffusionSequence": {"DiffusionBValue": ("DiffusionBValue", "FD")},
    "MRImageFrameTypeSequence": {
        "FrameType": ("ImageType", "CS"),
        "ComplexImageComponent": ("ComplexImageComponent", "CS"),
    },
    "CTImageFrameTypeSequence": {"FrameType": ("ImageType", "CS")},
    "PETFrameTypeSequence": {"FrameType": ("ImageType", "CS")},
    "CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": ("TriggerTime", "FD")},
}


def frames_of(one: Slice) -> list[Slice]:
    """A slice for each frame, in stored order; a file of one frame, or without functional groups, is itself.

    A frame's own group takes precedence over the shared one, and that over the file's top level (PS3.3 C.7.6.16).

    Raises:
        UnreadableFileError: The number of functional groups is not that of the frames.
    """
    if "PerFrameFunctionalGroupsSequence" not in one.header:
        return [one]
    whole = dataset(one.path)
    return guarded(one.path, lambda: _frames(one, whole))


def _frames(one: Slice, whole: Any) -> list[Slice]:
    shared: dict[str, Any] = {}
    for item in whole.get("SharedFunctionalGroupsSequence") or ():
        shared |= _values(item)
    groups = whole.PerFrameFunctionalGroupsSequence
    if len(groups) != one.frames:
        raise UnreadableFileError(
            one.path, f"describes {len(groups)} frames", EXPORT_AGAIN, f"the {one.frames} of NumberOfFrames"
        )
    return [
        Slice(one.path, {**one.header, **shared, **_values(group)}, one.pixels_at, one.deflated_at, frame)
        for frame, group in enumerate(groups)
    ]


def _values(item: Any) -> dict[str, Any]:
    """What the functional groups of one item say, by the keywords of single-frame objects."""
    values: dict[str, Any] = {}
    for sequence, wanted in _GROUPS.items():
        for group in item.get(sequence) or ():
            for keyword, (known, kind) in wanted.items():
                if keyword in group:
                    values[known] = converted(group[keyword].value, kind)
            for direction in group.get("DiffusionGradientDirectionSequence") or ():
                values["DiffusionGradientOrientation"] = tuple(direction.DiffusionGradientOrientation)
    if "RealWorldValueMappingSequence" in item:
        values["RealWorldValueMappingSequence"] = True
    return values
