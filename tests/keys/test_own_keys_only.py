"""Whoever may wrap under the KMS key (`kms:Encrypt`), and no more: what that gives, and what `own_keys_only` ends."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model
from sqlalchemy import Engine, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fieldcrypt import (
    NO_TENANT,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Field,
    KeyAccessDeniedError,
    KeyNotFoundError,
    KeyPolicy,
    KeyRecord,
    KeyShreddedError,
    KeyState,
    KeyStoreError,
    LocalKeyProvider,
    Purpose,
)
from fieldcrypt.format.aead import GCM_NONCE_SIZE
from fieldcrypt.format.context import encode_context
from fieldcrypt.format.envelope import aad, head
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import MAX_TIME, sorted_wraps, wrap_context
from fieldcrypt.testing import LocalAws
from fieldcrypt_dynamodb import ItemSeal, Protected, ProtectedTable
from fieldcrypt_dynamodb.item.forms import PYTHON
from fieldcrypt_dynamodb.item.items import Items
from fieldcrypt_pynamodb import EncryptedAttribute
from fieldcrypt_sqlalchemy import Encrypted
from tests.conftest import Clock
from tests.support.doubles import RowStore
from tests.support.dynamodb import DynamoDb
from tests.support.index_keys import index_key

SSN, TENANT, NAME = "078-05-1120", "clinic-7", "patients.ssn"
DELAY, DAY = 300.0, 86_400.0
SALT = bytes(12)


class EncryptOnly:
    """A KMS client whose role may call Encrypt, and nothing else."""

    def __init__(self, client: Any) -> None:
        self.encrypt = client.encrypt
        self.meta, self.exceptions = client.meta, client.exceptions

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not allowed")


class Denying:
    """A KMS client whose key policy denies Decrypt for some data keys, by their ids in the encryption context."""

    def __init__(self, client: Any, denied: set[str]) -> None:
        self._client, self._denied = client, denied

    def decrypt(self, **call: Any) -> Any:
        if call["EncryptionContext"]["fieldcrypt:key-id"] in self._denied:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "explicit deny"}}, "Decrypt")
        return self._client.decrypt(**call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Planted(NamedTuple):
    """A data key that somebody made, and its record."""

    data_key: DataKey
    record: KeyRecord

    def value(self, plaintext: bytes = b"\x02forged") -> bytes:
        """Return a value under the data key, in the place of the victim's field."""
        prefix, nonce = head(1, self.data_key.key_id), bytes(GCM_NONCE_SIZE)
        context = {"fieldcrypt:field": NAME}
        return prefix + SALT + nonce + self.data_key.cipher().encrypt(SALT + nonce, plaintext, aad(prefix, context))

    def reads(self, value: bytes) -> str:
        """Return the plaintext of a value under the data key."""
        nonce, rest = value[17:41], value[41:]
        return self.data_key.cipher().decrypt(nonce, rest, aad(value[:17], {"fieldcrypt:field": NAME})).decode()

    def tag(self, text: str) -> bytes:
        """Return the tag of a text under the data key (SPEC section 11)."""
        context = encode_context({"fieldcrypt:field": NAME})
        message = len(context).to_bytes(4, "big") + context + b"\x02" + text.encode()
        return hmac.digest(index_key(self.data_key.secret), message, "sha256")[:16]


