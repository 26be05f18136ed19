"""Fields of a decorated model that have their names from a logical name, and not from the table."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, MetaData, String, Table, create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import ConfigurationError, DecryptionError, Encryptor, ProtectedRecord
from fieldcrypt_dynamodb import ProtectedTable
from fieldcrypt_sqlalchemy import Encrypted, blind_index, encrypted
from tests.support.encryptors import new_encryptor

SSN = "078-05-1120"


def patients(
    encryptor: Encryptor,
    table: str,
    *,
    fields: str | None = "patients",
    tenant: str | None = "clinic",
    same_place: bool = False,
    **of_table: Any,
) -> Any:
    class Base(DeclarativeBase):
        pass

    @encrypted(encryptor, row="id", tenant=tenant, fields=fields, same_place=same_place)
    class Patient(Base):
        __tablename__ = table
        __table_args__ = of_table
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        clinic: Mapped[str] = mapped_column(String(20))
        ssn: Mapped[str | None] = mapped_column(Encrypted(String, index="tag"))
        tag: Mapped[bytes | None] = blind_index()

    return Patient


@pytest.fixture
def engine() -> Engine:
    return create_engine("sqlite://")


def add(engine: Engine, model: Any) -> None:
    model.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(model(id=1, clinic="north", ssn=SSN))
        session.commit()


def test_values_and_tags_survive_that_the_table_is_renamed(engine: Engine) -> None:
    """They are bound to the logical name."""
    encryptor = new_encryptor()
    add(engine, patients(encryptor, "patients_2025"))
    renamed = patients(encryptor, "patients_2026")
    with Session(engine) as session:
        session.execute(text("ALTER TABLE patients_2025 RENAME TO patients_2026"))
        assert session.scalars(select(renamed).where(renamed.ssn == SSN)).one().ssn == SSN


def test_a_logical_name_may_be_that_of_the_table_before(engine: Engine) -> None:
    """So a model that never had one gets one when its table is renamed."""
    encryptor = new_encryptor()
    add(engine, patients(encryptor, "patients", fields=None))
    renamed = patients(encryptor, "people")
    with Session(engine) as session:
        session.execute(text("ALTER TABLE patients RENAME TO people"))
        assert session.get_one(renamed, 1).ssn == SSN


def test_a_protected_record_of_the_same_name_reads_the_rows(engine: Engine) -> None:
    """A record has its fields from its name, key and tenant as a model has."""
    encryptor = new_encryptor()
    add(engine, patients(encryptor, "t_4711"))
    record = ProtectedRecord("patients", encryptor, key="id", tenant="clinic", fields={"ssn": str})
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id, clinic, ssn FROM t_4711")).mappings().one()
    assert record.decrypt(dict(stored))["ssn"] == SSN


def test_a_given_name_is_kept(engine: Engine) -> None:
    """It is that of one field, whatever the others are called."""

    class Base(DeclarativeBase):
        pass

    @encrypted(new_encryptor(), row="id", fields="people")
    class Person(Base):
        __tablename__ = "t_4711"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ssn: Mapped[str] = mapped_column(Encrypted(String, name="registry.ssn"))
        phone: Mapped[str] = mapped_column(Encrypted(String, name="t_4711.phone"))
        name: Mapped[str] = mapped_column(Encrypted(String))

    names = [column.type.name for column in Person.__table__.c if isinstance(column.type, Encrypted)]
    assert names == ["registry.ssn", "t_4711.phone", "people.name"]


@pytest.mark.parametrize("given", ["", {"ssn": str}])
def test_a_logical_name_is_a_text(given: Any) -> None:
    """Of records, `fields` are the fields themselves."""
    with pytest.raises(ConfigurationError, match="logical name of the model"):
        encrypted(row="id", fields=given)


def test_two_tables_of_one_name_are_refused_without_tenants() -> None:
    """Rows of the same key could be exchanged between them."""
    encryptor = new_encryptor()
    east = patients(encryptor, "east", tenant=None)
    with pytest.raises(ConfigurationError, match="tables east and west"):
        patients(encryptor, "west", tenant=None)
    assert east


def test_the_name_of_a_table_is_its_logical_name() -> None:
    """If its model has no other."""
    encryptor = new_encryptor()
    east = patients(encryptor, "east", tenant=None, fields=None)
    with pytest.raises(ConfigurationError, match="tables east and west"):
        patients(encryptor, "west", tenant=None, fields="east")
    assert east


def test_a_table_of_a_class_that_inherits_concretely_is_another_one() -> None:
    """It has keys of its own."""

    class Base(DeclarativeBase):
        pass

    @encrypted(new_encryptor(), row="id", fields="people")
    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        note: Mapped[str] = mapped_column(Encrypted(String))

    with pytest.raises(ConfigurationError, match="tables people and nurses"):

        class Nurse(Person):
            __tablename__ = "nurses"
            __mapper_args__ = {"concrete": True}  # noqa: RUF012
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            note: Mapped[str] = mapped_column(Encrypted(String))


def test_an_error_about_a_joined_table_names_that(engine: Engine) -> None:
    """Its fields are named after it, and not after the table of the class that it derives from."""

    class Base(DeclarativeBase):
        pass

    @encrypted(new_encryptor(), row="id")
    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    class Nurse(Person):
        __tablename__ = "nurses"
        id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
        note: Mapped[str] = mapped_column(Encrypted(String))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Nurse(id=1, note="x"), Nurse(id=2, note="y")])
        session.commit()
        session.execute(text("UPDATE nurses SET note = (SELECT note FROM nurses WHERE id = 2) WHERE id = 1"))
        session.expire_all()
        with pytest.raises(DecryptionError, match="was the table nurses restored"):
            print(session.get_one(Nurse, 1).note)


def test_two_tables_of_one_name_may_have_tenants() -> None:
    """Their values are under keys of their own."""
    encryptor = new_encryptor()
    models = [patients(encryptor, table) for table in ("east", "west")]
    with pytest.raises(ConfigurationError, match=r"tables (east|west) and nobodys"):
        patients(encryptor, "nobodys", tenant=None)
    assert models


def test_two_tables_of_one_name_may_be_one_place_on_purpose() -> None:
    """Whichever of them says so."""
    encryptor = new_encryptor()
    models = [patients(encryptor, table, tenant=None, same_place=table == "east") for table in ("east", "west")]
    assert models


def test_tables_of_two_schemas_are_two_tables() -> None:
    """Of one name, though the database tells them apart."""
    encryptor = new_encryptor()
    east = patients(encryptor, "patients", tenant=None, fields=None, schema="east")
    with pytest.raises(ConfigurationError, match=r"tables east\.patients and west\.patients"):
        patients(encryptor, "patients", tenant=None, fields=None, schema="west")
    assert east


def test_a_table_of_another_integration_counts() -> None:
    """There is one registry of names."""
    encryptor = new_encryptor()
    east = ProtectedTable("east", encryptor, key=["id"], attributes={"ssn": str}, fields="patients")
    with pytest.raises(ConfigurationError, match="tables east and west"):
        patients(encryptor, "west", tenant=None)
    assert east


INFO: dict[str, Any] = {"fieldcrypt_fields": "patients"}


def test_a_table_without_a_model_has_a_logical_name() -> None:
    """In its `info`; copies keep it, and a column that was given a name keeps that."""
    table = Table(
        "patients_2026",
        MetaData(),
        Column("ssn", Encrypted(String, new_encryptor())),
        Column("phone", Encrypted(String, new_encryptor(), name="phones.number")),
        info=INFO,
    )
    each: Any
    for each in (table, table.to_metadata(MetaData(), name="restored")):
        assert [each.c.ssn.type.name, each.c.phone.type.name] == ["patients.ssn", "phones.number"]


def test_a_model_has_the_logical_name_of_its_table() -> None:
    """And not another one."""
    encryptor = new_encryptor()
    model = patients(encryptor, "east", fields=None, info=INFO)
    assert model.__table__.c.ssn.type.name == "patients.ssn"
    with pytest.raises(ConfigurationError, match="two logical names: people and patients"):
        patients(encryptor, "west", fields="people", info=INFO)


@pytest.mark.parametrize("info", [{"fieldcrypt_fields": ""}, {"fieldcrypt_field": "patients"}])
def test_what_a_table_says_amiss_is_refused(info: dict[str, Any]) -> None:
    """Else its values would be bound to the table's name, unnoticed."""
    with pytest.raises(ConfigurationError, match=r'patients_2026: info=\{"fieldcrypt_fields": "patients"\}'):
        Table("patients_2026", MetaData(), Column("ssn", Encrypted(String, new_encryptor())), info=info)


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        (None, "was the table people restored or copied from one with another name"),
        ("clients", "the table is called people, its fields clients"),
    ],
)
def test_an_error_says_that_the_table_may_have_another_name(engine: Engine, fields: str | None, hint: str) -> None:
    """For that is what it comes from, as a rule, when nothing can be read."""
    encryptor = new_encryptor()
    add(engine, patients(encryptor, "patients", fields=None))
    renamed = patients(encryptor, "people", fields=fields)
    with Session(engine) as session:
        session.execute(text("ALTER TABLE patients RENAME TO people"))
        with pytest.raises(DecryptionError, match=hint):
            print(session.get_one(renamed, 1).ssn)


