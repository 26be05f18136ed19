"""The steps of the demo, and what it prints."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fieldcrypt import KeyProviderError
from fieldcrypt.cli.demo.customers import PROTECTED, Customer, InputError, read_customers, sample
from fieldcrypt.cli.demo.stores import DynamoCustomers, SqlCustomers
from fieldcrypt.format._text import counted
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws

__all__ = ["run"]

HOME, AWAY = "us-east-1", "eu-west-1"

# Shorter values occur in random bytes by chance, so finding them would mean nothing.
MIN_NEEDLE = 6


def run(path: Path | None) -> int:
    """Run the demo and return the exit code: 0, 1 if something differs, 2 if the input cannot be used."""
    console = Console(highlight=False)
    try:
        customers, left_out = (sample(), 0) if path is None else read_customers(path)
    except InputError as error:
        Console(stderr=True, highlight=False).print(Text(str(error), style="red"))
        return 2
    with LocalAws((HOME, AWAY)) as aws, tempfile.TemporaryDirectory(prefix="fieldcrypt-demo-") as directory:
        return _Story(console, aws, Path(directory), customers, left_out).tell()


class _Story:
    def __init__(
        self, console: Console, aws: LocalAws, directory: Path, customers: list[Customer], left_out: int
    ) -> None:
        self._console = console
        self._aws = aws
        self._directory = directory
        self._customers = customers
        self._left_out = left_out
        self._seconds: dict[str, float] = {}
        self._key = ""

    def tell(self) -> int:
        started = perf_counter()
        self._introduce()
        self._key = self._aws.create_key()
        self._say(f"[bold]Keys.[/] A multi-Region KMS key in {HOME}, and a replica of it in {AWAY}:")
        self._console.print(f"  {self._key}", style="dim", soft_wrap=True)

        home_sql = SqlCustomers(self._directory / f"{HOME}.sqlite", self._provider(HOME, AWAY))
        home_dynamo = DynamoCustomers(self._aws, HOME, self._provider(HOME, AWAY))
        for store in (home_sql, home_dynamo):
            store.create()
            with self._timed(f"{store.title} write"):
                store.write(self._customers)
        self._say(
            f"[bold]Write in {HOME}.[/] {counted(len(self._customers), 'customer')}, each into SQLite (SQLAlchemy) "
            f"and DynamoDB (PynamoDB), with {', '.join(PROTECTED[:-1])} and {PROTECTED[-1]} encrypted."
        )
        found = self._search_at_rest(home_sql, home_dynamo)

        away_path = self._directory / f"{AWAY}.sqlite"
        home_sql.replicate(away_path)
        away_sql = SqlCustomers(away_path, self._provider(AWAY, HOME))
        away_dynamo = DynamoCustomers(self._aws, AWAY, self._provider(AWAY, HOME))
        away_dynamo.create()
        home_dynamo.replicate(away_dynamo)
        self._say(f"[bold]Replicate.[/] Files and items are copied to {AWAY} as they are, as the databases would do.")

        self._aws.cut(HOME)
        lost = self._is_lost(HOME)
        self._say(
            f"[bold]Lose {HOME}.[/] Its port is closed: "
            + ("connections are refused." if lost else "[red]yet it answers![/]")
        )

        different = 0
        for store in (away_sql, away_dynamo):
            with self._timed(f"{store.title} read"):
                read = store.read()
            different += sum(mine != theirs for mine, theirs in zip(self._customers, read, strict=False))
            different += abs(len(self._customers) - len(read))
        self._say(
            f"[bold]Read in {AWAY}[/], with that region's own key: "
            + ("[green]every row is equal.[/]" if not different else f"[red]different: {counted(different, 'row')}![/]")
        )

        prefers_lost = SqlCustomers(away_path, self._provider(HOME, AWAY))
        with self._timed("failover"):
            failed_over = prefers_lost.read()[:1] == self._customers[:1]
        self._say(
            f"[bold]Fail over.[/] A client that still asks {HOME} first "
            + (
                f"read on after {self._seconds['failover'] * 1000:.0f} ms."
                if failed_over
                else "[red]read something else![/]"
            )
        )
        self._summarise(home_sql, perf_counter() - started)
        return 0 if lost and failed_over and not different and not found else 1

    def _provider(self, *regions: str) -> AwsKmsKeyProvider:
        return AwsKmsKeyProvider(self._key, regions, client_factory=self._aws.kms)

    def _introduce(self) -> None:
        self._console.print(
            Panel(
                "Two AWS regions on this machine. Customers are encrypted in one of them, which is then lost, and read "
                "in the other. KMS and DynamoDB are served by moto over HTTP; nothing leaves this machine.",
                title="[bold]fieldcrypt demo[/]",
                border_style="blue",
            )
        )
        if self._left_out:
            self._console.print(f"[dim]The file has {counted(self._left_out, 'more row')}, left out of the demo.[/]")

    def _search_at_rest(self, sql: SqlCustomers, dynamo: DynamoCustomers) -> int:
        """Look for every protected value in all that the databases hold; return how often one was found."""
        protected = {value for customer in self._customers for value in customer.protected}
        plain = "\n".join(str(customer.country) for customer in self._customers)
        needles = {value.encode() for value in protected if len(value.encode()) >= MIN_NEEDLE and value not in plain}
        found = 0
        field, value = self._example()
        self._say(f"[bold]Look at rest.[/] What the SQL database has for the first {field}, “{escape(value)}”:")
        hexadecimal = Text(f"  {sql.ciphertext(field).hex(' ')}", style="dim")
        self._console.print(hexadecimal, overflow="ellipsis", no_wrap=True)
        for store in (sql, dynamo):
            haystack = store.at_rest()
            hits = sum(needle in haystack for needle in needles)
            found += hits
            verdict = "[green]none found[/]" if not hits else f"[red]{hits} found![/]"
            self._console.print(
                f"  Looked for {counted(len(needles), 'value')} in {counted(len(haystack), 'byte')} of {store.title}: "
                f"{verdict}."
            )
        if skipped := len(protected) - len(needles):
            self._console.print(
                f"  [dim]Not looked for: {skipped} shorter than {MIN_NEEDLE} bytes or also a country.[/]"
            )
        return found

    def _is_lost(self, region: str) -> bool:
        try:
            AwsKmsKeyProvider(self._key, [region], client_factory=self._aws.kms).wrap(bytes(32), {"demo": "probe"})
        except KeyProviderError:
            return True
        return False

    def _summarise(self, sql: SqlCustomers, seconds: float) -> None:
        values = sum(len(customer.protected) for customer in self._customers)
        table = Table(title="What it took", title_style="bold", show_header=False, border_style="blue")
        table.add_column(style="dim")
        table.add_column()
        table.add_row("rows", f"{len(self._customers)} in each database")
        table.add_row("encrypted values", f"{values} in each database")
        field, value = self._example()
        table.add_row("bytes added per value", f"{len(sql.ciphertext(field)) - len(value.encode())}")
        calls = self._aws.calls
        for region in (HOME, AWAY):
            made = {name: calls["kms", name, region] for name in ("Encrypt", "Decrypt")}
            table.add_row(f"KMS calls in {region}", f"{made['Encrypt']} Encrypt, {made['Decrypt']} Decrypt")
        for store in ("SQLAlchemy, SQLite", "PynamoDB, DynamoDB"):
            written, read = (self._seconds[f"{store} {verb}"] for verb in ("write", "read"))
            table.add_row(store, f"written in {written * 1000:.0f} ms, read in {read * 1000:.0f} ms")
        table.add_row("all of it", f"{seconds:.1f} s")
        self._console.print(table)

    def _example(self) -> tuple[str, str]:
        """Return the first value that is protected, and its field."""
        return next(
            (field, value)
            for customer in self._customers
            for field in PROTECTED
            if (value := getattr(customer, field)) is not None
        )

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = perf_counter()
        yield
        self._seconds[what] = perf_counter() - started

    def _say(self, text: str) -> None:
        line = Table.grid(padding=(0, 1))  # a hanging indent
        line.add_row("[blue]•[/]", text)
        self._console.print(line)
