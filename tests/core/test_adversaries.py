"""Who gains what: the table in SECURITY.md, whose rows name their tests, and what no other file has of it."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    FileKeyStore,
    KeyPolicy,
    KeyProviderChain,
    KeyProviderError,
    KeyRecord,
    KeyState,
    KeyStoreError,
    MemoryKeyStore,
    NotWrappedHereError,
    Tombstone,
)
from fieldcrypt.format.envelope import parse
from fieldcrypt.keys.record.record import WrappedKey
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, RowStore, outage

TESTS = Path(__file__).parents[1]
HERE = Path(__file__).relative_to(TESTS).as_posix()
SSN, TENANT, NAME = "078-05-1120", "clinic-7", "patients.ssn"
ROW = re.compile(r"^\| (?P<who>[^|]+) \| (?P<what>[^|]+) \| (?P<gains>[^|]+) \| `(?P<test>[^|`]+)` \|$", re.MULTILINE)
SECTION = (TESTS.parent / "SECURITY.md").read_text().partition("## Who gains what")[2].partition("\n## ")[0]
ROWS = list(ROW.finditer(SECTION))


class TestTable:
    def test_every_row_has_its_own_test(self) -> None:
        """No line of the table is anything else than a row that names a test, and no test stands for two."""
        lines = [line for line in SECTION.splitlines() if line.startswith("|")]
        assert len(ROWS) == len(lines) - 2
        assert len({row["test"] for row in ROWS}) == len(ROWS)

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row["test"])
    def test_the_test_of_a_row_exists(self, row: re.Match[str]) -> None:
        file, *names = row["test"].split("::")
        body: list[ast.stmt] = ast.parse((TESTS / file).read_text()).body
        for name in names:
            (found,) = (
                each for each in body if isinstance(each, (ast.ClassDef, ast.FunctionDef)) and each.name == name
            )
            body = found.body
        assert names[-1].startswith("test_")

    def test_every_test_here_is_in_the_table(self) -> None:
        tree = ast.parse(Path(__file__).read_text())
        classes = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name != "TestTable"]
        tests = {
            f"{HERE}::{each.name}::{test.name}"
            for each in classes
            for test in each.body
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_")
        }
        assert tests == {row["test"] for row in ROWS if row["test"].startswith(HERE)}

    def test_every_adversary_is_in_it(self) -> None:
        assert list(dict.fromkeys(row["who"] for row in ROWS)) == [
            "reads the database",
            "writes the database",
            "reads the key store",
            "writes the key store",
            "may wrap",
            "a tenant with its own key",
            "sees questions",
            "cuts a region",
            "has old backups",
            "reads a core dump or swap",
        ]


class TestReadsTheDatabase:
    def test_a_value_tells_its_length_and_its_data_key(self, provider: CountingProvider, rows: RowStore) -> None:
        """To the byte; two values of one text have nothing else in common."""
        field = Encryptor(provider, rows).field(NAME, str)
        one, other = (field.encrypt(SSN, tenant=TENANT) for _ in range(2))
        assert len(one) == len(other) == len(SSN) + 58
        assert one[:17] == other[:17]
        assert one[29:] != other[29:]
        assert one[:17] != field.encrypt(SSN, tenant="clinic-8")[:17]
        assert TENANT.encode() not in one

    def test_a_padded_value_tells_its_block(self, encryptor: Encryptor) -> None:
        field = encryptor.field(NAME, str, pad=32)
        assert len({len(field.encrypt("x" * size)) for size in range(31)}) == 1

    def test_a_self_contained_value_tells_tenant_and_age(self, provider: CountingProvider, clock: Clock) -> None:
        value = parse(Encryptor(provider).field(NAME, str).encrypt(SSN, tenant=TENANT))
        record = KeyRecord.from_bytes(value.key_id, value.record or b"")
        assert (record.tenant, record.created) == (TENANT, int(clock.wall()))

    def test_tags_tell_what_is_equal_within_a_tenant_and_a_field(self, provider: CountingProvider) -> None:
        """How often each occurs, hence; nothing between two tenants or two fields."""
        encryptor = Encryptor(provider, MemoryKeyStore())
        ssn, name = encryptor.blind_index(NAME), encryptor.blind_index("patients.name")
        assert ssn.tag(SSN, tenant=TENANT) == ssn.tag(SSN, tenant=TENANT)
        tags = {ssn.tag(SSN, tenant=TENANT), ssn.tag(SSN, tenant="clinic-8"), name.tag(SSN, tenant=TENANT)}
        assert len(tags) == 3


class TestWritesTheDatabase:
    def test_what_the_context_does_not_name_can_be_exchanged(self, encryptor: Encryptor) -> None:
        """Rows, if no row is named; tenants, if the reader names none."""
        field = encryptor.field(NAME, str)
        of_ann = field.encrypt("Ann's", tenant=TENANT)
        assert field.decrypt(of_ann) == field.decrypt(of_ann, tenant=TENANT) == "Ann's"
        bound = field.encrypt("Ann's", tenant=TENANT, context={"row": "1"})
        for place in ({"context": {"row": "2"}}, {}, {"tenant": "clinic-8", "context": {"row": "1"}}):
            with pytest.raises(DecryptionError):
                field.decrypt(bound, **place)

    def test_an_older_value_of_the_same_place_comes_back(self, encryptor: Encryptor) -> None:
        field, place = encryptor.field(NAME, str), {"row": "1"}
        before = field.encrypt("before", context=place)
        field.encrypt("now", context=place)
        assert field.decrypt(before, context=place) == "before"

    def test_a_tag_that_was_copied_is_found_until_values_are_compared(self, provider: CountingProvider) -> None:
        encryptor = Encryptor(provider, MemoryKeyStore())
        field, index = encryptor.field(NAME, str), encryptor.blind_index(NAME)
        table = {"bob": (field.encrypt("another"), index.tag(SSN))}  # the tag is Ann's
        found = [value for value, tag in table.values() if tag in index.tags(SSN)]
        assert found
        assert not any(index.matches(field.decrypt(value), SSN) for value in found)


class TestReadsTheKeyStore:
    def test_a_record_tells_tenant_age_and_wrapping_key(self, provider: CountingProvider, rows: RowStore) -> None:
        """Whoever has another wrapping key learns no more."""
        value = Encryptor(provider, rows).field(NAME, str).encrypt(SSN, tenant=TENANT)
        (record,) = rows.list(TENANT)
        assert isinstance(record, KeyRecord)
        assert [wrap.name for wrap in record.wraps] == provider.wrapping_keys()
        with pytest.raises(NotWrappedHereError):
            Encryptor(CountingProvider(), rows).field(NAME, str).decrypt(value)

    def test_a_tombstone_tells_who_when_and_how_many(self, provider: CountingProvider, rows: RowStore) -> None:
        encryptor = Encryptor(provider, rows)
        encryptor.field(NAME, str).encrypt(SSN, tenant=TENANT)
        encryptor.data_keys.shred(TENANT, "ann@example.org")
        (stone,) = rows.list(TENANT)
        assert isinstance(stone, Tombstone)
        assert (stone.by, stone.keys, stone.tenant) == ("ann@example.org", 1, TENANT)


class TestWritesTheKeyStore:
    @pytest.mark.parametrize("claim", [{"tenant": "clinic-8"}, {"created": 1}, {"wraps": (WrappedKey("local", b"x"),)}])
    def test_a_record_that_was_edited_opens_nothing(
        self, provider: CountingProvider, rows: RowStore, claim: dict[str, Any]
    ) -> None:
        """It is no other tenant's, and no younger."""
        value = Encryptor(provider, rows).field(NAME, str).encrypt(SSN, tenant=TENANT)
        record = rows.get(value[1:17])
        assert isinstance(record, KeyRecord)
        rows.replace(record, record._replace(**claim))
        with pytest.raises((DecryptionError, KeyStoreError)):
            Encryptor(provider, rows).field(NAME, str).decrypt(value)

    def test_a_forged_tombstone_stops_writing_until_it_is_removed(
        self, provider: CountingProvider, rows: RowStore, clock: Clock
    ) -> None:
        """For the tenant that it names; what is there is read all the same."""
        field = Encryptor(provider, rows).field(NAME, str)
        value = field.encrypt(SSN, tenant=TENANT)
        stone = Tombstone(bytes(16), rows.list(TENANT)[0].purpose, 1, TENANT, int(clock.wall()), "nobody", 1)
        rows.rows[stone.key_id] = rows.rows[value[1:17]]._replace(
            state=KeyState.SHREDDED.value, record=stone.to_bytes()
        )
        fresh = Encryptor(provider, rows).field(NAME, str)
        with pytest.raises(KeyStoreError, match="nobody"):
            fresh.encrypt(SSN, tenant=TENANT)
        assert fresh.decrypt(value) == SSN
        assert fresh.encrypt(SSN, tenant="clinic-8")
        del rows.rows[stone.key_id]
        clock.advance(901)
        assert fresh.encrypt(SSN, tenant=TENANT)


