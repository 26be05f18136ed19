"""`fieldcrypt keys create`: data keys that are made before anything is encrypted."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldcrypt.cli.options import JsonOption
from fieldcrypt.cli.output import print_json, say, utc
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor
from fieldcrypt.format._text import tenant_text
from fieldcrypt.keys.index.refusal import unnamed_reason

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
    """Make a tenant's first data key ahead of time, unless it has one, and print which key it is.

    With --index, make the first index key. Can be repeated, and run by many at once: they get one key, unless the
    policy is own_keys_only and names no index key yet. Then each makes another one, for the policy to name.
    """
    check_tenant_option(tenant)
    found = find_encryptor(encryptor)
    record = found.data_keys.create(tenant, index=index)
    if as_json:
        print_json({"tenant": tenant, "key_id": record.key_id.hex()})
        return
    whose = tenant_text(tenant)
    if index and unnamed_reason(found.policy, tenant) is not None:
        say(f"{record.key_id.hex()} is for {whose}, and tags when KeyPolicy(index_keys=…) names it")
    else:
        say(f"{record.key_id.hex()} {'tags' if index else 'encrypts'} for {whose}, made {utc(record.created)}")
