"""Pickles that the first version made: they go on loading, by the module paths in them. See tests/frozen/README.md."""

from __future__ import annotations

import io
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.orm import Session

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    FileKeyStore,
)
from fieldcrypt_sqlalchemy import Sealed, SqlKeyStore
from tests.frozen import keys, models, pickled
from tests.frozen.data import DATA, load_json, load_pickle, load_sqlite
from tests.frozen.models import ANN, Everything, Patient
from tests.frozen.values import Colour

NAMES = sorted(path.stem for path in (DATA / "pickles").glob("*.pickle"))
VALUES: dict[str, Any] = load_json("pickles/values")
OF_ALL_PROTOCOLS = ("", "-2", "-3", "-5")

Load = Callable[[str], Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files that pickles refer to. One for all tests: pickles of one Encryptor are one Encryptor in a process."""
    directory = tmp_path_factory.mktemp("pickled")
    (directory / "local.key").write_text(keys.KEY_FILE)
    shutil.copy(DATA / "keys" / "pickled.sqlite", directory / "keys.sqlite")
    load_sqlite("rows", directory / "rows.sqlite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(pickled.DATABASE, f"sqlite:///{directory / 'rows.sqlite'}")
        yield directory


@pytest.fixture
def load(place: Path) -> Load:
    """Loads a pickle by its name."""
    return lambda name: pickle.loads(load_pickle(name, place))


def encrypted(name: str) -> bytes:
    """Return what the pickled field encrypted, or the pickled index tagged."""
    return bytes.fromhex(VALUES[name])


class Noting(pickle.Unpickler):
    """Loads a pickle, and notes the paths in it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.paths: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.paths.add(f"{module}.{name}")
        return super().find_class(module, name)


class TestAll:
    @pytest.mark.parametrize("name", NAMES)
    def test_it_loads(self, name: str, load: Load) -> None:
        """Whatever module its paths lead to today."""
        assert load(name) is not None

    def test_every_path_is_in_the_readme(self, place: Path) -> None:
        """So that whoever moves a module knows which paths have to go on loading: those, and no others."""
        paths: set[str] = set()
        for name in NAMES:
            noting = Noting(load_pickle(name, place))
            noting.load()
            paths |= noting.paths
        readme = (DATA.parent / "README.md").read_text(encoding="utf-8")
        told = re.findall(r"^    (fieldcrypt\w*\.[\w.]+)$", readme, re.MULTILINE)
        assert sorted(path for path in paths if path.startswith("fieldcrypt")) == sorted(told)

    @pytest.mark.parametrize("name", pickled.PLAIN)
    def test_a_plain_object_is_what_it_was(self, name: str, load: Load) -> None:
        """In every part: records, tombstones, events, reports, declarations of indexes."""
        assert load(name) == pickled.PLAIN[name]
        assert repr(load(name)) == repr(pickled.PLAIN[name])

    @pytest.mark.parametrize("name", pickled.ERRORS)
    def test_an_error_is_what_it_was(self, name: str, load: Load) -> None:
        """Its class, its message and what else it carries."""
        loaded, expected = load(f"error-{name}"), pickled.ERRORS[name]
        assert (type(loaded), str(loaded)) == (type(expected), str(expected))
        assert {key: repr(value) for key, value in vars(loaded).items()} == {
            key: repr(value) for key, value in vars(expected).items()
        }


class TestFields:
    @pytest.mark.parametrize("protocol", OF_ALL_PROTOCOLS)
    def test_a_field_opens_its_values(self, protocol: str, load: Load) -> None:
        """With the name, type, context and padding that it was pickled with, under the keys of its file."""
        field = load(f"field{protocol}")
        assert field.decrypt(encrypted("field"), tenant="north") == pickled.SSN
        assert len(field.encrypt("a", tenant="north")) == len(encrypted("field"))
        with pytest.raises(DecryptionError):
            load("encryptor").field("pickled.ssn", str).decrypt(encrypted("field"))  # without its context

    @pytest.mark.parametrize("protocol", OF_ALL_PROTOCOLS)
    def test_an_index_makes_the_same_tags(self, protocol: str, load: Load) -> None:
        """With the size and the normaliser that it was pickled with."""
        assert load(f"index{protocol}").tag("078 05 1120", tenant="north") == encrypted("index")

    @pytest.mark.parametrize("protocol", OF_ALL_PROTOCOLS)
    def test_an_encryptor_makes_the_same_fields(self, protocol: str, load: Load) -> None:
        """It has its provider, key store and policy."""
        encryptor = load(f"encryptor{protocol}")
        field = encryptor.field("pickled.ssn", str, context={"table": "pickled"})
        assert field.decrypt(encrypted("field")) == pickled.SSN
        assert repr(encryptor.policy) == repr(keys.POLICY)

    def test_a_bound_method_opens_values(self, load: Load) -> None:
        """As process pools are given it."""
        assert load("method")(encrypted("field")) == pickled.SSN

    def test_a_field_of_an_enum(self, load: Load) -> None:
        """The class travels by its name."""
        assert load("field-enum").decrypt(encrypted("field-enum")) is Colour.RED

    def test_an_encryptor_without_a_store(self, load: Load) -> None:
        """It reads values that carry their keys."""
        field = load("encryptor-self-contained").field("pickled.ssn", str)
        assert field.decrypt(encrypted("field-self-contained")) == pickled.SSN

    def test_an_encryptor_without_keys(self, load: Load) -> None:
        """It has to be configured where it arrives."""
        encryptor = load("encryptor-unconfigured")
        with pytest.raises(ConfigurationError, match="configure"):
            encryptor.field("a.b", str).encrypt("")

    def test_a_field_over_a_sql_key_store(self, load: Load) -> None:
        """The store is made by the function that the pickle names."""
        (value,) = [
            each
            for each in load_json("life")["sqlite"]["values"]
            if (each["tenant"], each["text"]) == ("north", "value 3 of north")
        ]
        assert load("field-of-sql-store").decrypt(bytes.fromhex(value["value"])) == value["text"]

    def test_two_fields_share_their_encryptor(self, load: Load) -> None:
        """What was pickled together, and beside it, is under the keys of one Encryptor."""
        text, list_ = load("two-fields")
        values = VALUES["two-fields"]
        assert text.decrypt(bytes.fromhex(values[0])) == pickled.SSN
        assert list_.decrypt(bytes.fromhex(values[1])) == [1]


class TestParts:
    def test_providers(self, load: Load) -> None:
        """They come back with the keys that they were configured with."""
        assert load("local-provider").wrapping_keys() == keys.provider().wrapping_keys()
        assert load("kms-provider").wrapping_keys() == [pickled.ARN]
        assert load("rsa-provider").wrapping_keys() == [pickled.ARN]
        assert load("rsa-provider").write_only
        assert load("provider-chain").wrapping_keys() == [pickled.ARN]

    def test_a_file_key_store(self, load: Load, place: Path) -> None:
        """It has the keys of the file at its path."""
        store = load("file-store")
        assert isinstance(store, FileKeyStore)
        assert set(store.key_ids()) == set(FileKeyStore(place / "keys.sqlite").key_ids()) != set()

    def test_a_chain_of_stores(self, load: Load) -> None:
        """It reads the first of its stores."""
        assert set(load("store-chain").key_ids()) == set(load("file-store").key_ids())

    def test_a_sql_key_store(self, load: Load) -> None:
        """It has the table in the database of its function."""
        store = load("sql-store")
        assert isinstance(store, SqlKeyStore)
        assert store.table.name == "fieldcrypt_data_keys"
        assert {key_id.hex() for key_id in store.key_ids()} >= set(load_json("life")["sqlite"]["keys"])

    def test_a_dynamodb_key_store(self, load: Load) -> None:
        """It has the name of its table."""
        assert load("dynamo-store").table == "data-keys"

    def test_a_policy(self, load: Load) -> None:
        """Every limit."""
        assert repr(load("policy")) == repr(pickled.OTHER_POLICY)


class TestModels:
    @pytest.fixture
    def rows(self, tmp_path: Path) -> Iterator[Any]:
        """The database of the pickled rows, for which the models are configured."""
        load_sqlite("rows", tmp_path / "rows.sqlite")
        engine = create_engine(f"sqlite:///{tmp_path / 'rows.sqlite'}")
        models.encryptor.configure(keys.provider(), SqlKeyStore(engine), policy=keys.POLICY)
        yield engine
        engine.dispose()

    def test_a_row_opens_its_values(self, rows: Any, load: Load) -> None:
        """Of a decorated model; they were pickled as they were loaded, encrypted."""
        ann: Patient = load("model")
        assert (ann.id, ann.clinic, ann.ssn, ann.document) == (ANN, "north", "078-05-1120", {"a": [1]})

    def test_a_row_goes_into_a_session(self, rows: Any, load: Load) -> None:
        """It is the row that it was, and nothing of it has changed."""
        with Session(rows) as session:
            ann = load("model")
            session.add(ann)
            assert inspect(ann).persistent
            assert ann.ssn == "078-05-1120"
            assert not session.is_modified(ann)
            ann.ssn = "219-09-9999"
            session.commit()
            assert session.get_one(Patient, ANN).ssn == "219-09-9999"

    def test_a_row_that_is_not_bound(self, rows: Any, load: Load) -> None:
        """It was pickled as the application had it."""
        everything: Everything = load("model-not-decorated")
        assert (everything.string, everything.named) == ("Ann Müller", "Annie")

    @pytest.mark.parametrize("protocol", OF_ALL_PROTOCOLS)
    def test_a_sealed_value_names_its_column(self, protocol: str, load: Load) -> None:
        """And is opened by a model: by itself it refuses, in words."""
        sealed = load(f"sealed{protocol}")
        assert isinstance(sealed, Sealed)
        assert repr(sealed) == "<Sealed patients.ssn>"
        with pytest.raises(ConfigurationError, match="cannot be opened alone"):
            sealed.open(ANN, tenant="north")


def test_a_pickle_holds_no_key() -> None:
    """Neither the local key, nor a text of it, is in any of them."""
    for name in NAMES:
        data = (DATA / "pickles" / f"{name}.pickle").read_bytes()
        assert keys.LOCAL_KEY not in data
        assert keys.KEY_FILE.strip().encode() not in data
