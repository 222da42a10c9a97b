"""Lesions of made studies over time: known growth, merging, splitting, fields of view, and what must not matter."""

import math

import numpy as np
import pytest
from followup_studies import GRID, LABELS, mask_of, point
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import DatasetError, InputError, UnknownSpacingError
from medseg.followup import Matching, TimePoint, doubling_days, find_tracks, follow, from_mask, from_table
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.labels import Labels


def states(*points, how=None):
    return [track.states for track in find_tracks(points, how).tracks]


def test_a_sphere_that_grows_from_10_to_14_mm_is_measured_to_a_voxel_and_doubles_in_the_time_it_takes():
    grid = Geometry.from_spacing((60, 60, 60), (0.5, 0.5, 0.5))
    middle = (15.0, 15.0, 15.0)
    before, after = point("a", [(middle, 5, 1)], "2024-01-01", grid), point("b", [(middle, 7, 1)], "2024-04-10", grid)
    row = follow([before, after]).tracks.set_index("time").loc[1]
    assert row["state"] == "matched"
    assert row["longest_axial_change_mm"] == pytest.approx(4, abs=0.5)
    assert row["perpendicular_change_mm"] == pytest.approx(4, abs=0.5)
    assert row["volume_change_percent"] == pytest.approx(100 * (1.4**3 - 1), rel=0.02)
    voxels = [int(mask_of([(middle, radius, 1)], grid).sum()) for radius in (5, 7)]
    assert row["doubling_days"] == pytest.approx(math.log(2) * 100 / math.log(voxels[1] / voxels[0]), rel=1e-12)
    assert row["doubling_days"] == pytest.approx(100 * math.log(2) / (3 * math.log(1.4)), rel=0.02)


def test_a_volume_that_doubles_in_a_hundred_days_has_a_doubling_time_of_a_hundred_days():
    assert doubling_days(2.0, 4.0, 100) == pytest.approx(100, rel=1e-15)
    assert doubling_days(1.0, 8.0, 90) == pytest.approx(30, rel=1e-15)


@pytest.mark.parametrize(
    ("before", "after", "days"),
    [(2, 2, 10), (2, 1, 10), (0, 1, 10), (1, 2, 0), (1, 2, None), (None, 2, 10), (1, 2, -5)],
)
def test_what_does_not_grow_or_has_no_dates_has_no_doubling_time(before, after, days):
    assert doubling_days(before, after, days) is None


def test_lesions_are_matched_new_and_gone():
    before = point("a", [((15, 15, 20), 5, 1), ((45, 45, 30), 6, 1)])
    after = point("b", [((16, 15, 20), 6, 1), ((15, 45, 20), 4, 1)])
    assert states(before, after) == [("baseline", "gone"), ("baseline", "matched"), ("absent", "new")]


def test_lesions_of_two_labels_are_never_one():
    before, after = point("a", [((20, 20, 20), 5, 1)]), point("b", [((20, 20, 20), 5, 2)])
    assert states(before, after) == [("baseline", "gone"), ("absent", "new")]


def test_two_lesions_merge_and_one_splits():
    apart, together = [((20, 30, 24), 5, 1), ((32, 30, 24), 5, 1)], [((26, 30, 24), 11, 1)]
    assert states(point("a", apart), point("b", together)) == [("baseline", "merged")]
    assert states(point("a", together), point("b", apart)) == [("baseline", "split")]
    found = follow([point("a", apart), point("b", together)])
    assert found.tracks["members"].tolist() == [2, 1]
    assert found.tracks["regions"].tolist() == ["1+2", "1"]
    both = found.tracks["longest_axial_mm"].tolist()
    assert both[0] == pytest.approx(2 * 11)
    assert both[1] == pytest.approx(23)


def test_merged_lesions_that_split_again_stay_one_track():
    apart, together = [((20, 30, 24), 5, 1), ((32, 30, 24), 5, 1)], [((26, 30, 24), 11, 1)]
    points = [point("a", apart), point("b", together), point("c", apart)]
    assert states(*points) == [("baseline", "merged", "split")]


def test_neighbours_that_overlap_a_little_after_a_shift_stay_apart():
    before = point("a", [((20, 30, 24), 7, 1), ((36, 30, 24), 7, 1)])
    after = point("b", [((24, 30, 24), 7, 1), ((40, 30, 24), 7, 1)])
    assert states(before, after) == [("baseline", "matched")] * 2


