"""Searching encrypted fields: what of a value can be indexed beside the whole of it, and how long tags should be."""

from fieldcrypt.search.affix import Prefixes, Suffixes
from fieldcrypt.search.part import Part, domain, first, last, month, year
from fieldcrypt.search.range import Range

__all__ = ["Part", "Prefixes", "Range", "Suffixes", "domain", "first", "last", "month", "year"]
