"""What is refused of the indexes of one field, when they are declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import permutations
from typing import Any

from fieldcrypt.declaration.indexed_by import IndexedBy
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE
from fieldcrypt.search.kinds.part import Part
from fieldcrypt.search.kinds.range import Range
from fieldcrypt.search.question import AllEqual, Between, EndsWith, Equal, PartIs, Question, StartsWith

__all__ = ["advice", "check_together", "nothing_hidden_error", "tells", "unanswered_error"]


def check_together(name: str, hows: tuple[IndexedBy, ...]) -> None:
    """Refuse indexes of one field that are in each other's way.

    Raises:
        ConfigurationError: two have a companion or a name in common, or one has the name of another one's part. Or one
            has short or partitioned tags, which hide nothing because another one has whole tags of the same value, or
            of a finer one. Whole tags in partitions are enough: rows that share one have equal values, which links the
            partitions of the other.
    """
    for names in ([each for how in hows for each in how.companions], [how.index_name for how in hows]):
        twice = [each for each, times in Counter(names).items() if times > 1]
        if twice:
            raise ConfigurationError(f"{name}: two of its indexes are called {twice[0]}")
    for how, other in permutations(hows, 2):
        meant = set(how.names) & {*other.names, _part_name(other)} - {_part_name(how)}
        if meant:
            raise ConfigurationError(
                f"{name}: {how.companion} and {other.companion} would both be asked by the name {meant.pop()}"
            )
    for hiding in hows:
        for telling in hows:
            if telling is hiding or telling.tag_size < DEFAULT_TAG_SIZE or not tells(telling.of, hiding.of):
                continue
            if hiding.hides and not hiding.accept_leakage:
                raise nothing_hidden_error(name, hiding.companion, telling.companion)


def nothing_hidden_error(name: str, hiding: str, telling: str) -> ConfigurationError:
    """Return what to raise where whole tags in one companion show what those of another one are to hide."""
    return ConfigurationError(
        f"{name}: the tags of {hiding} hide nothing, because {telling} has whole tags of the same value, or of more of "
        "it: leave one of them out, or set accept_leakage=True"
    )


def tells(one: Any, other: Any) -> bool:
    """Return True if whole tags of one kind show which values have equal terms of the other.

    Ranges count as telling everything, and so do prefixes and suffixes: of short texts they do.
    """
    if one is None or isinstance(one, Range):
        return True
    if not isinstance(one, Part):
        return other is None or _end(one) == _end(other)
    if not isinstance(other, Part):
        return False
    one_cut, other_cut = one.cut, other.cut
    if one_cut is None or other_cut is None:
        return one.name == other.name
    return one_cut[0] is other_cut[0] and one_cut[1] >= other_cut[1]


def _part_name(how: IndexedBy) -> str | None:
    return how.of.name if isinstance(how.of, Part) else None


def _end(of: Any) -> Any:
    """Return which questions a kind answers about the ends of texts, if it does."""
    return (of.cut or (None,))[0] if isinstance(of, Part) else of.questions[0]


def advice(question: Question) -> str:
    """Return, for messages, which declaration would answer a question, and show nothing of the question's values."""
    if isinstance(question, PartIs):
        cut = question.part.partition(" ")
        declared = f"{cut[0]}({cut[2]})" if cut[0] in ("first", "last", "domain", "year", "month") else "Part(…)"
        return f'the part {question.part}: IndexedBy("…", of={declared}) would'
    if isinstance(question, StartsWith | EndsWith) and not question.text:
        which = "startswith" if isinstance(question, StartsWith) else "endswith"
        return f"{which} of an empty text, and needs none: it is true of every text. Ask for all that have a value"
    return _ADVICE[type(question)]


def unanswered_error(name: str, question: Question, declared: Iterable[IndexedBy]) -> ConfigurationError:
    """Return what to raise where none of the declared indexes of a field answers a question."""
    there = "".join(f"; {how.companion} answers {how.answers}" for how in declared)
    return ConfigurationError(f"{name} has no index that answers {advice(question)}{there}")


_ADVICE: dict[type[Question], str] = {
    Equal: '==: IndexedBy("…") would',
    StartsWith: 'startswith of such a text: IndexedBy("…", of=Prefixes(shortest, longest), accept_leakage=True) would',
    EndsWith: 'endswith of such a text: IndexedBy("…", of=Suffixes(shortest, longest), accept_leakage=True) would',
    Between: 'between, < and >: IndexedBy("…", of=Range(minimum, maximum), accept_leakage=True) would',
    AllEqual: 'several members at once: CompoundIndex("…", of={…}) would',
}
