"""Follow-up: lesions matched over time, what became of each, and RECIST 1.1."""

from medseg.followup.columns import LESION_COLUMNS, RESPONSE_COLUMNS, TRACK_COLUMNS
from medseg.followup.following import Followed, follow, table_of
from medseg.followup.growth import doubling_days
from medseg.followup.matching import Matching
from medseg.followup.recist import Criteria
from medseg.followup.time_point import TimePoint, from_mask, from_table
from medseg.followup.tracks import STATES, Track, Tracks, find_tracks

__all__ = [
    "LESION_COLUMNS",
    "RESPONSE_COLUMNS",
    "STATES",
    "TRACK_COLUMNS",
    "Criteria",
    "Followed",
    "Matching",
    "TimePoint",
    "Track",
    "Tracks",
    "doubling_days",
    "find_tracks",
    "follow",
    "from_mask",
    "from_table",
    "table_of",
]
