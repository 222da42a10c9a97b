"""How a segment describes itself in the header of a SEG: codes, colour, algorithm, tracking."""

from typing import TYPE_CHECKING

from medseg.codes import Code
from medseg.io.dicom.structures.colours import cielab_of_rgb
from medseg.outputs.dicom.header import code_item, short_text
from medseg.outputs.dicom.identity import Author
from medseg.outputs.dicom.segments import Segment

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["segment_item"]

_NETWORK = Code("DCM", "123110", "Artificial Intelligence")  # CID 7162
_CLASSICAL = "classical:"


def segment_item(segment: Segment, author: Author) -> "Dataset":
    """The item of SegmentSequence (PS3.3 C.8.20.4)."""
    from pydicom import Dataset

    coding, item = segment.coding, Dataset()
    assert coding.category is not None
    item.SegmentNumber, item.SegmentLabel = segment.number, short_text(segment.name, 64) or f"segment {segment.number}"
    item.SegmentedPropertyCategoryCodeSequence = [code_item(coding.category)]
    kind = code_item(coding.type)
    if coding.modifier is not None:
        kind.SegmentedPropertyTypeModifierCodeSequence = [code_item(coding.modifier)]
    item.SegmentedPropertyTypeCodeSequence = [kind]
    if coding.region is not None:
        region = code_item(coding.region)
        if coding.region_modifier is not None:
            region.AnatomicRegionModifierSequence = [code_item(coding.region_modifier)]
        item.AnatomicRegionSequence = [region]
    item.RecommendedDisplayCIELabValue = list(cielab_of_rgb(segment.label.colour))
    item.TrackingID, item.TrackingUID = segment.tracking_id, segment.tracking_uid
    _made_by(item, author)
    return item


def _made_by(item: "Dataset", author: Author) -> None:
    """The algorithm; a mask without one was drawn by hand."""
    from pydicom import Dataset

    if not author.model:
        item.SegmentAlgorithmType = "MANUAL"
        return
    item.SegmentAlgorithmType, item.SegmentAlgorithmName = "AUTOMATIC", short_text(author.model, 64)
    if author.model.startswith(_CLASSICAL):
        return  # CID 7162 has no family for all of them
    algorithm = Dataset()
    algorithm.AlgorithmFamilyCodeSequence = [code_item(_NETWORK)]
    algorithm.AlgorithmName = short_text(author.model, 64)
    algorithm.AlgorithmVersion = short_text(author.model_hash or author.version, 64) or "unknown"
    algorithm.AlgorithmParameters = f"model SHA-256 {author.model_hash}; settings SHA-256 {author.settings_hash}"
    item.SegmentationAlgorithmIdentificationSequence = [algorithm]
