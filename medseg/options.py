"""What a user may choose about reading; kept in the plan, so that a model reads as its training did."""

from typing import Literal

from medseg.config import Settings

__all__ = ["ReadOptions"]


class ReadOptions(Settings):
    """How files become images, where there is a choice. The defaults refuse what is doubtful.

    Args:
        frame: Which volume of a file with four axes, from 0.
        untilt: Resample a series with gantry tilt onto an orthogonal grid, instead of refusing it.
        window: Apply the window or VOI LUT that a DICOM radiograph carries.
        pet: "suv" turns PET into SUV by body weight, or refuses it where a tag is missing; "stored" keeps its unit.
        resample_channels: Resample channels on other grids onto the reference channel's, instead of refusing them.
        reference: The channel on whose grid the image and its mask lie, from 0.
        across_frames: Take world positions of different DICOM frames of reference as one, because somebody
            registered them.
        consensus: How the masks of several readers become one: "majority", "staple", or the name of one reader.
            Refused where a case has several and nothing is said.
        nearest_label: Give voxels of a mask with undeclared values the nearest declared value (anti-aliased edges).
    """

    frame: int | None = None
    untilt: bool = False
    window: bool = False
    pet: Literal["suv", "stored"] = "suv"
    resample_channels: bool = False
    reference: int = 0
    across_frames: bool = False
    consensus: str = ""
    nearest_label: bool = False
