"""Frames of fieldcrypt in tracebacks that PynamoDB is in hold no plaintext, whatever fails and where.

PynamoDB's own frames hold models: those are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from fieldcrypt import Encryptor, KeyPolicy
from fieldcrypt_pynamodb import BlindIndexAttribute, EncryptedAttribute, ProtectedAttributeError, encrypted
from tests.support.doubles import CountingProvider, RowStore, outage
from tests.support.frames import held

SSN = "078-05-1120"
OTHER = "219-09-9999"


class World:
    """A decorated model and one that is not, and keys that fail on request."""

    def __init__(self) -> None:
        self.provider, self.store = CountingProvider(), RowStore()
        self.encryptor = encryptor = Encryptor(self.provider, self.store, KeyPolicy(replication_wait=timedelta(0)))

        class Access:
            region = "us-east-1"
            aws_access_key_id = "local"
            aws_secret_access_key = "local"

        @encrypted(encryptor, tenant="clinic")
        class Patient(Model):
            class Meta(Access):
                table_name = "patients"

            id = UnicodeAttribute(hash_key=True)
            clinic = UnicodeAttribute()
            ssn = EncryptedAttribute(UnicodeAttribute(), index="tag")
            tag = BlindIndexAttribute()
            notes = EncryptedAttribute(UnicodeAttribute(null=True))

        class Plain(Model):
            class Meta(Access):
                table_name = "plain"

            id = UnicodeAttribute(hash_key=True)
            ssn = EncryptedAttribute(UnicodeAttribute(), encryptor)

        self.patient: Any = Patient
        self.plain: Any = Plain
        for model in (Patient, Plain):
            model.create_table(billing_mode="PAY_PER_REQUEST")

    def write(self) -> None:
        self.patient("1", clinic="a", ssn=SSN, notes=OTHER).save()
        self.plain("1", ssn=SSN).save()


@pytest.fixture
def world() -> Iterator[World]:
    """A world, in moto's DynamoDB."""
    with mock_aws():
        yield World()


def _batch(world: World, ssn: Any) -> None:
    with world.patient.batch_write() as batch:
        batch.save(world.patient("2", clinic="a", ssn=ssn, notes=OTHER))


def _update(world: World, ssn: Any) -> None:
    patient = world.patient("1", clinic="a", ssn=SSN, notes=OTHER)
    patient.update(actions=[world.patient.ssn.set(ssn)])


WRITES: dict[str, Callable[[World, Any], Any]] = {
    "save": lambda world, ssn: world.patient("2", clinic="a", ssn=ssn, notes=OTHER).save(),
    "save, not decorated": lambda world, ssn: world.plain("2", ssn=ssn).save(),
    "a batch": _batch,
    "update": _update,
}
READS: dict[str, Callable[[World], Any]] = {
    "get": lambda world: world.patient.get("1"),
    "get, not decorated": lambda world: world.plain.get("1"),
    "scan": lambda world: list(world.patient.scan()),
    "query": lambda world: list(world.patient.query("1")),
    "batch_get": lambda world: list(world.patient.batch_get(["1"])),
    "refresh": lambda world: world.patient("1", clinic="a", ssn=OTHER, notes=OTHER).refresh(),
}


def raised(work: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 (whatever it is)
        work()
    return caught.value


@pytest.mark.parametrize("write", WRITES)
class TestWriting:
    def test_keys_that_cannot_be_had(self, world: World, write: str) -> None:
        """The key service is away, before the first value."""
        world.provider.wrap_failure = outage
        assert held(raised(lambda: WRITES[write](world, SSN)), SSN, OTHER) == []

    def test_a_value_of_another_type(self, world: World, write: str) -> None:
        """Beside one that is right."""
        assert held(raised(lambda: WRITES[write](world, [SSN])), SSN, OTHER) == []

    def test_a_database_that_is_away(self, world: World, write: str) -> None:
        """Or has no such table."""
        world.patient.delete_table()
        world.plain.delete_table()
        assert held(raised(lambda: WRITES[write](world, SSN)), SSN, OTHER) == []


@pytest.mark.parametrize("read", READS)
class TestReading:
    def test_keys_that_cannot_be_had(self, world: World, read: str) -> None:
        """The key store is down."""
        world.write()
        world.encryptor.forget()
        world.store.go_down()
        assert held(raised(lambda: READS[read](world)), SSN, OTHER) == []

    def test_a_value_that_was_exchanged(self, world: World, read: str) -> None:
        """With another one of the item, which is in order."""
        world.write()
        how: Any = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
        for name in ("patients", "plain"):
            table = boto3.resource("dynamodb", **how).Table(name)
            found: Any = table.get_item(Key={"id": "1"})["Item"]
            other = found["ssn"] if name == "patients" else b"\1\2\3"
            table.put_item(Item=found | {"notes" if name == "patients" else "ssn": other})
        assert held(raised(lambda: READS[read](world)), SSN, OTHER) == []


REFUSED: dict[str, Callable[[Any], Any]] = {
    "a comparison": lambda model: model.notes == SSN,
    "a range": lambda model: model.notes < SSN,
    "a list": lambda model: model.notes.is_in(SSN, OTHER),
    "a part": lambda model: model.notes.part("last 4") == SSN,
    "a part of a text": lambda model: model.notes.contains(SSN),
    "a beginning": lambda model: model.notes.startswith(SSN),
    "an addition": lambda model: model.notes.add(SSN),
    "a sum": lambda model: model.notes + SSN,
    "a tag": lambda model: model.tag == SSN,
    "a tag to set": lambda model: model.tag.set(SSN),
    "a tag of a model": lambda model: model("2", tag=SSN),
}


@pytest.mark.parametrize("what", REFUSED)
def test_conditions_and_actions_that_are_refused(world: World, what: str) -> None:
    """What somebody searched for, or wanted to set, is plaintext as well."""
    error = raised(lambda: REFUSED[what](world.patient))
    assert isinstance(error, (ProtectedAttributeError, TypeError))
    assert held(error, SSN, OTHER) == []