def test_a_lesion_that_moved_beside_itself_is_matched_by_its_centre_up_to_the_distance():
    before, after = point("a", [((20, 30, 24), 2, 1)]), point("b", [((27, 30, 24), 2, 1)])
    assert states(before, after) == [("baseline", "matched")]
    assert states(before, after, how=Matching(max_distance_mm=6.5)) == [("baseline", "gone"), ("absent", "new")]
    link = follow([before, after]).lesions.iloc[1]
    assert (link["match"], link["overlap"], link["distance_mm"]) == ("centroid", 0, pytest.approx(7))


def test_of_centres_as_many_as_possible_are_matched():
    before = point("a", [((10, 30, 24), 1, 1), ((16, 30, 24), 1, 1)])
    after = point("b", [((19, 30, 24), 1, 1), ((25, 30, 24), 1, 1)])  # the nearest alone would leave the outer ones
    assert states(before, after) == [("baseline", "matched")] * 2


def test_a_lesion_that_comes_back_is_the_same_one():
    ball = [((20, 20, 20), 5, 1)]
    assert states(point("a", ball), point("b", []), point("c", ball)) == [("baseline", "gone", "returned")]


def test_a_time_of_which_nothing_is_known_leaves_no_lesion_gone():
    ball = [((20, 20, 20), 5, 1)]
    found = states(point("a", ball), TimePoint.missing("b", "it failed"), point("c", ball))
    assert found == [("baseline", "missing", "matched")]


def test_what_lies_outside_the_field_of_view_is_not_gone_and_what_lay_there_is_flagged_as_new():
    small = GRID.cropped((0, 0, 0), (30, 60, 48))
    wide, narrow = point("wide", [((45, 30, 24), 6, 1)]), point("narrow", [((10, 30, 24), 5, 1)], grid=small)
    assert states(wide, narrow) == [("baseline", "not covered"), ("absent", "new")]
    found = follow([narrow, wide])
    new = found.tracks[(found.tracks["state"] == "new")].iloc[0]
    assert new["flags"] == "its place is outside the field of view of narrow"
    assert "1 where the baseline did not look" in found.responses["to_judge"].iloc[1]


def test_voxels_that_nobody_judged_are_as_outside_the_field_of_view():
    labels = Labels.from_config({"lesion": 1, "ignore": 9})
    ignored = np.where(mask_of([((20, 20, 20), 9, 1)]), 9, 0).astype(np.uint8)
    before = from_mask("a", Segmentation(mask_of([((20, 20, 20), 5, 1)]), GRID, labels))
    assert states(before, from_mask("b", Segmentation(ignored, GRID, labels))) == [("baseline", "not covered")]


def test_grids_of_other_spacing_and_orientation_are_compared_in_the_world():
    coarse = Geometry((40, 20, 24), np.array([[0, -3.0, 0, 58], [1.5, 0, 0, 0], [0, 0, 2.0, 0], [0, 0, 0, 1]]))
    balls = [((20, 20, 20), 6, 1), ((40, 40, 30), 7, 1)]
    found = follow([point("a", balls), point("b", balls, grid=coarse)])
    assert found.tracks["state"].tolist() == ["baseline", "matched"] * 2
    assert (found.lesions["distance_mm"].dropna() < 0.6).all()


def test_empty_masks_have_tables_with_every_column_and_no_evidence_of_disease():
    found = follow([point("a", []), point("b", [])])
    assert len(found.tracks) == len(found.lesions) == 0
    assert "doubling_days" in found.tracks
    assert found.responses["response"].tolist() == ["", "NED"]


def test_overlapping_labels_are_followed_label_by_label():
    labels = Labels.from_config({"whole": 1, "core": 2, "overlapping": True})
    stacks = [np.stack([mask_of([((25, 25, 24), r, 1)]), mask_of([((25, 25, 24), r - 3, 1)])]) for r in (7, 8)]
    points = [from_mask(name, Segmentation(stack, GRID, labels)) for name, stack in zip("ab", stacks, strict=True)]
    assert [(one.label, one.states) for one in find_tracks(points).tracks] == [
        ("whole", ("baseline", "matched")),
        ("core", ("baseline", "matched")),
    ]


