"""`fieldcrypt keys create`: data keys that are there before anything is encrypted."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldcrypt.cli.options import JsonOption
from fieldcrypt.cli.output import print_json, say, utc
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor

__all__ = ["creation"]

creation = typer.Typer()

TenantOption = Annotated[str | None, typer.Option(metavar="TENANT", help="Whose key. Default: the key of no tenant.")]


@creation.command()
def create(
    encryptor: EncryptorOption = None,
    tenant: TenantOption = None,
    index: Annotated[bool, typer.Option("--index", help="The key of blind indexes, not of values.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the first data key of a tenant ahead of time, unless it has one, and say which key it is.

    With --index the first index key. Can be repeated, and run by many at once: it is one key.
    """
    check_tenant_option(tenant)
    record = find_encryptor(encryptor).data_keys.create(tenant, index=index)
    if as_json:
        print_json({"tenant": tenant, "key_id": record.key_id.hex()})
    else:
        whose = "no tenant" if tenant is None else f"tenant {tenant!r}"
        say(f"{record.key_id.hex()} {'tags' if index else 'encrypts'} for {whose}, made {utc(record.created)}")