class Scene:
    """A key store that the attacker can write, and a KMS key that it may wrap under."""

    def __init__(self, arn: str, aws: LocalAws, clock: Clock) -> None:
        self.clock, self.store = clock, RowStore()
        self.planted: set[bytes] = set()
        self.denied: set[str] = set()
        self.provider = AwsKmsKeyProvider(
            arn, ["us-east-1"], client_factory=lambda region: Denying(aws.kms(region), self.denied)
        )
        self.wrapping = AwsKmsKeyProvider(
            arn, ["us-east-1"], client_factory=lambda region: EncryptOnly(aws.kms(region))
        )

    def plant(self, purpose: Purpose = Purpose.ENCRYPTION, ago: float = 0, tenant: str | None = TENANT) -> Planted:
        """Have the attacker make a data key and put it into the store."""
        data_key, created = DataKey.generate(), int(self.clock.wall() - ago)
        context = wrap_context(data_key.key_id, purpose, created, tenant)
        wraps = sorted_wraps(self.wrapping.wrap(data_key.secret, context))
        record = data_key.seal(KeyRecord(data_key.key_id, purpose, created, tenant, wraps))
        self.store.add(record)
        self.planted.add(record.key_id)
        return Planted(data_key, record)

    def encryptor(self, *, own_keys_only: bool = True, **policy: Any) -> Encryptor:
        """Return the Encryptor of a process."""
        return Encryptor(self.provider, self.store, policy=KeyPolicy(own_keys_only=own_keys_only, **policy))

    def ids(self, purpose: Purpose, tenant: str | None = TENANT) -> list[bytes]:
        """Return the ids of a tenant's data keys in the store."""
        return [each.key_id for each in self.store.list(tenant) if each.purpose is purpose]


@pytest.fixture
def scene(kms_key: str, aws: LocalAws, clock: Clock) -> Scene:
    return Scene(kms_key, aws, clock)


def reading(encryptor: Encryptor) -> Field[str]:
    """Return a field that reads what others can have planted."""
    return encryptor.field(NAME, str, accept_foreign_keys=True)


MOMENTS: Mapping[str, Callable[[Scene, bytes], object]] = {
    "a planted key has waited": lambda scene, _: scene.clock.advance(DELAY + 1),
    "its own key is due": lambda scene, _: scene.clock.advance(91 * DAY),
    "its own key is deleted": lambda scene, own: scene.store.rows.pop(own),
    "its own key is retired": lambda scene, own: retire(scene, own),
}


class TestWithout:
    """Under the default policy: as SPEC section 9 says, who may wrap is trusted with what is written from now on."""

    def test_writers_take_a_planted_key_and_the_attacker_reads(self, scene: Scene) -> None:
        field = scene.encryptor(own_keys_only=False).field(NAME, str)
        field.encrypt(SSN, tenant=TENANT)
        scene.clock.advance(10)
        planted = scene.plant()
        scene.clock.advance(DELAY + 901)
        assert planted.reads(field.encrypt(SSN, tenant=TENANT)) == "\x02" + SSN

    def test_readers_take_a_forged_value(self, scene: Scene) -> None:
        field = scene.encryptor(own_keys_only=False).field(NAME, str)
        assert field.decrypt(scene.plant().value(), tenant=TENANT) == "forged"

    def test_what_was_written_before_stays_secret(self, scene: Scene) -> None:
        """No key that the attacker plants opens it."""
        value = scene.encryptor(own_keys_only=False).field(NAME, str).encrypt(SSN, tenant=TENANT)
        with pytest.raises(DecryptionError):
            scene.plant().reads(value)

    @pytest.mark.parametrize("ahead", [-60, 30, DAY, 3650 * DAY])
    def test_a_rotation_follows_a_planted_key(self, scene: Scene, ahead: float) -> None:
        """Whatever its date: so that is what to do when the attacker may not wrap any more."""
        field = scene.encryptor(own_keys_only=False).field(NAME, str)
        field.encrypt(SSN, tenant=TENANT)
        scene.plant(ago=-ahead)
        scene.clock.advance(DELAY + 901)
        field.encrypt(SSN, tenant=TENANT)
        scene.encryptor(own_keys_only=False).data_keys.rotate(TENANT)
        scene.clock.advance(DELAY + 901)
        assert field.encrypt(SSN, tenant=TENANT)[1:17] not in scene.planted

    def test_a_planted_key_that_kms_refuses_ends(self, scene: Scene) -> None:
        """Though it is dated so that no key can be newer; its record is removed when no process has it any more."""
        encryptor = scene.encryptor(own_keys_only=False)
        field = encryptor.field(NAME, str)
        own = field.encrypt(SSN, tenant=TENANT)
        planted = scene.plant(ago=scene.clock.wall() - MAX_TIME)
        scene.clock.advance(901)
        assert field.encrypt(SSN, tenant=TENANT)[1:17] == planted.record.key_id
        assert field.decrypt(planted.value()) == "forged"
        scene.denied.add(planted.record.key_id.hex())
        scene.clock.advance(901)
        with pytest.raises(KeyAccessDeniedError):
            field.decrypt(planted.value())
        encryptor.forget()
        del scene.store.rows[planted.record.key_id]
        for process in (field, scene.encryptor(own_keys_only=False).field(NAME, str)):
            assert process.encrypt(SSN, tenant=TENANT)[1:17] == own[1:17]
        assert planted.record.key_id not in scene.store.rows

    def test_tags_are_made_under_a_planted_index_key(self, scene: Scene) -> None:
        """One that is dated a second before the real one tags at once."""
        index = scene.encryptor(own_keys_only=False).blind_index(NAME)
        index.tag(SSN, tenant=TENANT)
        planted = scene.plant(Purpose.BLIND_INDEX, ago=1)
        scene.clock.advance(901)
        assert index.tag(SSN, tenant=TENANT) == planted.tag(SSN)