def test_two_columns_of_one_name_are_refused() -> None:
    """Joined tables may have a column of the same name each."""

    class Base(DeclarativeBase):
        pass

    @encrypted(new_encryptor(), row="id", fields="people")
    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        note: Mapped[str] = mapped_column(Encrypted(String))

    with pytest.raises(ConfigurationError, match=r"2 columns of the field people\.note"):

        class Nurse(Person):
            __tablename__ = "nurses"
            id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
            own_note: Mapped[str] = mapped_column("note", Encrypted(String))


def test_the_decorator_needs_no_encryptor_if_each_column_names_one(engine: Engine) -> None:
    """As in PynamoDB."""

    class Base(DeclarativeBase):
        pass

    @encrypted(row="id")
    class Person(Base):
        __tablename__ = "people"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        ssn: Mapped[str] = mapped_column(Encrypted(String, new_encryptor()))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Person(id=1, ssn=SSN))
        session.commit()
        assert session.get_one(Person, 1).ssn == SSN


def test_selected_values_are_opened_by_their_own_model(engine: Engine) -> None:
    """A statement that names no table is cached for the rows of one model."""
    encryptor = new_encryptor()
    models = [patients(encryptor, table) for table in ("east", "west")]
    for model in models:
        model.metadata.create_all(engine)
    add(engine, models[0])
    with Session(engine) as session:
        for model in models:
            statement = text("SELECT ssn FROM east").columns(ssn=model.__table__.c.ssn.type)
            assert session.scalars(statement).one()._field.row_key.mapper.class_ is model
