"""`fieldcrypt keys export`: the records of a key store, for a backup or an audit."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldcrypt.cli.output import fail, printable, utc
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor
from fieldcrypt.errors import KeyNotFoundError, KeyStoreError
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone

__all__ = ["exporting", "facts_of"]

exporting = typer.Typer()


@exporting.command()
def export(
    encryptor: EncryptorOption = None,
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="TENANT", help="Only keys of this tenant.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="A file to write. Default: stdout.")] = None,
) -> None:
    """Write the records of data keys, still wrapped, as a line of JSON each: for a backup or an audit.

    Exit code 1 if a record was unreadable.
    """
    check_tenant_option(tenant)
    entries = find_encryptor(encryptor).data_keys.entries()
    first = list(islice(entries, 1))  # before a file is made, because the key store may be down
    exported = unreadable = 0
    try:
        with nullcontext(sys.stdout) if output is None else output.open("x", encoding="utf-8") as stream:
            for _, entry in chain(first, entries):
                if isinstance(entry, KeyStoreError):
                    unreadable += 1
                    typer.echo(printable(entry), err=True)
                elif tenant in (None, entry.tenant):
                    exported += 1
                    stream.write(json.dumps(facts_of(entry)) + "\n")
    except OSError as error:
        if output is None:
            raise
        fail(f"{output} cannot be written: {error.strerror}", 2)
    if tenant is not None and not exported:
        raise KeyNotFoundError(f"the key store has no data key of tenant {tenant!r}")
    if unreadable:
        raise typer.Exit(1)


def facts_of(entry: KeyRecord | Tombstone) -> dict[str, Any]:
    """Return what a line of an export says."""
    return {
        "key_id": entry.key_id.hex(),
        "tenant": entry.tenant,
        "purpose": entry.purpose.label,
        "state": entry.state.value,
        "created": utc(entry.created),
        "record": entry.to_bytes().hex(),
    }
