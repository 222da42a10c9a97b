"""RECIST 1.1 on textbook cases: targets, their sum, the response, and the rules of nodes and of 5 mm."""

import numpy as np
import pytest
from followup_studies import GRID, LABELS, listed, mask_of, point

from medseg.errors import DatasetError, InputError
from medseg.followup import Criteria, TimePoint, follow, from_mask
from medseg.followup.recist import least_diameter, overall, target_response
from medseg.geometry import Geometry
from medseg.image import Segmentation

NODES = Criteria(frozenset({"node"}))


def lesions(*longest, label="liver", start=0.0):
    return [(label, mm, mm / 2, start + 50.0 * n) for n, mm in enumerate(longest) if mm]


def responses(*times, criteria=None):
    points = [one if isinstance(one, TimePoint) else listed(f"t{n}", *one) for n, one in enumerate(times)]
    return follow(points, criteria=criteria).responses


@pytest.mark.parametrize(
    ("now", "target", "non_target"),
    [
        ((50, 50), "SD", ""),
        ((35, 35), "PR", ""),  # exactly 30% less
        ((36, 35), "SD", ""),
        ((60, 60), "PD", ""),  # exactly 20% more
        ((59, 60), "SD", ""),
        ((0, 0), "CR", ""),
        ((0, 50), "PR", ""),
    ],
)
def test_the_sum_of_two_targets_against_the_baseline(now, target, non_target):
    row = responses(lesions(50, 50), lesions(*now)).iloc[1]
    assert (row["target_response"], row["non_target_response"], row["response"]) == (target, non_target, target)
    assert row["sum_mm"] == sum(now)
    assert row["sum_change_percent"] == pytest.approx(sum(now) - 100)


@pytest.mark.parametrize(("now", "expected"), [(14.9, "SD"), (15.0, "PD")])
def test_20_percent_are_no_progression_below_5_mm(now, expected):
    row = responses(lesions(10), lesions(now)).iloc[1]
    assert row["nadir_change_percent"] > 20
    assert row["response"] == expected


def test_progression_is_against_the_nadir_and_not_the_baseline():
    found = responses(lesions(100), lesions(50), lesions(62))
    assert found["response"].tolist() == ["", "PR", "PD"]
    assert found["nadir_mm"].tolist()[1:] == [100, 50]
    assert found["sum_change_percent"].iloc[2] == pytest.approx(-38)
    assert found["nadir_change_mm"].iloc[2] == pytest.approx(12)


def test_what_comes_back_after_a_complete_response_is_progression_however_small():
    assert responses(lesions(20), [], lesions(3))["response"].tolist() == ["", "CR", "PD"]
    assert responses(lesions(50, 20), lesions(30), lesions(30, 3))["response"].tolist() == ["", "PR", "PR"]


def test_a_new_lesion_is_progression_whatever_the_targets_do():
    row = responses(lesions(50), [*lesions(10), *lesions(6, start=500)]).iloc[1]
    assert (row["target_response"], row["new_lesions"], row["response"]) == ("PR", 1, "PD")
    assert "whether 1 new lesion(s) are unequivocal" in row["to_judge"]
    assert "1 below 10 mm" in row["to_judge"]


def test_new_lesions_below_a_diameter_that_the_user_set_are_listed_and_do_not_count():
    row = responses(lesions(50), [*lesions(10), *lesions(4, start=500)], criteria=Criteria(min_new_mm=5)).iloc[1]
    assert (row["new_lesions"], row["response"]) == (0, "PR")
    assert "1 new lesion(s) below 5 mm that were not counted" in row["to_judge"]


def test_targets_are_five_at_most_and_two_an_organ_the_largest_first():
    organs = [*lesions(40, 30, 20), *(one for n, name in enumerate(("lung", "bone", "skin"))
              for one in lesions(28, 27, label=name, start=1000.0 * (n + 1)))]  # fmt: skip
    found = follow([listed("a", *organs), listed("b", *organs)])
    chosen = found.lesions[(found.lesions["time"] == 0) & (found.lesions["role"] == "target")]
    assert sorted(chosen["longest_axial_mm"], reverse=True) == [40, 30, 28, 28, 28]
    assert found.responses["sum_mm"].iloc[0] == 154
    assert found.responses["non_targets"].tolist() == [4, 4]


