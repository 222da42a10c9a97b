"""Image and mask of one case, read once: figures, and what is wrong with them."""

from collections import Counter
from dataclasses import replace

import numpy as np

from medseg.case import Case
from medseg.datasets.inspection.contents import described, image_findings
from medseg.datasets.inspection.facts import CaseFacts
from medseg.datasets.inspection.findings import Finding
from medseg.errors import MedsegError
from medseg.image import Image
from medseg.io import read_case_image, read_case_label_map
from medseg.labels import Labels
from medseg.options import ReadOptions

__all__ = ["facts_of"]


def facts_of(
    case: Case, labels: Labels | None = None, options: ReadOptions | None = None, height: int | None = None
) -> CaseFacts:
    """What there is to know of one case; what cannot be read is a finding."""
    try:
        image = read_case_image(case, options)
    except MedsegError as error:
        return CaseFacts(case, findings=(Finding("unreadable", str(error), (case.id,), mend=error.mend),))
    seen = described(case, image)
    seen = replace(seen, findings=tuple(image_findings(seen)))
    return _with_mask(seen, image, labels, options, height)


def _with_mask(
    seen: CaseFacts, image: Image, labels: Labels | None, options: ReadOptions | None, height: int | None
) -> CaseFacts:
    case = seen.case
    if not case.masks:
        return seen
    try:
        read = read_case_label_map(case, image, labels, options)
    except MedsegError as error:
        return replace(seen, findings=(*seen.findings, Finding("unreadable", str(error), (case.id,), mend=error.mend)))
    voxels = Counter({str(n): int(k) for n, k in zip(*np.unique(read.mask, return_counts=True), strict=True) if n})
    return replace(seen, label_voxels=dict(voxels))
