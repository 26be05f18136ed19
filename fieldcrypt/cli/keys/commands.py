"""`fieldcrypt keys`: the commands that show data keys."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fieldcrypt.cli.keys.creation import creation
from fieldcrypt.cli.keys.exporting import exporting
from fieldcrypt.cli.keys.importing import importing
from fieldcrypt.cli.keys.key_id import parse_key_id
from fieldcrypt.cli.keys.rewrapping import rewrapping
from fieldcrypt.cli.keys.rotation import rotation
from fieldcrypt.cli.keys.rows import KeyRow, key_rows
from fieldcrypt.cli.keys.shredding import shredding
from fieldcrypt.cli.keys.tenant_keys import tenant_keys
from fieldcrypt.cli.options import JsonOption
from fieldcrypt.cli.output import print_json, print_table, say, utc
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import KeyNotFoundError, KeyStoreError
from fieldcrypt.format._text import counted
from fieldcrypt.keys.record.record import KeyRecord

__all__ = ["keys"]

keys = typer.Typer(name="keys", help="Manage the data keys in a key store.", no_args_is_help=True)
keys.add_typer(creation)
keys.add_typer(exporting)
keys.add_typer(importing)
keys.add_typer(rotation)
keys.add_typer(rewrapping)
keys.add_typer(shredding)
keys.add_typer(tenant_keys)

TenantOption = Annotated[str | None, typer.Option("--tenant", metavar="TENANT", help="Only keys of this tenant.")]


@keys.command("list")
def list_keys(encryptor: EncryptorOption = None, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List data keys: tenant, age, use, and missing wraps. Exit code 1 if a record is unreadable."""
    check_tenant_option(tenant)
    rows = [row for row in _rows(find_encryptor(encryptor)) if tenant in (None, row.tenant)]
    if tenant is not None and not rows:
        raise KeyNotFoundError(f"the key store has no data key of tenant {tenant!r}")
    if as_json:
        print_json([row.as_json() for row in rows])
    else:
        titles = ("key id", "tenant", "purpose", "created", "use", "wraps", "remarks")
        print_table(titles, [_cells(row) for row in rows], whole=True)
        say(counted(len(rows), "data key"))
    if any(row.use == "unreadable" for row in rows):
        raise typer.Exit(1)


@keys.command()
def show(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="32 hexadecimal digits, as `keys list` shows them.")],
    encryptor: EncryptorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything that is known about one data key."""
    found = find_encryptor(encryptor)
    store = _store(found)
    wanted = parse_key_id(key_id)
    (row,) = key_rows([(wanted, store.get(wanted))], found.provider, found.policy)
    if isinstance(row.entry, KeyRecord):  # with its tenant's other keys, which decide what it is for
        rows = key_rows([(each.key_id, each) for each in store.list(row.tenant)], found.provider, found.policy)
        row = next((each for each in rows if each.key_id == row.key_id), row)
    if as_json:
        print_json(row.as_json())
        return
    facts = row.as_json()
    width = max(map(len, facts)) + 1
    for name, value in facts.items():
        say(f"{name + ':':{width}} {_formatted(value)}")


def _rows(found: Encryptor) -> list[KeyRow]:
    return key_rows(found.data_keys.entries(), found.provider, found.policy)


def _store(found: Encryptor) -> Any:
    _ = found.data_keys  # raises if there is no key store
    return found.store


def _cells(row: KeyRow) -> tuple[str, ...]:
    if isinstance(row.entry, KeyStoreError):
        return row.key_id, "", "", "", row.use, "", str(row.entry)
    remarks = [f"no wrap under {name}" for name in row.missing]
    if isinstance(row.entry, KeyRecord) and row.foreign:
        alone = len(row.foreign) == len(row.entry.wraps)
        remarks += [f"under {name} instead" if alone else f"also under {name}" for name in row.foreign]
    if row.own is not None:
        remarks.insert(0, row.own if isinstance(row.own, str) else f"own key {', '.join(row.own)}")
    wraps = ""
    if isinstance(row.entry, KeyRecord):
        wraps = str(len(row.entry.wraps))
        remarks += ["retired"] if row.entry.state.value == "retired" and row.use != "retired" else []
    else:
        remarks = [f"shredded {utc(row.entry.shredded)} by {row.entry.by}"]
    purpose = row.entry.purpose.label
    return row.key_id, row.tenant or "", purpose, utc(row.entry.created), row.use, wraps, "; ".join(remarks)


def _formatted(value: Any) -> str:
    if isinstance(value, list):
        parts = [
            f"{part['name']} ({counted(part['bytes'], 'byte')})" if isinstance(part, dict) else str(part)
            for part in value
        ]
        return ", ".join(parts) or "none"
    return "none" if value is None else str(value)
