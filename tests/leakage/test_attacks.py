"""The attacks that the planner simulates, on tables whose answer is known."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

import pytest

from fieldcrypt.leakage.column import Column, alone, entropy, joint
from fieldcrypt.leakage.frequency import right
from fieldcrypt.leakage.together import right_together
from fieldcrypt.leakage.tree import best_guess, guesses_by_tree, within

DICE = random.Random(4711)
SKEWED = [min(int(DICE.paretovariate(0.8)), 500) for _ in range(5_000)]


def column(terms: Sequence[Hashable], partitions: int = 1) -> Column:
    """What an attacker sees of terms: tags that say nothing by themselves."""
    dice = random.Random(1)
    seen: dict[Hashable, float] = {}
    tags = [seen.setdefault((term, dice.randrange(partitions)), dice.random()) for term in terms]
    return Column("x", tags, terms, partitions)


def test_values_of_different_frequencies_are_all_guessed_right() -> None:
    """The most frequent tag is the most frequent value, and so on."""
    assert right(column([*"aaaabbbccd"])) == 1.0


def test_values_of_one_frequency_are_guessed_by_chance() -> None:
    """Among a hundred unique values one is right, on average; a value that stands out is right by itself."""
    assert right(column([*range(100)])) == pytest.approx(0.01)
    assert right(column([*range(90), *[90] * 10])) == pytest.approx((10 + 1) / 100)


def test_what_the_attacker_knows_from_elsewhere_is_used() -> None:
    """A distribution that ranks two values the other way round gets both wrong."""
    assert right(column([*"aaaabbb"]), [*"aabbb"]) == 0.0
    assert right(column([*"aaaabbb"]), [*"aaab"]) == 1.0


def test_an_attacker_who_knows_the_partitions_undoes_most_of_them() -> None:
    """With four tags per value the attack of the paper gets almost nothing right, one that knows of the four a lot."""
    smoothed = column(SKEWED, 4)
    assert right(smoothed, knows_partitions=False) < 0.15
    assert right(smoothed) > 0.5
    assert right(smoothed) < right(column(SKEWED))


def test_entropy_is_in_bits() -> None:
    """Sixteen equally frequent labels have four, one label none."""
    assert entropy([*range(16)] * 3) == pytest.approx(4.0)
    assert entropy(["a"] * 5) == pytest.approx(0.0)


def test_rows_are_alone_in_the_combination_of_indexes_that_hide_them_one_by_one() -> None:
    """Sixteen rows for each value of either column, one row for each pair."""
    one, other = column([row % 16 for row in range(256)]), column([row // 16 for row in range(256)])
    assert alone(one.tags) == alone(other.tags) == 0.0
    assert alone(joint([one, other])) == 1.0
    assert entropy(joint([one, other])) == pytest.approx(8.0)


def test_an_index_helps_to_guess_another_one() -> None:
    """A year of birth that is guessed by its frequency says which first names are likely."""
    years = [DICE.choices(range(20), range(1, 21))[0] for _ in range(8_000)]
    names = column([year // 2 * 10 + DICE.randrange(10) for year in years])
    alone_right, together = right(names), right_together([names, column(years)])[0]
    assert together > alone_right + 0.2


def test_ties_tell_nothing_of_the_order_of_rows() -> None:
    """The attack gets no more right than chance allows where all frequencies are alike."""
    assert right_together([column([*range(400)]), column([row % 40 for row in range(400)])])[0] < 0.05


def test_an_index_that_is_alone_is_not_guessed_by_another_one() -> None:
    """Of twenty names that are equally frequent one is guessed right, and by luck no more."""
    names = column([f"name{row % 20}" for row in range(200)])
    assert right_together([names]) == [right(names)] == [pytest.approx(0.05)]


def test_the_tree_of_a_range_places_values_that_frequencies_alone_do_not() -> None:
    """Which nodes occur together tells more than how often each occurs."""
    places = [int(DICE.triangular(0, 4_095, 3_000)) for _ in range(5_000)]
    levels = [column([(step, place // step) for place in places]) for step in (256, 64, 16)]
    truth = [float(place) for place in places]
    near = [None if not isinstance(term, tuple) else term[1] * 16 + 8.0 for term in guesses_by_tree(levels)]
    assert within(near, truth, 50) > right(levels[-1]) + 0.3
    assert within(near, truth, 50) > 10 * best_guess(truth, 50)


def test_a_tree_of_a_sample_places_another_sample() -> None:
    """The attacker needs the distribution, not the table: half of the rows tells where most of the others are."""
    places = [int(DICE.triangular(0, 4_095, 3_000)) for _ in range(20_000)]
    levels = [column([(step, place // step) for place in places]) for step in (256, 64)]
    half = [Column(each.name, each.tags[:10_000], each.terms[:10_000]) for each in levels]
    guessed = guesses_by_tree(half, [each.terms[10_000:] for each in levels])
    near = [None if not isinstance(term, tuple) else float(term[1] * 64 + 32) for term in guessed]
    truth = [float(place) for place in places[:10_000]]
    assert within(near, truth, 200) > 2 * best_guess(truth, 200)
