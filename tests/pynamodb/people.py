"""A model of people that is searched by all kinds of indexes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.constants import STRING
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from fieldcrypt import Encryptor
from fieldcrypt.search import Prefixes, Range, Suffixes, domain, last
from fieldcrypt_pynamodb import (
    BlindIndexAttribute,
    BlindIndexSetAttribute,
    CompoundIndex,
    EncryptedAttribute,
    IndexedBy,
    encrypted,
)

BORN = Range(dt.date(1900, 1, 1), dt.date(2099, 12, 31), rows=10_000)


class DateAttribute(Attribute[dt.date]):
    """A date, as text in DynamoDB."""

    attr_type = STRING

    def serialize(self, value: dt.date) -> str:
        return value.isoformat()

    def deserialize(self, value: str) -> dt.date:
        return dt.date.fromisoformat(value)


def _by(companion: str, index_name: str) -> Any:
    members = {companion: BlindIndexAttribute(hash_key=True)}
    meta = type("Meta", (), {"index_name": index_name, "projection": AllProjection()})
    return type(index_name, (GlobalSecondaryIndex,), {**members, "Meta": meta})()


def people(meta: Any, keys: Encryptor, **options: Any) -> Any:
    """A model with indexes of all kinds, and its table.

    Args:
        meta: its Meta.
        keys: where keys come from.
        options: of all indexes but compounds, `per_tenant` for example.
    """
    leaks: Any = {**options, "accept_leakage": True}

    @encrypted(
        keys,
        tenant="clinic",
        fields="people",
        indexes=[
            CompoundIndex("who_tag", of={"surname": "casefold", "born": None}),
            CompoundIndex("where_tag", of={"clinic": None, "email": domain()}, accept_leakage=True),
        ],
    )
    class Person(Model):
        Meta = meta
        id = UnicodeAttribute(hash_key=True)
        clinic = UnicodeAttribute(default="clinic-7")
        note = UnicodeAttribute(null=True)
        ssn = EncryptedAttribute(
            UnicodeAttribute(null=True),
            index=[
                IndexedBy("ssn_tag", **options),
                IndexedBy("ssn_last4", normaliser="digits", of=last(4), **leaks),
            ],
        )
        ssn_tag = BlindIndexAttribute(null=True)
        ssn_last4 = BlindIndexAttribute(null=True)
        email = EncryptedAttribute(UnicodeAttribute(null=True), index=IndexedBy("email_domain", of=domain(), **leaks))
        email_domain = BlindIndexAttribute(null=True)
        surname = EncryptedAttribute(
            UnicodeAttribute(null=True),
            index=[
                IndexedBy("name_prefix", of=Prefixes(2, 4), normaliser="casefold", **leaks),
                IndexedBy("name_ends", of=Suffixes(2, 3), normaliser="casefold", one_companion=True, **leaks),
            ],
        )
        name_prefix_2 = BlindIndexAttribute(null=True)
        name_prefix_3 = BlindIndexAttribute(null=True)
        name_prefix_4 = BlindIndexAttribute(null=True)
        name_ends = BlindIndexSetAttribute(null=True)
        born = EncryptedAttribute(DateAttribute(null=True), index=IndexedBy("born_range", of=BORN, **leaks))
        born_range_5 = BlindIndexAttribute(null=True)
        born_range_6 = BlindIndexAttribute(null=True)
        weight = EncryptedAttribute(
            NumberAttribute(null=True),
            index=IndexedBy("weight_range", of=Range(0, 255), one_companion=True, **leaks),
        )
        weight_range = BlindIndexSetAttribute(null=True)
        seen = EncryptedAttribute(UTCDateTimeAttribute(null=True), index=IndexedBy("seen_tag", partitions=3, **options))
        seen_tag = BlindIndexAttribute(null=True)
        who_tag = BlindIndexAttribute(null=True)
        where_tag = BlindIndexAttribute(null=True)
        by_domain = _by("email_domain", "by-domain")
        by_prefix_3 = _by("name_prefix_3", "by-prefix-3")
        by_prefix_4 = _by("name_prefix_4", "by-prefix-4")
        by_born_5 = _by("born_range_5", "by-born-5")
        by_born_6 = _by("born_range_6", "by-born-6")
        by_who = _by("who_tag", "by-who")

    Person.create_table(wait=True)
    return Person
