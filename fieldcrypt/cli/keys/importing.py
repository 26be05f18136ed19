"""`fieldcrypt keys import`: the records of an export, back into a key store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldcrypt.cli.keys.exporting import facts_of
from fieldcrypt.cli.options import JsonOption
from fieldcrypt.cli.output import fail, print_json, printable, progress, say
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor
from fieldcrypt.errors import KeyNotFoundError, KeyStoreError
from fieldcrypt.format._text import counted
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.stores.store import read_record

__all__ = ["entry_of", "importing"]

importing = typer.Typer()


@importing.command("import")
def import_keys(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `keys export` wrote.")],
    encryptor: EncryptorOption = None,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only entries of this tenant.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add the records of an export that the key store lacks.

    Each is opened first, so that a forged one is left out. What the key store has stays as it is, and nothing comes
    back that was shredded. Can be interrupted and repeated. Exit code 1 if some were left out that should not have
    been.
    """
    check_tenant_option(tenant)
    data_keys = find_encryptor(encryptor).data_keys
    entries, unreadable = _read(file)
    wanted = [entry for entry in entries if tenant in (None, entry.tenant)]
    if tenant is not None and not wanted:
        raise KeyNotFoundError(f"{file} has no data key of tenant {tenant!r}")
    with progress("data keys") as tell:
        report = data_keys.restore(wanted, dry_run=dry_run, on_progress=tell.follow)
    if as_json:
        print_json(
            {
                "added": report.added,
                "present": report.present,
                "shredded": report.shredded,
                "failures": {key_id: str(error) for key_id, error in report.failures.items()},
                "unreadable": unreadable,
                "stopped": None if report.stopped is None else str(report.stopped),
            }
        )
    else:
        done = "to be added" if dry_run else "added"
        say(
            f"{counted(report.added, 'data key')} {done}; {report.present:,} were there; {report.shredded:,} left out, "
            "because they or their tenant were shredded"
        )
    for place, cause in [*unreadable.items(), *report.failures.items()]:
        typer.echo(printable(f"{place}: {cause}"), err=True)
    if report.stopped is not None:
        typer.echo(printable(f"stopped, run it again: {report.stopped}"), err=True)
    if unreadable or not report.complete:
        raise typer.Exit(1)


def _read(file: Path) -> tuple[list[KeyRecord | Tombstone], dict[str, str]]:
    """Return the entries of an export, and what is wrong with the lines that are none."""
    entries: list[KeyRecord | Tombstone] = []
    unreadable = {}
    try:
        with file.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    entries.append(entry_of(json.loads(line)))
                except (ValueError, TypeError, LookupError, RecursionError, KeyStoreError):
                    unreadable[f"line {number}"] = "it is not what `fieldcrypt keys export` wrote"
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}", 2)
    except UnicodeDecodeError:
        fail(f"{file} is not an export: it is not text", 2)
    return entries, unreadable


def entry_of(facts: Any) -> KeyRecord | Tombstone:
    """Return the entry of a line.

    Raises:
        ValueError, TypeError, LookupError, KeyStoreError: it is none, or says something else than its record.
    """
    key_id, data = bytes.fromhex(facts["key_id"]), bytes.fromhex(facts["record"])
    entry = read_record(key_id, data, tenant=facts["tenant"], state=facts["state"])
    if facts != facts_of(entry):
        raise ValueError("the copies next to the record were edited")
    return entry