def test_an_organ_that_the_table_names_counts_before_the_label():
    table = listed("a", *lesions(40, 30, 20))
    table.regions["organ"] = ["liver", "liver", "spleen"]
    found = follow([table, listed("b", *lesions(40, 30, 20))])
    assert found.responses["sum_mm"].tolist() == [90, 90]


def test_nodes_are_one_organ_whatever_they_and_their_places_are_called():
    nodes = [
        (label, 40, short, 50.0 * n) for n, (label, short) in enumerate([("node", 30), ("left", 20), ("node", 25)])
    ]
    table = listed("a", *nodes)
    table.regions["organ"] = ["neck", "chest", "axilla"]
    found = follow([table, listed("b", *nodes)], criteria=Criteria(frozenset({"node", "left"})))
    assert found.responses["sum_mm"].iloc[0] == 30 + 25


def test_lesions_below_10_mm_and_nodes_below_15_mm_across_are_no_targets():
    everything = [("liver", 10, 5, 0), ("liver", 9.9, 9, 50), ("node", 30, 15, 100), ("node", 40, 14.9, 150),
                  ("node", 40, 9.9, 200)]  # fmt: skip
    found = follow([listed("a", *everything), listed("b", *everything)], criteria=NODES)
    assert found.lesions["role"].iloc[:5].tolist() == ["target", "non-target", "target", "non-target", "normal node"]
    assert found.responses["sum_mm"].iloc[0] == 10 + 15  # the short axis of a node
    assert found.responses["non_targets"].iloc[0] == 2


def test_nodes_are_completely_gone_below_10_mm_though_their_sum_is_not_0():
    before = [("liver", 20, 10, 0), ("node", 30, 20, 100)]
    found = responses(before, [("node", 30, 9.9, 100)], criteria=NODES)
    assert found["sum_mm"].tolist() == [40, 9.9]
    assert found["response"].tolist() == ["", "CR"]
    assert responses(before, [("node", 30, 10, 100)], criteria=NODES)["response"].iloc[1] == "PR"


def test_a_new_node_counts_from_10_mm_on():
    for short, expected in ((9.9, "SD"), (10, "PD")):
        found = responses(lesions(20), [*lesions(20), ("node", 30, short, 500)], criteria=NODES)
        assert found["response"].iloc[1] == expected


def test_non_targets_keep_a_complete_response_from_being_one_and_their_growth_is_left_to_the_reader():
    before = [*lesions(50), ("bone", 8, 4, 500)]
    gone = responses(before, [("bone", 8, 4, 500)]).iloc[1]
    assert (gone["target_response"], gone["non_target_response"], gone["response"]) == ("CR", "non-CR/non-PD", "PR")
    grown = responses(before, [*lesions(50), ("bone", 60, 30, 500)]).iloc[1]
    assert grown["response"] == "SD"
    assert "whether 1 non-target lesion(s) progressed unequivocally" in grown["to_judge"]


def test_without_targets_and_without_lesions_the_words_are_those_of_table_2():
    assert responses(lesions(8), lesions(8))["response"].iloc[1] == "non-CR/non-PD"
    assert responses(lesions(8), [])["response"].iloc[1] == "CR"
    assert responses([], [])["response"].iloc[1] == "NED"
    assert responses([], lesions(8))["response"].iloc[1] == "PD"


def test_a_time_of_which_nothing_is_known_is_not_evaluable_and_does_not_lower_the_nadir():
    found = responses(lesions(50), TimePoint.missing("t1", "it failed"), lesions(50))
    assert found["response"].tolist() == ["", "NE", "SD"]
    assert np.isnan(found["sum_mm"].iloc[1])
    assert found["nadir_mm"].iloc[2] == 50
    assert "nothing is known of this time: it failed" in found["to_judge"].iloc[1]


