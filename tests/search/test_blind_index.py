"""Blind indexes: equal values have equal tags, and nothing else has."""

from __future__ import annotations

import copy
import enum
import pickle
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal, Inexact, Rounded, Subnormal, localcontext
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import assume, given
from hypothesis import strategies as st

from fieldcrypt import (
    BlindIndex,
    ConfigurationError,
    Encryptor,
    FileKeyStore,
    IndexedBy,
    LocalKeyProvider,
    MemoryKeyStore,
)
from tests.support.doubles import CountingProvider, PublicKeyProvider, RowStore, told
from tests.support.index_keys import index_key
from tests.support.processes import in_child
from tests.support.spellings import spellings
from tests.support.strategies import DECIMALS, OFFSETS, VALUES, Colour, relaxed

EMAIL = "ann@example.org"
Month = enum.Enum("Month", "M0 M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M11 M12 M13 M14 M15")


@pytest.fixture
def encryptor() -> Encryptor:
    """An Encryptor with a key store, without which there are no tags."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture
def index(encryptor: Encryptor) -> BlindIndex[str]:
    """A blind index over texts."""
    return encryptor.blind_index("patients.email")


def reverse(text: str) -> str:
    """A normaliser of a user's own, in a module."""
    return text[::-1]


offloaded: list[str] = []


def elsewhere(work: Any) -> Any:
    """An offload that can be pickled, and takes note."""
    offloaded.append("here")
    return work()


