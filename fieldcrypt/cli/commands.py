"""The commands and their options. Each imports what it needs when it is run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import fieldcrypt
from fieldcrypt.cli.doctor import Finding, Verdict, examine
from fieldcrypt.cli.index.commands import index
from fieldcrypt.cli.inspect import envelope_facts, read_value
from fieldcrypt.cli.keys.commands import keys
from fieldcrypt.cli.kms.commands import kms
from fieldcrypt.cli.migrate.commands import migrate
from fieldcrypt.cli.options import JsonOption
from fieldcrypt.cli.output import fail, print_json, print_table, progress, say
from fieldcrypt.cli.search.commands import search
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, FieldcryptError
from fieldcrypt.format._text import counted
from fieldcrypt.format.context import NO_TENANT

__all__ = ["commands"]


class _Group(TyperGroup):
    """Ends a command at an error of fieldcrypt with a line on stderr: code 2 if it was called wrongly, else 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            fail(error, 2)
        except FieldcryptError as error:
            fail(error, 1)


commands = typer.Typer(
    cls=_Group,
    name="fieldcrypt",
    help="Client-side field encryption for data stores that replicate across regions.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # with "rich", [square brackets] vanish and lines do not flow
    pretty_exceptions_show_locals=False,  # locals would show plaintext and keys
)

commands.add_typer(keys)
commands.add_typer(kms)
commands.add_typer(migrate)
commands.add_typer(index)
commands.add_typer(search)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(fieldcrypt.__version__)
        try:
            typer.echo(fieldcrypt.backend())
        except ConfigurationError as error:
            fail(error, 2)
        raise typer.Exit


@commands.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and the backend.")
    ] = False,
) -> None:
    """Client-side field encryption for data stores that replicate across regions."""


@commands.command()
def demo(
    input: Annotated[
        Path | None,
        typer.Option(
            "--input",
            metavar="FILE.csv",
            help="Customers to use: a CSV file with columns like name, address, phone, email.",
        ),
    ] = None,
) -> None:
    """Encrypt customers in one region, lose that region, read them in another.

    Runs only on this machine: KMS and DynamoDB are local servers, the SQL database is a file. Exit code 1 if any row
    differs, or if any plaintext is found at rest.
    """
    try:
        from fieldcrypt.cli.demo import run
    except ModuleNotFoundError as error:
        typer.echo(f"The demo needs more packages ({error.name} is missing): pip install 'fieldcrypt[demo]'", err=True)
        raise typer.Exit(2) from None
    logging.getLogger("fieldcrypt").addHandler(logging.NullHandler())  # the story tells what happens
    raise typer.Exit(run(input))


@commands.command()
def inspect(
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="Text that begins with fc1., hexadecimal, base64, or a file.")
    ],
    encryptor: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="Look the data key up in the key store of this Encryptor."),
    ] = None,
    canary: Annotated[
        bool,
        typer.Option("--canary", help="Say whether it is a canary: unwraps the data key, which needs --encryptor."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what an encrypted value says about itself: form, data key, sizes, tenant. The value is not decrypted.

    Without --encryptor no code of any program is imported, whatever the environment and pyproject.toml name. Exit
    code 1 if the key store cannot be read, or does not have the data key.
    """
    data = read_value(value)
    found = None if encryptor is None else find_encryptor(encryptor)
    facts = envelope_facts(data, None if found is None else found.store)
    if canary:
        facts["canary"] = _is_canary(found, data, facts.get("tenant"))
    if as_json:
        print_json(facts)
    else:
        for name, value in facts.items():
            say(f"{name + ':':16} {', '.join(value) if isinstance(value, list) else value}")
    if "key_store" in facts:
        raise typer.Exit(1)


def _is_canary(encryptor: Encryptor | None, data: bytes, tenant: str | None) -> bool:
    if encryptor is None:
        raise ConfigurationError("whether a value is a canary only its data key tells: name an Encryptor, --encryptor")
    return encryptor.is_canary(data, tenant=NO_TENANT if tenant is None else tenant)


@commands.command()
def doctor(
    encryptor: EncryptorOption = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="TENANT", help="The tenant to wrap for, if the role may not for all.")
    ] = None,
    reads_only: Annotated[bool, typer.Option("--reads-only", help="This role must not wrap: do not try.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that every region can really read the data: its key, its permissions, and every data key.

    Makes some KMS calls per region, and one per data key and region. Exit code 1 if anything is wrong; something that
    works but could be better is a warning.
    """
    check_tenant_option(tenant)
    found = find_encryptor(encryptor)
    with progress("") as bar:
        findings = list(examine(found, tenant=tenant, reads_only=reads_only, on_place=bar.say, on_progress=bar))
    bad = {Verdict.FAILED, Verdict.WARNING} if strict else {Verdict.FAILED}
    wrong = any(finding.verdict in bad for finding in findings)
    if as_json:
        print_json({"ok": not wrong, "findings": [finding.as_json() for finding in findings]})
    else:
        _print_findings(findings)
    if wrong:
        raise typer.Exit(1)


_COLOURS = {Verdict.OK: "green", Verdict.UNKNOWN: "yellow", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


def _print_findings(findings: list[Finding]) -> None:
    from rich.text import Text

    named = [finding for finding in findings if finding.verdict in (Verdict.FAILED, Verdict.WARNING)]
    rows = []
    for finding in findings:
        verdict = Text(finding.verdict.value, _COLOURS[finding.verdict])
        detail = f"see {named.index(finding) + 1} below" if finding in named else finding.detail
        rows.append((finding.place, finding.check, verdict, detail))
    print_table(("where", "check", "", ""), rows, whole=True)
    for number, finding in enumerate(named, 1):
        say(f"\n{number}. {finding.place}, {finding.check}\n   {finding.detail}\n   What to do: {finding.advice}")
    found = {finding.verdict for finding in findings}
    if found == {Verdict.OK}:
        say("All is well.")
    elif Verdict.FAILED not in found:
        seen = ", as far as can be told from here" if Verdict.UNKNOWN in found else ""
        say(f"Nothing is wrong{seen}." if not named else f"\nNothing fails{seen}; {counted(len(named), 'warning')}.")