def test_a_target_outside_the_field_of_view_is_not_evaluable():
    small = GRID.cropped((0, 0, 0), (30, 60, 48))
    found = follow([point("a", [((45, 30, 24), 6, 1)]), point("b", [], grid=small)]).responses
    assert found["response"].tolist() == ["", "NE"]
    assert "1 target(s) outside the field of view" in found["to_judge"].iloc[1]


def test_fragments_are_added_and_a_merged_lesion_counts_once():
    apart, together = [((20, 30, 24), 5, 1), ((32, 30, 24), 5, 1)], [((26, 30, 24), 11, 1)]
    assert follow([point("a", together), point("b", apart)]).responses["sum_mm"].tolist() == [23, 22]
    assert follow([point("a", apart), point("b", together)]).responses["sum_mm"].tolist() == [22, 23]


def test_a_target_that_merges_with_a_lesion_that_is_none_is_flagged():
    apart, together = [((20, 30, 24), 6, 1), ((32, 30, 24), 4, 1)], [((26, 30, 24), 11, 1)]
    found = follow([point("a", apart), point("b", together)])
    assert found.responses["sum_mm"].tolist() == [13, 23]
    assert "merged with a lesion that is none" in found.tracks["flags"].iloc[1]


def test_in_thick_slices_a_lesion_is_measurable_from_two_slices_on():
    def thick(mm):
        grid = Geometry.from_spacing((60, 60, 12), (1, 1, mm))
        mask = mask_of([((30, 30, 3 * mm), 8, 1)], grid)
        return from_mask("a", Segmentation(mask, grid, LABELS))

    assert [least_diameter(thick(mm), "lesion", ()) for mm in (5.0, 8.0)] == [10, 16]
    assert least_diameter(thick(8.0), "node", {"node"}) == 15


def test_named_targets_are_taken_and_what_is_no_target_is_refused():
    before = listed("a", *lesions(40, 30, 20, 8))
    named = follow([before, before], criteria=Criteria(targets=(("liver", 3),)))
    assert named.responses["sum_mm"].tolist() == [20, 20]
    for target, message in (
        ((("liver", 9),), "no lesion of the baseline"),
        ((("liver", 4),), "not measurable"),
        ((("liver", 1), ("liver", 2), ("liver", 3)), "5 at most, 2 an organ"),
    ):
        with pytest.raises(InputError, match=message):
            follow([before, before], criteria=Criteria(targets=target))
    with pytest.raises(DatasetError, match="node lymph: no such label"):
        follow([before, before], criteria=Criteria(frozenset({"lymph"})))


@pytest.mark.parametrize(
    ("target", "non_target", "new", "expected"),
    [
        ("CR", "CR", False, "CR"), ("CR", "", False, "CR"), ("CR", "non-CR/non-PD", False, "PR"),
        ("CR", "NE", False, "PR"), ("PR", "non-CR/non-PD", False, "PR"), ("PR", "NE", False, "PR"),
        ("SD", "non-CR/non-PD", False, "SD"), ("SD", "NE", False, "SD"), ("NE", "non-CR/non-PD", False, "NE"),
        ("PD", "CR", False, "PD"), ("CR", "CR", True, "PD"), ("NE", "", True, "PD"), ("", "NE", False, "NE"),
    ],
)  # fmt: skip
def test_the_overall_response_is_that_of_tables_1_and_2(target, non_target, new, expected):
    assert overall(target, non_target, new) == expected


def test_30_and_20_percent_of_decimal_fractions_are_what_they_are():
    assert target_response(0.7 * 33.3, 33.3, 33.3, False) == "PR"
    assert target_response(1.2 * 33.3, 33.3, 33.3, False) == "PD"
    assert target_response(38.3, 33.3, 33.3, False) == "SD"