class TestTags:
    def test_equal_values_have_equal_tags(self, index: BlindIndex[str]) -> None:
        """The first tag makes the key, and all later ones are made under it."""
        assert index.tag(EMAIL) == index.tag(EMAIL)
        assert index.tags(EMAIL) == [index.tag(EMAIL)]

    def test_a_tag_is_what_the_specification_says(self, encryptor: Encryptor, index: BlindIndex[str]) -> None:
        """An HMAC over the field's context and the plaintext, under a key that is derived from the data key."""
        tag = index.tag(EMAIL, tenant="a")
        assert encryptor.store is not None
        (record,) = encryptor.store.list("a")
        secret = encryptor.provider.unwrap(record.wraps, record.context())  # type: ignore[union-attr]
        mac = HMAC(index_key(secret), SHA256())
        mac.update(b"\x00\x00\x00\x22\x00\x10fieldcrypt:field\x00\x0epatients.email\x02" + EMAIL.encode())
        assert tag == mac.finalize()[:16]

    def test_fields_have_nothing_in_common(self, encryptor: Encryptor, index: BlindIndex[str]) -> None:
        """Equal values of two columns cannot be told to be equal."""
        assert encryptor.blind_index("staff.email").tag(EMAIL) != index.tag(EMAIL)

    def test_tenants_have_nothing_in_common(self, index: BlindIndex[str]) -> None:
        """Nor can those of two tenants, or of none."""
        assert len({index.tag(EMAIL, tenant=tenant) for tenant in ("a", "b", None)}) == 3

    def test_types_have_nothing_in_common(self, encryptor: Encryptor, index: BlindIndex[str]) -> None:
        """The text and the bytes that encode it are different values."""
        assert encryptor.blind_index("patients.email", bytes).tag(EMAIL.encode()) != index.tag(EMAIL)

    def test_a_search_makes_no_key(self, encryptor: Encryptor, index: BlindIndex[str]) -> None:
        """Of a tenant without an index key there is nothing to find."""
        assert index.tags(EMAIL, tenant="a") == []
        assert encryptor.data_keys.count() == 0

    def test_a_shorter_tag_is_the_beginning_of_a_longer_one(self, encryptor: Encryptor, index: BlindIndex[str]) -> None:
        """So tags can be cut without keys."""
        short, long = (encryptor.blind_index("patients.email", tag_size=size) for size in (3, 32))
        assert index.tag(EMAIL) == long.tag(EMAIL)[:16]
        assert short.tag(EMAIL) == long.tag(EMAIL)[:3]
        assert (short.truncated, index.truncated, long.truncated) == (True, False, False)

    def test_many_threads_make_one_first_key(self, provider: CountingProvider, rows: RowStore) -> None:
        """They all tag under it."""
        index = Encryptor(provider, rows).blind_index("a.b")
        tags: set[bytes] = set()
        threads = [Thread(target=lambda: tags.add(index.tag(EMAIL))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(tags), provider.wraps) == (1, 1)

    def test_tags_after_the_first_ask_nobody(self, provider: CountingProvider, rows: RowStore) -> None:
        """However many values and fields there are."""
        encryptor = Encryptor(provider, rows)
        one, other = encryptor.blind_index("a.b"), encryptor.blind_index("c.d", int)
        one.tag("x")
        reads, unwraps = rows.reads, provider.unwraps
        for number in range(100):
            one.tag(str(number))
            other.tag(number)
        assert (rows.reads, provider.unwraps, provider.wraps) == (reads, unwraps, 1)


class TestTypes:
    @pytest.mark.parametrize("kind", [float, list, dict, set, object, complex, type(None)])
    def test_some_have_no_tags(self, encryptor: Encryptor, kind: Any) -> None:
        """Those whose equal values cannot be brought into one form, or that nobody looks up."""
        with pytest.raises(TypeError, match="a blind index has one of the types"):
            encryptor.blind_index("a.b", kind)

    @pytest.mark.parametrize("kind", [bool, Colour])
    def test_few_values_are_told_by_their_tags(self, encryptor: Encryptor, kind: Any) -> None:
        """So they are refused, unless that is accepted."""
        with pytest.raises(ConfigurationError, match="accept_low_cardinality"):
            encryptor.blind_index("a.b", kind)
        index = encryptor.blind_index("a.b", kind, accept_low_cardinality=True)
        value = next(iter(kind)) if issubclass(kind, enum.Enum) else True
        assert index.tags(value) == []
        assert index.tag(value) in index.tags(value)

    def test_an_enum_of_many_members_has_tags(self, encryptor: Encryptor) -> None:
        """By the members' names."""
        index = encryptor.blind_index("a.b", Month)
        assert index.tag(Month.M1) == encryptor.blind_index("a.b").tag("M1") != index.tag(Month.M2)

    @pytest.mark.parametrize("value", [None, b"x", 1, EMAIL + "\ud800"])
    def test_a_wrong_value_is_refused_without_being_shown(self, index: BlindIndex[str], value: Any) -> None:
        """As a field does."""
        with pytest.raises((TypeError, ValueError)) as caught:
            index.tag(value)
        assert EMAIL not in told(caught.value)

    @given(st.sampled_from([kind for kind in VALUES if kind not in (float, list, dict, set)]), st.data())
    @relaxed
    def test_equal_tags_mean_equal_values(self, kind: Any, data: st.DataObject) -> None:
        """And different ones different values, for every type."""
        index = SHARED.blind_index("a.b", kind, accept_low_cardinality=True)
        one, other = data.draw(VALUES[kind]), data.draw(VALUES[kind])
        assume(all(_has_tag(value) for value in (one, other)))
        assert (index.tag(one) == index.tag(other)) is _equal(one, other) is index.matches(one, other)

    @given(DECIMALS.filter(lambda number: not number.is_nan()), st.integers(0, 40))
    @relaxed
    def test_zeros_at_the_end_of_a_decimal_do_not_count(self, number: Decimal, zeros: int) -> None:
        """1.0 and 1.00 are equal, exactly and whatever the precision of the context."""
        sign, digits, exponent = number.as_tuple()
        assume(isinstance(exponent, int))
        assert isinstance(exponent, int)
        longer = Decimal((sign, (*digits, *[0] * zeros), exponent - zeros))
        index = SHARED.blind_index("a.b", Decimal)
        assert index.tag(number) == index.tag(longer)

    def test_zero_has_no_sign(self) -> None:
        """-0 and 0 are equal."""
        index = SHARED.blind_index("a.b", Decimal)
        assert len({index.tag(Decimal(zero)) for zero in ("0", "-0", "0E+5", "-0.00")}) == 1

    @pytest.mark.parametrize(
        "spellings",
        [
            ("1E+999999999999999999", "10E+999999999999999998", "1.000E+999999999999999999"),
            ("1E-1999999999999999996", "10E-1999999999999999997"),
            ("0", "0E+999999999999999999", "-0E-1999999999999999997"),
            ("9" * 5000, "9" * 5000 + ".0"),
        ],
        ids=["largest", "smallest", "zero", "long"],
    )
    def test_the_most_extreme_decimals_have_one_form(self, spellings: tuple[str, ...]) -> None:
        """Whatever decimal context the program works in."""
        index = SHARED.blind_index("a.b", Decimal)
        numbers = [Decimal(spelling) for spelling in spellings]
        with localcontext(Context(prec=1, Emax=1, Emin=-1, traps=[Inexact, Rounded, Subnormal])):
            assert len({index.tag(number) for number in numbers}) == 1
        with localcontext(Context(prec=1, traps=[])):
            assert index.tag(numbers[0]) == index.tag(numbers[-1])

    @given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=OFFSETS), OFFSETS)
    @relaxed
    def test_one_instant_has_one_tag(self, when: datetime, zone: timezone) -> None:
        """Whatever its offset; without one it is no instant."""
        index = SHARED.blind_index("a.b", datetime)
        assert index.tag(when) == index.tag(when.astimezone(zone)) != index.tag(when.replace(tzinfo=None))

    @pytest.mark.parametrize(
        "value",
        [
            Decimal("NaN"),
            Decimal("sNaN"),
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))),
            time(14, 49, tzinfo=UTC),
        ],
        ids=str,
    )
    def test_what_has_no_form_is_refused(self, value: Any) -> None:
        """Rather than be tagged so that its equals are not found."""
        index: BlindIndex[Any] = SHARED.blind_index("a.b", type(value))
        with pytest.raises(ValueError, match=r"is none|range|offset"):
            index.tag(value)


