"""Searching encrypted fields: what can be indexed of a value besides the whole of it, and what can be asked."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldcrypt.search.answer import Answer
    from fieldcrypt.search.kinds.affix import Prefixes, Suffixes
    from fieldcrypt.search.kinds.kind import Cover, Kind, Level
    from fieldcrypt.search.kinds.part import Part, domain, first, last, month, year
    from fieldcrypt.search.kinds.range import Range
    from fieldcrypt.search.question import AllEqual, Between, EndsWith, Equal, PartIs, Question, StartsWith
    from fieldcrypt.search.term_index import TermIndex

__all__ = [
    # what of a value is indexed
    "Part",
    "domain",
    "first",
    "last",
    "month",
    "year",
    "Prefixes",
    "Suffixes",
    "Range",
    # what can be asked, and how an index answers
    "AllEqual",
    "Between",
    "EndsWith",
    "Equal",
    "PartIs",
    "Question",
    "StartsWith",
    "Answer",
    "TermIndex",
    # what a kind of index is
    "Cover",
    "Kind",
    "Level",
]

if not TYPE_CHECKING:  # `import fieldcrypt` passes through here, and must not load dataclasses
    _HOMES = {
        "kinds.part": ("Part", "domain", "first", "last", "month", "year"),
        "kinds.affix": ("Prefixes", "Suffixes"),
        "kinds.range": ("Range",),
        "question": ("AllEqual", "Between", "EndsWith", "Equal", "PartIs", "Question", "StartsWith"),
        "answer": ("Answer",),
        "term_index": ("TermIndex",),
        "kinds.kind": ("Cover", "Kind", "Level"),
    }
    _LATER = {name: home for home, names in _HOMES.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return found
