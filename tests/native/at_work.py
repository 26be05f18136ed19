"""A process that uses keys in every way, then lets go of them; another one searches its memory meanwhile.

It says what the other one needs to compute the keys: key records and values.
"""

from __future__ import annotations

import gc
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from fieldcrypt import DecryptionError, Encryptor, Field, LocalKeyProvider, MemoryKeyStore
from fieldcrypt.batch import FieldGroup
from fieldcrypt.columns import arrow
from fieldcrypt.format.context import RowContext
from fieldcrypt.search import Prefixes

TENANTS = ("a", "b", None)


def used(encryptor: Encryptor) -> list[bytes]:
    """Encrypt, decrypt, tag and search in all ways, and return the values."""
    text = encryptor.field("patients.name", str)
    number = encryptor.field("patients.age", int)
    index = encryptor.blind_index("patients.name", str)
    terms = encryptor.search_index("patients.name", str, index="prefix", of=Prefixes(2, 4), accept_leakage=True)
    row = RowContext(("7",))
    values: list[bytes] = []
    for tenant in TENANTS:
        group = FieldGroup([text, number])
        texts = [text.encrypt("Ann", tenant=tenant), text.encrypt("x" * 300_000, tenant=tenant)]
        texts += text.encrypt_many(["Bob"] * 50, tenant=tenant)
        sealed = group.encrypt(["Ann", 7], tenant=tenant)
        bound = text.encrypt("Ann", tenant=tenant, context=row)
        assert text.decrypt_many([*texts, sealed[0]], tenant=tenant)[0] == "Ann"
        assert text.decrypt(texts[0], tenant=tenant) == "Ann"
        assert number.decrypt(sealed[1], tenant=tenant) == 7
        assert group.decrypt(sealed, tenant=tenant) == ["Ann", 7]
        assert text.reader(tenant)(texts[0]) == "Ann"
        assert text.decrypt(bound, tenant=tenant, context=row) == "Ann"
        values += in_columns(encryptor, tenant)
        try:
            text.decrypt(texts[0][:-1] + bytes([texts[0][-1] ^ 1]), tenant=tenant)
        except DecryptionError:
            values += texts + sealed
        index.tag("Ann", tenant=tenant)
        index.tags("Ann", tenant=tenant)
        terms.stored_tags("Ann", tenant=tenant, row=row)
    return values


def in_columns(encryptor: Encryptor, tenant: str | None) -> list[bytes]:
    """Encrypt and decrypt columns, which the native core does with buffers, and in threads of Arrow's or anybody's."""
    sealed = []
    for kind, column in ((str, pa.array(["Ann", None, "Bob"] * 50)), (int, pa.array(range(100)))):
        field: Field[Any] = encryptor.field("patients.column", kind)
        sealed.append(arrow.encrypt_column(field, column, tenant=tenant))
        assert arrow.decrypt_column(field, sealed[-1], tenant=tenant).equals(column)
    return [column[0].as_py() for column in sealed]


def used_by_threads(encryptor: Encryptor) -> list[bytes]:
    """Do it in several threads at once."""
    with ThreadPoolExecutor(4) as threads:
        return [value for values in threads.map(lambda _: used(encryptor), range(4)) for value in values]


def say(**what: Any) -> None:
    """Tell the other process, and wait until it has searched."""
    print(json.dumps(what), flush=True)
    sys.stdin.readline()


def main() -> None:
    """Use an Encryptor, forget, use it again, close it."""
    store = MemoryKeyStore()
    encryptor = Encryptor(LocalKeyProvider(bytes.fromhex(sys.argv[1])), store)
    values = used(encryptor) + used_by_threads(encryptor)
    encryptor.forget()
    values += used(encryptor)
    records = [record for tenant in TENANTS for record in store.list(tenant)]
    say(
        records=[(record.key_id.hex(), record.to_bytes().hex()) for record in records],
        values=sorted({value[:29].hex() for value in values}),
    )
    encryptor.close()
    gc.collect()
    say()


if __name__ == "__main__":
    main()