class TestWriting:
    """Under own_keys_only nothing is encrypted under a data key that this process did not make."""

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_no_planted_key_is_taken(self, scene: Scene, moment: str) -> None:
        """Neither at first nor later, whatever makes a process look for keys again; nor after a restart."""
        planted = {scene.plant(ago=DAY).record.key_id, scene.plant(ago=-60).record.key_id}
        field = reading(scene.encryptor())
        values = [field.encrypt(SSN, tenant=TENANT)]
        planted.add(scene.plant(ago=-1).record.key_id)
        MOMENTS[moment](scene, values[0][1:17])
        scene.clock.advance(901)
        values += [field.encrypt(SSN, tenant=TENANT), reading(scene.encryptor()).encrypt(SSN, tenant=TENANT)]
        assert planted.isdisjoint(value[1:17] for value in values)

    def test_each_process_has_a_key_of_its_own(self, scene: Scene) -> None:
        """And each reads what the other wrote, where that is accepted."""
        one, other = (reading(scene.encryptor()) for _ in range(2))
        values = [field.encrypt(SSN, tenant=TENANT) for field in (one, other, one, other)]
        assert len({value[1:17] for value in values}) == len(scene.ids(Purpose.ENCRYPTION)) == 2
        assert [field.decrypt(value) for field in (one, other) for value in values] == [SSN] * 8

    def test_a_key_is_followed_by_another_of_its_own(self, scene: Scene) -> None:
        field = reading(scene.encryptor())
        before = field.encrypt(SSN)
        scene.clock.advance(90 * DAY)
        field.encrypt(SSN)
        scene.clock.advance(DELAY + 1)
        assert field.encrypt(SSN)[1:17] != before[1:17]
        assert len(scene.ids(Purpose.ENCRYPTION, None)) == 2

    def test_nobody_rotates_for_others(self, scene: Scene) -> None:
        reading(scene.encryptor()).encrypt(SSN, tenant=TENANT)
        with pytest.raises(ConfigurationError, match="rotate by themselves"):
            scene.encryptor().data_keys.rotate(TENANT)


class TestDecisions:
    """What a planted key does to the rest of what is decided: the last column of the table in keys.md."""

    def test_it_puts_off_no_other_key_and_makes_none_due(self, scene: Scene) -> None:
        """Neither one that is dated later, nor one that is old."""
        field = reading(scene.encryptor())
        own = field.encrypt(SSN, tenant=TENANT)
        for ago in (-DAY + 60, 90 * DAY):
            scene.plant(ago=ago)
        scene.clock.advance(89 * DAY)
        assert field.encrypt(SSN, tenant=TENANT)[1:17] == own[1:17]
        scene.clock.advance(DAY)
        field.encrypt(SSN, tenant=TENANT)
        scene.clock.advance(DELAY + 1)
        assert field.encrypt(SSN, tenant=TENANT)[1:17] not in {own[1:17], *scene.planted}

    def test_it_is_not_retired(self, scene: Scene) -> None:
        planted = scene.plant(ago=DAY).record.key_id
        with pytest.raises(ConfigurationError, match=planted.hex()):
            scene.encryptor().data_keys.retire(planted)

    def test_it_makes_no_value_old(self, scene: Scene) -> None:
        """A value goes by the age of its own data key, which for a planted one is what its maker says."""
        encryptor = scene.encryptor()
        value = encryptor.field(NAME, str).encrypt(SSN, tenant=TENANT)
        old = scene.plant(ago=90 * DAY)
        scene.plant(ago=-60)
        scene.clock.advance(DELAY + 61)
        assert not encryptor.needs_reencrypt(value)
        assert encryptor.followed_at(value) is None
        assert encryptor.needs_reencrypt(old.value())


