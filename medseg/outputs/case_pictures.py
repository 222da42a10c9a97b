"""Small pictures of cases inside an HTML page, as many as a page can bear."""

import base64
import html
import io
from collections.abc import Iterable

import numpy as np
from PIL import Image as Picture

from medseg.datasets.inspection import CaseFacts, Finding, Inspection
from medseg.errors import MedsegError
from medseg.io import read_label_map
from medseg.io.label_map import LabelMap
from medseg.labels import Labels, labels_of
from medseg.picture import montage

__all__ = ["CasePictures"]

_BUDGET = 14 << 20  # bytes of pictures in the table
_FINDINGS_BUDGET = 8 << 20  # and of those beside findings
_PER_FINDING = 8
_BESIDE = ("grid_header", "grid_resample", "grid_size")  # findings of which the mask is drawn beside its image
_QUALITY = 82
_HEIGHT = 112  # rows of a mask by itself


class CasePictures:
    """Pictures of the cases that were inspected with thumbnails.

    Args:
        inspection: Has the thumbnails.
        first: Cases that get theirs before others, where not all fit.
    """

    def __init__(self, inspection: Inspection, first: Iterable[str] = ()) -> None:
        self._labels = inspection.dataset.labels
        self._facts = {one.case.id: one for one in inspection.facts}
        self._encoded: dict[str, str] = {}
        room = _BUDGET
        drawn = [one for one in inspection.facts if one.thumbnail is not None]
        for name in dict.fromkeys([*first, *(one.case.id for one in drawn)]):
            thumbnail = self._facts[name].thumbnail if name in self._facts else None
            if thumbnail is None:
                continue
            encoded = _encoded(thumbnail)
            room -= len(encoded)
            if room < 0:
                break
            self._encoded[name] = encoded
        self._room = _FINDINGS_BUDGET
        self.told = f"{len(inspection.facts)} cases, {len(self._encoded)} of them with a picture (image and mask)."

    def of(self, one: CaseFacts) -> str:
        """The picture of a case, or nothing."""
        return self._image(one.case.id, f"{one.case.id} with its mask")

    def of_finding(self, finding: Finding) -> str:
        """The pictures of a finding's first cases side by side; of a mask on another grid, that too."""
        figures = [_figure(self._image(case, case), case) for case in finding.cases[:_PER_FINDING]]
        if finding.kind in _BESIDE:
            figures += [self._masks(self._facts[case]) for case in finding.cases[:1] if case in self._facts]
        shown = "".join(figures)
        self._room -= len(shown)
        return f'<div class="pictures">{shown}</div>' if shown and self._room > 0 else ""

    def _image(self, case: str, said: str) -> str:
        encoded = self._encoded.get(case)
        return _tag(encoded, said) if encoded else ""

    def _masks(self, one: CaseFacts) -> str:
        """Each mask of a case on its own grid."""
        drawn = []
        for path in one.case.masks[:_PER_FINDING] if self._encoded else ():
            try:
                found = read_label_map(path, labels=None if one.case.structures else self._labels)
            except MedsegError:
                continue
            size = "×".join(map(str, found.geometry.shape))
            rgb = _mask_picture(found, None if one.case.structures else self._labels)
            drawn.append(_figure(_tag(_encoded(rgb), f"the mask {path.name}"), f"{path.name} ({size}), by itself"))
        return "".join(drawn)


def _mask_picture(found: LabelMap, labels: Labels | None) -> np.ndarray:
    """A mask in the colours of its labels; of labels that overlap or that nobody declared, what they cover in one."""
    indices = np.zeros(found.geometry.shape, np.uint8)
    if labels is None or found.mask.ndim > found.geometry.ndim:
        indices[np.any(found.mask.reshape(-1, *found.geometry.shape) != 0, axis=0)] = 1
        labels = labels_of(indices)
    else:
        for index, label in enumerate(labels.labels, start=1):
            indices[np.isin(found.mask, label.values)] = index
    return montage(np.zeros(indices.shape, np.uint8), found.geometry, indices, labels, _HEIGHT)


def _encoded(rgb: np.ndarray) -> str:
    buffer = io.BytesIO()
    # 4:4:4, since outlines are one pixel wide
    Picture.fromarray(rgb).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return base64.b64encode(buffer.getvalue()).decode()


def _tag(encoded: str, said: str) -> str:
    return f'<img class="shot" alt="{html.escape(said)}" src="data:image/jpeg;base64,{encoded}">'


def _figure(image: str, caption: str) -> str:
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>" if image else ""