def test_tables_alone_are_matched_by_their_centres_and_say_so():
    masks = point("a", [((20, 20, 20), 5, 1)]), point("b", [((23, 20, 20), 6, 1)])
    tables = [from_table(one.name, one.regions) for one in masks]
    found = follow(tables)
    assert found.tracks["state"].tolist() == ["baseline", "matched"]
    assert any("matched one to one by their centres" in note for note in found.notes)
    with pytest.raises(DatasetError, match="no column centroid_x_mm"):
        from_table("c", masks[0].regions.drop(columns="centroid_x_mm"))
    with pytest.raises(DatasetError, match="centroid_x_mm is empty"):
        from_table("c", masks[0].regions.assign(centroid_x_mm=np.nan))


def test_dates_out_of_order_a_lone_time_point_and_pixels_are_refused():
    ball = [((20, 20, 20), 5, 1)]
    with pytest.raises(InputError, match="2023-05-01 comes after a of 2024-01-01"):
        follow([point("a", ball, "2024-01-01"), point("b", ball, "2023-05-01")])
    with pytest.raises(InputError, match="1 time point"):
        follow([point("a", ball)])
    unknown = Geometry.from_spacing((9, 9), None)
    with pytest.raises(UnknownSpacingError, match="spacing of this mask is unknown"):
        from_mask("a", Segmentation(np.ones((9, 9), np.uint8), unknown, LABELS))


def test_pictures_with_a_spacing_are_compared_by_their_area():
    grid = Geometry.from_spacing((50, 50), (0.5, 0.5))
    found = follow([point("a", [((12, 12), 5, 1)], grid=grid), point("b", [((12, 12), 7, 1)], grid=grid)])
    row = found.tracks.iloc[1]
    assert row["state"] == "matched"
    assert row["area_change_percent"] == pytest.approx(96, abs=3)
    assert np.isnan(row["volume_ml"])


balls = st.lists(
    st.tuples(
        st.tuples(st.integers(8, 55), st.integers(8, 50), st.integers(8, 38)), st.sampled_from([2, 3, 5]), st.just(1)
    ),
    max_size=4,
)


@settings(max_examples=12, deadline=None)
@given(balls, balls)
def test_swapping_two_time_points_inverts_every_change(one, other):
    forth = follow([point("a", one), point("b", other)]).tracks
    back = follow([point("b", other), point("a", one)]).tracks
    opposite = {"gone": "new", "new": "gone", "merged": "split", "split": "merged"}

    def told(tracks, invert):
        rows = tracks[tracks["time"] == 1]
        sign = -1 if invert else 1
        states = [opposite.get(state, state) if invert else state for state in rows["state"]]
        before = tracks[tracks["time"] == 0]["regions"].tolist()
        after = rows["regions"].tolist()
        changes = [sign * value if state in ("matched", "merged", "split", "regrouped") else 0.0
                   for value, state in zip(rows["longest_axial_change_mm"], states, strict=True)]  # fmt: skip
        pairs = zip(after, before, strict=True) if invert else zip(before, after, strict=True)
        return sorted(
            (*pair, state, round(value, 9) + 0.0) for pair, state, value in zip(pairs, states, changes, strict=True)
        )

    assert told(back, invert=True) == told(forth, invert=False)


@settings(max_examples=6, deadline=None)
@given(balls, balls, st.tuples(*[st.floats(-300, 300)] * 3))
def test_moving_both_studies_changes_nothing(one, other, by):
    def moved(point):
        affine = GRID.affine.copy()
        affine[:3, 3] += by
        grid = Geometry(GRID.shape, affine)
        return from_mask(point.name, Segmentation(point.segmentation.mask, grid, LABELS))

    still = [point("a", one), point("b", other)]
    there = follow([moved(one) for one in still]).tracks
    here = follow(still).tracks
    assert there["state"].tolist() == here["state"].tolist()
    np.testing.assert_allclose(there["longest_axial_change_mm"], here["longest_axial_change_mm"], atol=1e-9)


def test_days_count_from_the_baseline():
    ball = [((20, 20, 20), 5, 1)]
    found = follow([point("a", ball, "2024-02-01"), point("b", ball), point("c", ball, "2024-03-01")])
    assert found.responses["days"].isna().tolist() == [False, True, False]
    assert found.responses["days"].iloc[2] == 29
    assert found.responses["date"].tolist() == ["2024-02-01", "", "2024-03-01"]