class TestReading:
    """It does not make what is read authentic, so fields say that they know."""

    def test_a_field_that_does_not_accept_it(self, scene: Scene, aws: LocalAws) -> None:
        """It reads nothing, says what to do, and asks KMS nothing; one that accepts public keys does not either."""
        encryptor = scene.encryptor()
        value, before = encryptor.field(NAME, str).encrypt(SSN), aws.calls.copy()
        for field in (encryptor.field(NAME, str), encryptor.field(NAME, str, accept_public_key=True)):
            with pytest.raises(ConfigurationError, match=r"'patients\.ssn'.*accept_foreign_keys=True"):
                field.decrypt(value)
        assert aws.calls == before

    def test_a_forged_value_decrypts_where_that_is_accepted(self, scene: Scene) -> None:
        assert reading(scene.encryptor()).decrypt(scene.plant().value(), tenant=TENANT) == "forged"

    def test_self_contained_values(self, scene: Scene) -> None:
        encryptor = Encryptor(scene.provider, policy=KeyPolicy(own_keys_only=True))
        value = encryptor.field(NAME, str).encrypt(SSN)
        assert reading(encryptor).decrypt(value) == SSN
        with pytest.raises(ConfigurationError, match="accept_foreign_keys"):
            encryptor.field(NAME, str).decrypt(value)


