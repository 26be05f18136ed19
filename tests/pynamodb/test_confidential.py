"""No plaintext of a protected value is sent by a model, whatever is asked in whatever way, and none is in an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pynamodb.attributes import JSONAttribute, ListAttribute, MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.operand import Path
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite

from fieldcrypt import FieldcryptError
from fieldcrypt.search import Prefixes, Range, last
from fieldcrypt_pynamodb import (
    BlindIndexAttribute,
    BlindIndexSetAttribute,
    CompoundIndex,
    EncryptedAttribute,
    IndexedBy,
    encrypted,
)
from tests.dynamodb.confidential import shown
from tests.support.dynamodb import FIRST, DynamoDb
from tests.support.encryptors import new_encryptor
from tests.support.wiretap import Secrets

SSN, PHONE, STREET, OTHER, NOTE, IBAN = (
    *("078-05-1120", "212-555-0188", "Bahnhofstrasse 1", "Marktgasse 12"),
    *("pneumothorax", "DE02120300000000202051"),
)
BALANCE = 35005017
END, BEGINNING = "05-1120", "212-555"
CONFIDENTIAL = (SSN, PHONE, STREET, OTHER, NOTE, IBAN, str(BALANCE), END, BEGINNING)


class Card(MapAttribute[Any, Any]):
    iban = EncryptedAttribute(UnicodeAttribute(null=True))
    bank = UnicodeAttribute(null=True)


class Address(MapAttribute[Any, Any]):
    street = UnicodeAttribute()


class BySsn(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by-ssn"
        projection = AllProjection()

    tag = BlindIndexAttribute(hash_key=True)


class ByEnd(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by-end"
        projection = AllProjection()

    end = BlindIndexAttribute(hash_key=True)


class ByBoth(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by-both"
        projection = AllProjection()

    both = BlindIndexAttribute(hash_key=True)


@pytest.fixture(params=[None, "owner"], ids=["without tenants", "with tenants"])
def model(request: pytest.FixtureRequest, moto: DynamoDb, secrets: Secrets) -> Any:
    secrets.add(*CONFIDENTIAL, BALANCE)

    together = [CompoundIndex("both", of={"ssn": None, "phone": None})]

    @encrypted(new_encryptor(), tenant=request.param, fields="patients", indexes=together)
    class Patient(Model):
        Meta = moto.meta("patients")
        id = UnicodeAttribute(hash_key=True)
        owner = UnicodeAttribute()
        ward = UnicodeAttribute(null=True)
        size = NumberAttribute(null=True)
        ssn = EncryptedAttribute(UnicodeAttribute(null=True), index=["tag", IndexedBy("end", of=last(7))])
        tag = BlindIndexAttribute(null=True)
        end = BlindIndexAttribute(null=True)
        by_ssn = BySsn()
        by_end = ByEnd()
        phone = EncryptedAttribute(
            UnicodeAttribute(null=True), index=IndexedBy("begin", of=Prefixes(6, 7), accept_leakage=True)
        )
        begin_6 = BlindIndexAttribute(null=True)
        begin_7 = BlindIndexAttribute(null=True)
        both = BlindIndexAttribute(null=True)
        by_both = ByBoth()
        worth = EncryptedAttribute(
            NumberAttribute(null=True),
            index=IndexedBy("worths", of=Range(0, 10**8), accept_leakage=True, one_companion=True),
        )
        worths = BlindIndexSetAttribute(null=True)
        balance = EncryptedAttribute(NumberAttribute(null=True))
        notes = EncryptedAttribute(JSONAttribute(null=True))
        address: Any = EncryptedAttribute(Address(null=True))
        card: Any = Card(null=True)
        cards: Any = ListAttribute(of=Card, null=True)

    Patient.create_table(wait=True)
    return Patient


def patient(model: Any, id: str = "1") -> Any:
    own = {
        "ssn": SSN,
        "phone": PHONE,
        "worth": BALANCE,
        "balance": BALANCE,
        "notes": {"diagnosis": NOTE},
        "address": Address(street=STREET),
    }
    return model(id, owner="north", ward="x", card=Card(iban=IBAN, bank="b"), cards=[Card(iban=IBAN)], **own)


def connection(model: Any) -> Connection:
    made = Connection(region=FIRST, host=model.Meta.host)
    made.session.set_credentials("local", "local")
    return made


def in_transaction(model: Any, write: Callable[[Any], Any]) -> None:
    with TransactWrite(connection=connection(model)) as transaction:
        write(transaction)


def got_in_transaction(model: Any) -> Any:
    with TransactGet(connection=connection(model)) as transaction:
        future = transaction.get(model, "1")
    return future.get()


def batch(model: Any) -> Any:
    with model.batch_write() as items:
        for id in ("1", "2"):
            items.save(patient(model, id))
        items.delete(model("2", owner="north"))
    return list(model.batch_get(["1"]))


ANSWERED: list[Callable[[Any], Any]] = [
    lambda m: patient(m).save(m.ward.does_not_exist() | (m.ward == "x")),
    lambda m: m.get("1"),
    lambda m: m.get("1").refresh(),
    lambda m: list(m.scan(m.ssn == SSN)),
    lambda m: list(m.scan(m.ssn.is_in(SSN, PHONE) & (m.ward == "x"))),
    lambda m: list(m.query("1", filter_condition=m.ssn == SSN)),
    lambda m: list(m.by_ssn.query(SSN)),
    lambda m: list(m.by_end.query(END)),
    lambda m: list(m.scan((m.ssn.part("end") == END) | m.ssn.part("last 7").is_in(END, PHONE))),
    lambda m: list(m.scan(m.ssn.endswith(SSN) & m.phone.startswith(PHONE))),
    lambda m: list(m.scan(~m.phone.startswith(BEGINNING))),
    lambda m: list(m.scan(m.worth.between(BALANCE, BALANCE + 5))),
    lambda m: list(m.scan((m.worth < BALANCE) & (m.worth >= BALANCE))),
    lambda m: list(m.by_both.query({"ssn": SSN, "phone": PHONE})),
    lambda m: list(m.scan(m.both.equals(ssn=SSN, phone=PHONE))),
    lambda m: list(m.scan(attributes_to_get=["ssn", "id", "owner"])),
    lambda m: m.get("1").update([m.ssn.set(PHONE), m.phone.set(PHONE), m.balance.set(BALANCE), m.size.set(2)]),
    lambda m: m.get("1").update([m.worth.set(BALANCE), m.phone.remove()]),
    lambda m: m.get("1").update([m.notes.set({"diagnosis": NOTE}), m.address.set(Address(street=OTHER))]),
    lambda m: m.get("1").update([m.ward.set("x")], condition=m.ssn == SSN),
    batch,
    got_in_transaction,
    lambda m: in_transaction(m, lambda t: t.save(patient(m))),
    lambda m: in_transaction(m, lambda t: t.update(m.get("1"), [m.worth.set(BALANCE)], condition=m.ssn == SSN)),
    lambda m: in_transaction(m, lambda t: t.delete(m.get("1"), condition=m.ssn == SSN)),
]
# Refused, or encrypted; `update`, condition and filter each.
UPDATES: list[Callable[[Any], Any]] = [
    lambda m: m.ward.set(m.ssn),
    lambda m: m.ssn.set(m.ward),
    lambda m: m.balance.add(BALANCE),
    lambda m: m.balance.set(m.balance + BALANCE),
    lambda m: m.ssn.set(m.ssn | PHONE),
    lambda m: m.ssn.set(PHONE),
    lambda m: m.notes.set(m.notes | {"diagnosis": NOTE}),
    lambda m: m.ssn.set(BALANCE),
    lambda m: m.address.street.set(OTHER),
    lambda m: Path("ssn").set(PHONE),
    lambda m: Path("address.street").set(OTHER),
    lambda m: m.card.iban.set(IBAN),
    lambda m: m.card.set(Card(iban=IBAN)),
    lambda m: m.card.set({"iban": IBAN}),
    lambda m: m.cards[0].set(Card(iban=IBAN)),
    lambda m: m.cards[0].iban.set(IBAN),
    lambda m: m.cards.set(m.cards.append([Card(iban=IBAN)])),
    lambda m: m.cards.set([{"iban": IBAN}]),
    lambda m: Path("card.iban").set(IBAN),
    lambda m: Path("card").set({"iban": {"S": IBAN}}),
    lambda m: m.tag.set(SSN),
]
CONDITIONS: list[Callable[[Any], Any]] = [
    lambda m: m.ssn.startswith(SSN),
    lambda m: m.phone.startswith(PHONE),
    lambda m: m.phone == PHONE,
    lambda m: m.worth.between(SSN, PHONE),
    lambda m: m.worth < 10 * BALANCE,
    lambda m: m.both.equals(ssn=SSN),
    lambda m: m.both.equals(ssn=SSN, phone=BALANCE),
    lambda m: m.both.equals(ssn=SSN, phone=PHONE, street=STREET),
    lambda m: m.end == END,
    lambda m: m.worths.contains(END),
    lambda m: m.ssn.contains(SSN),
    lambda m: m.ssn > SSN,
    lambda m: m.balance.between(BALANCE, BALANCE),
    lambda m: m.balance == BALANCE,
    lambda m: ~(m.ssn == SSN) | m.balance.is_in(BALANCE),
    lambda m: m.address.street == STREET,
    lambda m: m.address == Address(street=STREET),
    lambda m: m.notes == {"diagnosis": NOTE},
    lambda m: m.card.iban == IBAN,
    lambda m: m.card == Card(iban=IBAN),
    lambda m: m.cards[0].iban.startswith(IBAN),
    lambda m: m.cards.contains(Card(iban=IBAN)),
    lambda m: Path("ssn") == SSN,
    lambda m: Path("card.iban") == IBAN,
    lambda m: m.tag == SSN,
]
TRIED = [
    *(lambda m, of=of: m.get("1").update([of(m)]) for of in UPDATES),
    *(lambda m, of=of: in_transaction(m, lambda t: t.update(m("1", owner="north"), [of(m)])) for of in UPDATES),
    *(lambda m, of=of: list(m.scan(of(m))) for of in CONDITIONS),
    *(lambda m, of=of: list(m.query("1", filter_condition=of(m))) for of in CONDITIONS),
    *(lambda m, of=of: patient(m).save(of(m)) for of in CONDITIONS),
    *(lambda m, of=of: m.get("1").delete(of(m)) for of in CONDITIONS),
    *(lambda m, of=of: in_transaction(m, lambda t: t.condition_check(m, "1", condition=of(m))) for of in CONDITIONS),
    lambda m: list(m.query("1", m.ssn == SSN)),
    lambda m: list(m.by_end.query(m.phone.startswith(PHONE))),
    lambda m: list(m.by_both.query(SSN)),
    lambda m: m("1", owner="north", worth=10 * BALANCE).save(),
    lambda m: m("1", owner="north", ssn=BALANCE, notes=object()).save(),
    lambda m: m("1", owner="north", tag=SSN).save(),
    lambda m: m("1", owner="north", card={"iban": IBAN}).save(),
]


def refusal(ask: Callable[[Any], Any], model: Any) -> Exception | None:
    """Return what a request raises."""
    try:
        ask(model)
    except (FieldcryptError, PynamoDBException, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        return error
    return None


def test_no_plaintext_is_sent_nor_shown(model: Any) -> None:
    """By requests that are answered, and by those that are refused."""
    for number, ask in enumerate([*ANSWERED, *TRIED]):
        patient(model).save()
        refused = refusal(ask, model)
        assert refused is None or number >= len(ANSWERED), (number, refused)
        assert not [text for text in CONFIDENTIAL if text in shown(refused)], (number, refused)
