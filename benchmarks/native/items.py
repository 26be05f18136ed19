"""An item of boto3's with five protected attributes of ten: by both backends, beside boto3's own conversions."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks import measure
from benchmarks.compare import microseconds
from benchmarks.dynamodb_boto3 import conversions_of, tables
from benchmarks.native.row import NATIVE, PURE, Row
from fieldcrypt import Encryptor

__all__ = ["item_row"]

PLAIN, BOTH = "plain", "write and read"


def item_row(encryptors: Mapping[str, Encryptor], seconds: float) -> Row:
    """Put and get an item."""
    works = conversions_of({name: tables(keys)["protected"] for name, keys in encryptors.items()})
    results = measure.run({name: work[BOTH] for name, work in works.items()}, seconds)
    plain = results[PLAIN]
    return Row(
        "boto3 put and get, five of ten",
        f"plain, {microseconds(plain.median)} µs",
        (BOTH,),
        {name: (results[name].ratio(plain),) for name in encryptors},
        {PURE: (2.4,), NATIVE: (1.5,)},
    )