class TestIndexes:
    """Index keys have to be of all processes, so those that count are named in the policy."""

    def pinned(self, scene: Scene) -> tuple[bytes, list[bytes]]:
        """Return the id of an index key that nobody planted, and the tags of `SSN` under it."""
        index = scene.encryptor(own_keys_only=False).blind_index(NAME)
        tags = index.tags(SSN, tenant=TENANT) if index.tag(SSN, tenant=TENANT) else []
        (made,) = scene.ids(Purpose.BLIND_INDEX)
        return made, tags

    @pytest.mark.parametrize("verb", ["tag", "tags"])
    def test_without_a_named_key(self, scene: Scene, verb: str) -> None:
        """Neither tags nor searches; a key that is named for somebody else does not help."""
        made, _ = self.pinned(scene)
        index = scene.encryptor(index_keys={"clinic-8": [made]}).blind_index(NAME)
        with pytest.raises(ConfigurationError, match="index_keys"):
            getattr(index, verb)(SSN, tenant=TENANT)

    def test_one_is_made_to_be_named(self, scene: Scene) -> None:
        """A new one each time, for any that is there may have been planted; once it is named, there is no other."""
        planted = scene.plant(Purpose.BLIND_INDEX, ago=DAY).record.key_id
        made = {scene.encryptor().data_keys.create(TENANT, index=True).key_id for _ in range(2)}
        assert len(made - {planted}) == 2
        named = made.pop()
        encryptor = scene.encryptor(index_keys={TENANT: [named]})
        assert encryptor.data_keys.create(TENANT, index=True).key_id == named
        assert len(encryptor.blind_index(NAME).tags(SSN, tenant=TENANT)) == 1

    def test_none_is_made_for_a_shredded_tenant(self, scene: Scene) -> None:
        self.pinned(scene)
        scene.encryptor(own_keys_only=False).data_keys.shred(TENANT, "ann")
        with pytest.raises(KeyShreddedError):
            scene.encryptor().data_keys.create(TENANT, index=True)

    def test_warming_up_passes_over_them(self, scene: Scene) -> None:
        """It has nothing to fetch, and is no error."""
        self.pinned(scene)
        assert scene.encryptor().warm_up([TENANT]) == 0

    @pytest.mark.parametrize("own_keys_only", [True, False])
    def test_nothing_but_the_named_key_counts(self, scene: Scene, *, own_keys_only: bool) -> None:
        """However many are planted, and whatever state the store says that it has."""
        made, tags = self.pinned(scene)
        for ago in (DAY, 1, -60):
            scene.plant(Purpose.BLIND_INDEX, ago=ago)
        retire(scene, made)
        index = scene.encryptor(own_keys_only=own_keys_only, index_keys={TENANT: [made.hex()]}).blind_index(NAME)
        for _ in range(2):
            assert [index.tag(SSN, tenant=TENANT)] == index.tags(SSN, tenant=TENANT) == tags
            scene.clock.advance(DAY)

    def test_a_named_key_that_is_gone(self, scene: Scene) -> None:
        """It is an error, for tags under others would not be found; no other is made."""
        made, _ = self.pinned(scene)
        scene.store.rows.pop(made)
        scene.plant(Purpose.BLIND_INDEX)
        index = scene.encryptor(index_keys={TENANT: [made]}).blind_index(NAME)
        for verb in (index.tag, index.tags):
            with pytest.raises(KeyNotFoundError, match=made.hex()):
                verb(SSN, tenant=TENANT)
        assert len(scene.ids(Purpose.BLIND_INDEX)) == 1

    def test_a_named_key_that_is_another_ones(self, scene: Scene) -> None:
        """A mistake in the policy is told, and no tenant is tagged under the key of another."""
        made, _ = self.pinned(scene)
        encrypts = scene.encryptor().field(NAME, str).encrypt(SSN)[1:17]
        index = scene.encryptor(index_keys={NO_TENANT: [made], "clinic-8": [encrypts]}).blind_index(NAME)
        with pytest.raises(KeyStoreError, match="another tenant"):
            index.tag(SSN)
        with pytest.raises(KeyStoreError, match="not for blind indexes"):
            index.tag(SSN, tenant="clinic-8")

    def test_a_named_key_from_before_a_leak(self, scene: Scene) -> None:
        """`not_before` rules it out for tagging, and no other is made that nobody named; it goes on for searching."""
        made, tags = self.pinned(scene)
        leak = datetime.fromtimestamp(scene.clock.wall() + 1, UTC)
        index = scene.encryptor(index_keys={TENANT: [made]}, not_before=leak).blind_index(NAME)
        with pytest.raises(ConfigurationError, match="not_before"):
            index.tag(SSN, tenant=TENANT)
        assert index.tags(SSN, tenant=TENANT) == tags
        assert scene.ids(Purpose.BLIND_INDEX) == [made]

    def test_the_named_key_of_a_shredded_tenant(self, scene: Scene) -> None:
        made, _ = self.pinned(scene)
        scene.encryptor(own_keys_only=False).data_keys.shred(TENANT, "ann")
        index = scene.encryptor(index_keys={TENANT: [made]}).blind_index(NAME)
        with pytest.raises(KeyShreddedError):
            index.tag(SSN, tenant=TENANT)

    def test_rotation_by_hand(self, scene: Scene) -> None:
        """The next key tags when it has settled, where it is named; where it is not, nothing changes."""
        made, tags = self.pinned(scene)
        before = scene.encryptor(index_keys={TENANT: [made]})
        following = before.data_keys.rotate(TENANT, Purpose.BLIND_INDEX).key_id
        both = scene.encryptor(index_keys={TENANT: [made, following]}).blind_index(NAME)
        assert both.tags(SSN, tenant=TENANT)[0] == tags[0]
        scene.clock.advance(DAY)
        assert both.tags(SSN, tenant=TENANT)[1] == tags[0]
        assert before.blind_index(NAME).tags(SSN, tenant=TENANT) == tags


