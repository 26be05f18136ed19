"""The key tables of infrastructure/, beside those that the key stores make."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, event
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from fieldcrypt import Encryptor, KeyStoreError, LocalKeyProvider
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.conftest import Database
from tests.infrastructure.cloudformation import Template

ROOT = Path(__file__).parents[2] / "infrastructure"


def statements(name: str) -> list[str]:
    """The statements of a file, each in a line."""
    text = re.sub(r"--.*", "", (ROOT / "sql" / name).read_text())
    return [" ".join(statement.split()) for statement in text.split(";") if statement.strip()]


@pytest.mark.parametrize(("name", "dialect"), [("postgresql.sql", postgresql), ("mysql.sql", mysql)])
def test_sql_files_make_the_tables_of_the_key_store(name: str, dialect: Any) -> None:
    metadata = MetaData()
    SqlKeyStore.define(metadata)
    made: list[Any] = []
    for table in metadata.sorted_tables:
        made += [CreateTable(table), *map(CreateIndex, sorted(table.indexes, key=str))]

    def loose(text: str) -> str:
        return " ".join(re.sub(r"([(),])", r" \1 ", text).split())

    found = [loose(statement) for statement in statements(name) if statement.startswith("CREATE")]
    assert found == [loose(str(each.compile(dialect=dialect.dialect()))) for each in made]


def as_role(database: Database, role: str) -> SqlKeyStore:
    """A key store whose connections have the rights of a role and no more."""
    engine = create_engine(database("postgresql").url)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        connection.execute(f"SET ROLE {role}")
        connection.commit()

    return SqlKeyStore(engine)


def test_the_grants_of_the_sql_file_suffice_and_go_no_further(database: Database) -> None:
    """On PostgreSQL: a writer makes keys, a reader reads, the keys' administrator replaces records."""
    roles = ("app_writer", "app_reader", "app_keys")
    with database("postgresql").begin() as connection:
        for role in roles:
            connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {', '.join(roles)}")
        for statement in statements("postgresql.sql"):
            connection.exec_driver_sql(statement)
    stores = {role: as_role(database, role) for role in roles}
    provider = LocalKeyProvider.generate()
    written = Encryptor(provider, stores["app_writer"]).field("patients.ssn", str).encrypt("078-05-1120", tenant="a")
    reader = Encryptor(provider, stores["app_reader"]).field("patients.ssn", str)
    try:
        assert reader.decrypt(written, tenant="a") == "078-05-1120"
        with pytest.raises(KeyStoreError, match="permission denied"):
            reader.encrypt("078-05-1120", tenant="new")
        with pytest.raises(KeyStoreError, match="permission denied"):
            Encryptor(provider, stores["app_writer"]).data_keys.shred("a", by="an attacker")
        assert Encryptor(provider, stores["app_keys"]).data_keys.shred("a", by="the administrator") == 1
    finally:
        for store in stores.values():
            store.close()
        with database("postgresql").begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {', '.join(roles)}")
            connection.exec_driver_sql(f"DROP ROLE {', '.join(roles)}")


def test_the_cloudformation_table_is_the_one_that_the_key_store_makes(aws: LocalAws) -> None:
    client = aws.client("dynamodb", aws.regions[0])
    DynamoKeyStore("of-the-store", lambda _: client).create_table()
    made = client.describe_table(TableName="of-the-store")["Table"]
    template = Template(ROOT / "cloudformation/key-table.yaml", "111122223333", {"SecondRegion": "eu-west-1"})
    table = template.resources["DataKeys"]["Properties"]
    assert table["AttributeDefinitions"] == made["AttributeDefinitions"]
    assert table["KeySchema"] == made["KeySchema"]
    [index] = made["GlobalSecondaryIndexes"]
    assert table["GlobalSecondaryIndexes"] == [{name: index[name] for name in table["GlobalSecondaryIndexes"][0]}]
    assert [replica["Region"] for replica in table["Replicas"]] == ["us-east-1", "eu-west-1"]
    assert all(replica["DeletionProtectionEnabled"] for replica in table["Replicas"])


def test_the_terraform_table_has_the_keys_of_the_cloudformation_table() -> None:
    template = Template(ROOT / "cloudformation/key-table.yaml", "111122223333", {})
    table = template.resources["DataKeys"]["Properties"]
    text = re.sub(r" +", " ", (ROOT / "terraform/main.tf").read_text())
    attributes = re.findall(r'attribute \{\s*name = "(\w+)"\s*type = "(\w)"', text)
    assert attributes == [(each["AttributeName"], each["AttributeType"]) for each in table["AttributeDefinitions"]]
    assert f'hash_key = "{table["KeySchema"][0]["AttributeName"]}"' in text
    [index] = table["GlobalSecondaryIndexes"]
    assert f'name = "{index["IndexName"]}"\n hash_key = "{index["KeySchema"][0]["AttributeName"]}"' in text