def test_after_a_complete_response_any_disease_is_progression_non_targets_and_target_nodes_too():
    small = ("bone", 8, 4, 500)
    found = responses([*lesions(20), small], [], [small])
    assert found["response"].tolist() == ["", "CR", "PD"]
    assert found["target_response"].tolist() == ["", "CR", "CR"]
    assert "whether the complete response before was one" in found["to_judge"].iloc[2]
    node = [("node", 30, short, 0) for short in (20, 9, 10)]
    assert responses(*([one] for one in node), criteria=NODES)["response"].tolist() == ["", "CR", "PD"]


def test_targets_that_come_back_while_others_were_never_gone_are_judged_by_their_sum():
    small = ("bone", 8, 4, 500)
    found = responses([*lesions(20), small], [small], [*lesions(3), small], [*lesions(5), small])
    assert found["target_response"].tolist() == ["", "CR", "PR", "PD"]
    assert found["response"].tolist() == ["", "PR", "PR", "PD"]


def test_a_normal_node_that_grows_to_10_mm_is_new_disease():
    for short, expected in ((9.9, "SD"), (10, "PD")):
        before, after = [*lesions(20), ("node", 30, 8, 500)], [*lesions(20), ("node", 30, short, 500)]
        row = responses(before, after, criteria=NODES).iloc[1]
        assert (row["new_lesions"], row["response"]) == (int(expected == "PD"), expected)
    assert "1 node(s) below 15 mm, to be looked at again" in row["to_judge"]
    assert "1 node(s) that were normal at baseline" in row["to_judge"]


def test_a_new_lesion_that_merges_with_a_target_later_was_progression_when_it_came():
    target, new, both = ((20, 30, 24), 6, 1), ((34, 30, 24), 5, 1), ((26, 30, 24), 13, 1)
    short = follow([point("a", [target]), point("b", [target, new])])
    found = follow([point("a", [target]), point("b", [target, new]), point("c", [both])])
    assert found.responses["new_lesions"].tolist() == [0, 1, 0]
    assert found.responses["response"].tolist()[:2] == short.responses["response"].tolist() == ["", "PD"]
    assert sorted(found.lesions.loc[found.lesions["time"] == 1, "role"]) == ["new", "target"]
    assert "1 new lesion(s) that will merge with it" in found.tracks["flags"].iloc[1]


def test_targets_that_were_judged_and_progressed_are_progression_whatever_became_of_the_others():
    small = GRID.cropped((0, 0, 0), (40, 60, 48))
    before = [((20, 30, 24), 6, 1), ((55, 30, 24), 6, 1)]
    for radius, expected in ((16, "PD"), (15, "NE")):  # 33 and 31 mm, of 13 + 13
        found = follow([point("a", before), point("b", [((20, 30, 24), radius, 1)], grid=small)]).responses
        assert (found["target_response"].iloc[1], found["response"].iloc[1]) == (expected, expected)
        assert np.isnan(found["sum_mm"].iloc[1])


def test_non_targets_of_which_one_was_not_judged_are_not_evaluable_though_another_is_there():
    small = GRID.cropped((0, 0, 0), (40, 60, 48))
    found = follow([point("a", [((20, 30, 24), 4, 1), ((55, 30, 24), 4, 1)]),
                    point("b", [((20, 30, 24), 4, 1)], grid=small)]).responses  # fmt: skip
    assert (found["non_target_response"].iloc[1], found["response"].iloc[1]) == ("NE", "NE")
    assert "1 non-target lesion(s) outside the field of view" in found["to_judge"].iloc[1]


def test_what_the_responses_before_leave_to_the_reader_is_named():
    said = responses(lesions(100), lesions(70), lesions(80), lesions(95), lesions(90))
    assert said["response"].tolist() == ["", "PR", "SD", "PD", "PD"]
    assert "whether the response is confirmed" in said["to_judge"].iloc[1]
    assert "the partial response that goes on" in said["to_judge"].iloc[2]
    assert "whether the response is confirmed" in responses(lesions(20), [])["to_judge"].iloc[1]
    course = responses(lesions(100), [*lesions(100), *lesions(6, start=500)], lesions(100))
    assert course["response"].tolist() == ["", "PD", "SD"]
    assert "had progressed before" in course["to_judge"].iloc[2]