class TestSeesQuestions:
    def test_a_question_tells_a_tag(self, provider: CountingProvider) -> None:
        """The same one for the same question of a tenant; nothing of the value, and no more than stands beside rows."""
        index = Encryptor(provider, MemoryKeyStore()).blind_index(NAME)
        tag = index.tag(SSN, tenant=TENANT)
        asked = index.tags(SSN, tenant=TENANT)
        assert asked == index.tags(SSN, tenant=TENANT) == [tag]
        assert asked != index.tags("another", tenant=TENANT)

    def test_key_services_are_told_tenant_purpose_and_age(self, provider: CountingProvider, rows: RowStore) -> None:
        """In the encryption context, which AWS puts into CloudTrail; neither the field nor the row."""
        Encryptor(provider, rows).field(NAME, str).encrypt(SSN, tenant=TENANT, context={"row": "42"})
        (context,) = provider.contexts
        assert set(context) == {f"fieldcrypt:{name}" for name in ("key-id", "purpose", "created", "tenant")}
        assert context["fieldcrypt:tenant"] == TENANT


class TestHasOldBackups:
    def test_shredding_is_as_strong_as_the_oldest_backup(self, provider: CountingProvider, tmp_path: Path) -> None:
        """Of the key store, for whoever may unwrap; the backup alone opens nothing."""
        store = FileKeyStore.create(tmp_path / "keys.sqlite")
        encryptor = Encryptor(provider, store)
        value = encryptor.field(NAME, str).encrypt(SSN, tenant=TENANT)
        (tmp_path / "backup.sqlite").write_bytes((tmp_path / "keys.sqlite").read_bytes())
        encryptor.data_keys.shred(TENANT, "ann")
        backup = FileKeyStore(tmp_path / "backup.sqlite")
        assert Encryptor(provider, backup).field(NAME, str).decrypt(value) == SSN
        with pytest.raises(DecryptionError):
            Encryptor(CountingProvider(), backup).field(NAME, str).decrypt(value)

    def test_a_record_from_before_a_rewrap_opens_under_the_old_key(
        self, provider: CountingProvider, rows: RowStore
    ) -> None:
        """So the old wrapping key is given up last."""
        value = Encryptor(provider, rows).field(NAME, str).encrypt(SSN)
        backup, new = RowStore(), CountingProvider()
        backup.rows = dict(rows.rows)
        Encryptor(KeyProviderChain(new, provider), rows).data_keys.rewrap()
        assert Encryptor(provider, backup).field(NAME, str).decrypt(value) == SSN
        with pytest.raises(NotWrappedHereError):
            Encryptor(provider, rows).field(NAME, str).decrypt(value)


class TestCutsARegion:
    def test_a_process_that_nobody_answers_ends_with_its_grace(
        self, provider: CountingProvider, rows: RowStore, clock: Clock
    ) -> None:
        policy = KeyPolicy(cache_ttl=timedelta(minutes=15), grace=timedelta(hours=1))
        field = Encryptor(provider, rows, policy=policy).field(NAME, str)
        value = field.encrypt(SSN)
        provider.unwrap_failure = outage
        clock.advance(15 * 60 + 3600 - 1)
        assert field.decrypt(value) == SSN
        clock.advance(1)
        with pytest.raises(KeyProviderError):
            field.decrypt(value)