class TestRewrap:
    """A planted key that was rewrapped looks like any other."""

    def test_it_says_which_keys_nobody_vouches_for(self, scene: Scene) -> None:
        """And does nothing until that is accepted. What this process made, and named index keys, are not among them."""
        new = LocalKeyProvider.generate()
        index = scene.encryptor(own_keys_only=False).blind_index(NAME)
        index.tag(SSN, tenant=TENANT)
        encryptor = scene.encryptor(index_keys={TENANT: scene.ids(Purpose.BLIND_INDEX)})
        encryptor.field(NAME, str).encrypt(SSN, tenant=TENANT)
        assert list(encryptor.data_keys.unvouched()) == []
        planted = scene.plant().record
        rows = dict(scene.store.rows)
        for rewrap in (encryptor.data_keys.rewrap, lambda _: encryptor.data_keys.repair()):
            with pytest.raises(ConfigurationError, match=f"1 data key .*{planted.key_id.hex()}.*accept_foreign_keys"):
                rewrap(new)
        assert scene.store.rows == rows
        assert list(encryptor.data_keys.unvouched()) == [planted]
        assert encryptor.data_keys.rewrap(new, accept_foreign_keys=True).changed == 3

    def test_nothing_is_to_be_accepted_where_all_are_vouched_for(self, scene: Scene) -> None:
        encryptor = scene.encryptor()
        encryptor.field(NAME, str).encrypt(SSN)
        assert encryptor.data_keys.rewrap(LocalKeyProvider.generate()).changed == 1


class TestIntegrations:
    """Columns and attributes take the same argument."""

    def test_a_column(self, scene: Scene, engine: Engine) -> None:
        encryptor = scene.encryptor()

        def person(**how: Any) -> Any:
            class Base(DeclarativeBase):
                pass

            class Person(Base):
                __tablename__ = "patients"
                id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
                ssn: Mapped[str] = mapped_column(Encrypted(String, encryptor, **how))

            return Person

        accepting = person(accept_foreign_keys=True)
        accepting.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(accepting(id=1, ssn=SSN))
            session.commit()
            session.expire_all()
            assert session.scalars(select(accepting.ssn)).one() == SSN
            with pytest.raises(ConfigurationError, match="accept_foreign_keys=True"):
                session.scalars(select(person().ssn)).one()

    def test_an_attribute(self, scene: Scene, moto: DynamoDb) -> None:
        def person(**how: Any) -> Any:
            attributes = {
                "Meta": moto.meta("patients"),
                "id": UnicodeAttribute(hash_key=True),
                "ssn": EncryptedAttribute(UnicodeAttribute(), scene.encryptor(), **how),
            }
            return type("Person", (Model,), attributes)

        accepting = person(accept_foreign_keys=True)
        accepting.create_table(wait=True)
        accepting("1", ssn=SSN).save()
        assert accepting.get("1").ssn == SSN
        with pytest.raises(ConfigurationError, match="accept_foreign_keys=True"):
            person().get("1")

    @pytest.mark.parametrize("accept", [True, False])
    def test_a_described_table(self, scene: Scene, *, accept: bool) -> None:
        """Of boto3; its seal takes it, too."""
        attributes = {"ssn": Protected(str, accept_foreign_keys=True)}
        seal = ItemSeal("seal", ("ssn", "role"), accept_foreign_keys=accept)
        items = Items(
            ProtectedTable("patients", scene.encryptor(), key=("id",), attributes=attributes, seal=seal), PYTHON
        )
        item = {"id": "1", "ssn": SSN, "role": "nurse"}
        stored = items.encrypted(item)
        if accept:
            assert items.decrypted(stored) == item
        else:
            with pytest.raises(ConfigurationError, match=r"'patients\.seal'.*accept_foreign_keys"):
                items.decrypted(stored)


def retire(scene: Scene, key_id: bytes) -> None:
    """Have the attacker set the state of a record."""
    record = scene.store.get(key_id)
    assert isinstance(record, KeyRecord)
    scene.store.replace(record, record._replace(state=KeyState.RETIRED))
