"""What a group takes for a loss: a number passed over in a lane that it knows, or that began under its eyes."""

from collections.abc import Mapping, Sequence

from shared.log.file import Ranges
from shared.log.lanes import Gap, Screened, screen
from shared.log.record import ONLY_FOR, Position, Record
from tests.builders import a_record
from tests.logs import a_fact

BEGAN_US = 1_000_000
SOURCE, LANE = "s", "edge/e1/interaction.completed.v1/3"
NO_POSITIONS: Mapping[str, Position] = {}


def a_placed(seq: int, *, accepted_at_us: int, producer: str = "edge", **more: object) -> Record:
    placed = {"source": SOURCE, "partition": 3, "accepted_at_us": accepted_at_us}
    return a_record(a_fact(seq), seq=seq, producer=producer, **placed, **more)


def screened(
    records: Sequence[Record],
    positions: Mapping[str, Position] = NO_POSITIONS,
    began_us: Mapping[str, int] | None = None,
) -> Screened:
    ranges: Ranges = {SOURCE: (0, 10)}
    return screen("g", records, ranges, positions, began_us or {})


def test_a_lane_met_at_its_first_record_is_followed_from_there() -> None:
    found = screened([a_placed(1, accepted_at_us=5), a_placed(2, accepted_at_us=6)])

    assert [record.seq for record in found.fresh] == [1, 2]
    assert found.positions == {SOURCE: Position(10, {LANE: 2})}
    assert (found.gaps, found.duplicates) == ([], 0)


def test_a_lane_whose_head_retention_took_before_the_group_began_is_taken_as_it_comes() -> None:
    stands = {SOURCE: Position(9, {"another/lane": 4})}
    old = a_placed(700, accepted_at_us=BEGAN_US)

    found = screened([old], stands, {SOURCE: BEGAN_US})

    assert found.gaps == []
    assert found.positions[SOURCE].seqs == {"another/lane": 4, LANE: 700}


def test_a_loss_in_such_a_lane_is_told_from_then_on() -> None:
    old = [a_placed(700, accepted_at_us=BEGAN_US - 2), a_placed(703, accepted_at_us=BEGAN_US - 1)]

    found = screened(old, began_us={SOURCE: BEGAN_US})

    assert found.gaps == [Gap(LANE, after=700, missing=2)]


def test_a_lane_that_began_after_the_group_has_lost_what_is_missing_at_its_head() -> None:
    late = a_placed(3, accepted_at_us=BEGAN_US + 1)

    found = screened([late], began_us={SOURCE: BEGAN_US})

    assert found.gaps == [Gap(LANE, after=0, missing=2)]


def test_a_group_of_which_it_is_not_known_when_it_began_has_always_stood_there() -> None:
    found = screened([a_placed(3, accepted_at_us=1)], {SOURCE: Position(9)})

    assert found.gaps == [Gap(LANE, after=0, missing=2)]


def test_what_was_seen_is_dropped_and_what_is_for_another_group_is_only_counted_on() -> None:
    stands = {SOURCE: Position(2, {LANE: 2})}
    others = a_placed(3, accepted_at_us=2, headers={ONLY_FOR: "billing"})
    ours = a_placed(4, accepted_at_us=3, headers={ONLY_FOR: "g"})

    found = screened([a_placed(2, accepted_at_us=1), others, ours], stands)

    assert (found.fresh, found.duplicates, found.gaps) == ([ours], 1, [])


def test_a_record_of_no_known_place_is_handed_on_and_leaves_a_gap_in_its_lane() -> None:
    lost = a_placed(0, accepted_at_us=0, damage="a bit flipped")

    found = screened([a_placed(1, accepted_at_us=1), lost, a_placed(3, accepted_at_us=1)])

    assert [record.seq for record in found.fresh] == [1, 0, 3]
    assert found.gaps == [Gap(LANE, after=1, missing=1)]