SHARED = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


def _has_tag(value: Any) -> bool:
    if isinstance(value, Decimal):
        return not value.is_nan()
    if isinstance(value, time):
        return value.tzinfo is None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return 2 <= value.year <= 9998
    return True


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, datetime) and one.tzinfo is not None and other.tzinfo is not None:
        return bool(one.astimezone(UTC) == other.astimezone(UTC))
    return bool(one == other)


class TestNormalisers:
    def test_what_is_equal_after_normalising_has_one_tag(self, encryptor: Encryptor) -> None:
        """And is said to match."""
        index = encryptor.blind_index("a.b", normaliser="casefold")
        assert index.tag("Ann@Example.ORG") == index.tag(EMAIL)
        assert index.normalise("Ann@Example.ORG") == EMAIL
        assert index.matches("Ann@Example.ORG", EMAIL)
        assert not index.matches(EMAIL, "bob@example.org")

    def test_a_value_with_nothing_to_tag_matches_none(self, encryptor: Encryptor) -> None:
        """If it is found, somebody copied a tag to its row: it is left out as any other."""
        index = encryptor.blind_index("a.b", normaliser="digits")
        assert not index.matches("n/a", "12")
        assert not index.matches("n/a", "n/a")

    def test_without_one_texts_are_compared_as_they_are(self, index: BlindIndex[str]) -> None:
        """Even é composed and decomposed, which look the same."""
        assert index.tag("\u00e9") != index.tag("e\u0301")

    def test_a_function_of_ones_own(self, encryptor: Encryptor) -> None:
        """For any type."""
        assert encryptor.blind_index("a.b", normaliser=reverse).normalise("abc") == "cba"
        hundreds = encryptor.blind_index("a.b", int, normaliser=lambda number: number // 100)
        assert hundreds.tag(101) == hundreds.tag(199) != hundreds.tag(200)

    def test_one_that_changes_the_type_is_refused(self, encryptor: Encryptor) -> None:
        """Its tags would be those of another index."""
        wrong: Any = str.encode
        with pytest.raises(TypeError, match="expected str, got bytes"):
            encryptor.blind_index("a.b", normaliser=wrong).tag(EMAIL)

    def test_it_sees_no_wrong_type(self, encryptor: Encryptor) -> None:
        """A function for texts need not expect anything else."""
        with pytest.raises(TypeError, match="expected str, got int"):
            encryptor.blind_index("a.b", normaliser=reverse).tag(1)  # type: ignore[arg-type]

    def test_names_are_for_texts(self, encryptor: Encryptor) -> None:
        """An unknown one is refused, as is one for another type, or what is no function."""
        with pytest.raises(ValueError, match="unknown normaliser 'lower': use nfkc, casefold or digits"):
            encryptor.blind_index("a.b", normaliser="lower")
        with pytest.raises(TypeError, match="is one for str"):
            encryptor.blind_index("a.b", int, normaliser="digits")
        with pytest.raises(TypeError, match="a name or a function"):
            encryptor.blind_index("a.b", normaliser=1)  # type: ignore[call-overload]


class TestDeclaration:
    def test_declarations_are_equal_by_what_they_say(self) -> None:
        """Also of one that came out of a pickle."""
        one = IndexedBy("tag", "nfkc", tag_size=8, accept_default_key=True)
        assert pickle.loads(pickle.dumps(one)) == one == IndexedBy("tag", "nfkc", 8, False, False, True)
        assert len({one, copy.deepcopy(one), IndexedBy("tag", "nfkc", 8)}) == 2
        assert repr(one) == "IndexedBy('tag', 'nfkc', 8, False, False, True)"

    @pytest.mark.parametrize("size", [0, 33, -1])
    def test_a_tag_has_1_to_32_bytes(self, encryptor: Encryptor, size: int) -> None:
        """As many as HMAC-SHA-256 gives."""
        with pytest.raises(ValueError, match="1 to 32"):
            encryptor.blind_index("a.b", tag_size=size)

    @pytest.mark.parametrize("size", [True, "16", 1.0])
    def test_the_size_of_a_tag_is_a_number(self, encryptor: Encryptor, size: Any) -> None:
        """And True is none."""
        with pytest.raises(TypeError, match="number of bytes"):
            encryptor.blind_index("a.b", tag_size=size)

    def test_it_may_come_before_the_keys(self) -> None:
        """As fields may; and it follows when the keys are replaced."""
        encryptor = Encryptor()
        index = encryptor.blind_index("a.b")
        with pytest.raises(ConfigurationError, match="configure"):
            index.tag(EMAIL)
        encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        tag = index.tag(EMAIL)
        encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        assert index.tag(EMAIL) != tag

    def test_self_contained_values_have_no_tags(self) -> None:
        """Every process would have an index key of its own."""
        index = Encryptor(LocalKeyProvider.generate()).blind_index("a.b")
        for use in (index.tag, index.tags):
            with pytest.raises(ConfigurationError, match="needs an Encryptor with a key store"):
                use(EMAIL)

    def test_a_public_key_makes_no_tags(self, rows: RowStore) -> None:
        """Whoever knows it could plant an index key that he knows."""
        index = Encryptor(PublicKeyProvider(), rows).blind_index("a.b")
        for use in (index.tag, index.tags):
            with pytest.raises(ConfigurationError, match="symmetric"):
                use(EMAIL)

    def test_who_cannot_unwrap_makes_no_tags(self, rows: RowStore, provider: CountingProvider) -> None:
        """Tags need the key that others made."""
        provider.write_only = True
        index = Encryptor(provider, rows).blind_index("a.b")
        for use in (index.tag, index.tags):
            with pytest.raises(ConfigurationError, match="can unwrap"):
                use(EMAIL)

    @pytest.mark.parametrize("tenant", ["", "x" * 256, 1])
    def test_a_tenant_is_checked(self, index: BlindIndex[str], tenant: Any) -> None:
        """As for fields."""
        with pytest.raises((TypeError, ValueError), match="a tenant"):
            index.tags(EMAIL, tenant=tenant)


class TestElsewhere:
    def test_a_pickle_is_the_same_index(self, tmp_path: Any) -> None:
        """With its size, normaliser and all, and without keys."""
        (tmp_path / "key").write_bytes(b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
        encryptor = Encryptor(
            LocalKeyProvider.from_file(tmp_path / "key"), FileKeyStore.create(tmp_path / "keys.sqlite")
        )
        index = encryptor.blind_index("a.b", tag_size=5, normaliser=reverse, offload=elsewhere)
        small = encryptor.blind_index("a.b", bool, accept_low_cardinality=True)
        tag = index.tag(EMAIL)
        pickled = pickle.dumps([index, small])
        assert not [text for text in spellings(b"01234567890123456789012345678901") if text.encode() in pickled]
        again, small_again = pickle.loads(pickled)
        assert again is not index
        assert (again.tag(EMAIL), again.normalise("ab"), again.name, again.type) == (tag, "ba", "a.b", str)
        assert small_again.tag(True) == small.tag(True)

    def test_the_offload_is_pickled_too(self) -> None:
        """As a function of a module, for fields and for indexes."""
        encryptor = Encryptor()
        pickled = pickle.dumps(
            [encryptor.field("a.b", offload=elsewhere), encryptor.blind_index("a.b", offload=elsewhere)]
        )
        field, index = pickle.loads(pickled)
        encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        offloaded.clear()
        field.encrypt(b"x")
        index.tag("x")
        assert offloaded == ["here"] * 2

    def test_a_forked_child_makes_the_same_tags(self, index: BlindIndex[str]) -> None:
        """With a key that it inherits, and with one that it fetches."""
        tag, other = index.tag(EMAIL), index.tag(EMAIL, tenant="a")
        assert in_child(lambda: index.tag(EMAIL)) == tag

        def with_nothing_prepared() -> bytes:
            index.forget()
            return index.tag(EMAIL, tenant="a") + index.tags(EMAIL)[0]

        assert in_child(with_nothing_prepared) == other + tag

    def test_nothing_secret_is_shown(self, encryptor: Encryptor, index: BlindIndex[str]) -> None:
        """Neither the index nor what it holds shows its key."""
        index.tag(EMAIL)
        assert repr(index) == "BlindIndex('patients.email', str, tag_size=16)"
        keyring = encryptor._configured()
        lease = keyring.index_keys.for_tagging(None)
        record = lease.keys[0].record.stored
        key = index_key(keyring.provider.unwrap(record.wraps, record.context()))
        for holder in (index, keyring.index_keys, lease, lease.keys[0]):
            shown = repr(holder) + str(holder)
            assert not [text for text in spellings(key) if text in shown]
        for holder in (keyring.index_keys, lease.keys[0]):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(holder)

    def test_only_what_waits_is_offloaded(self, provider: CountingProvider, rows: RowStore) -> None:
        """A key that is at hand is used in place."""
        offloaded = []

        def offload(work: Any) -> Any:
            offloaded.append(work)
            return work()

        index = Encryptor(provider, rows).blind_index("a.b", offload=offload)
        index.tag(EMAIL)
        assert len(offloaded) == 1
        for _ in range(10):
            index.tag(EMAIL)
            index.forget()
            index.tag(EMAIL)
        assert len(offloaded) == 1


def test_a_date_is_no_datetime(encryptor: Encryptor) -> None:
    """Subclasses are refused as by fields, so that no value is tagged as something else."""
    with pytest.raises(TypeError, match="expected date, got datetime"):
        encryptor.blind_index("a.b", date).tag(datetime(2026, 11, 23))
    with pytest.raises(TypeError, match="expected int, got bool"):
        encryptor.blind_index("a.b", int).tag(True)
    assert encryptor.blind_index("a.b", UUID).tag(UUID(int=1))
