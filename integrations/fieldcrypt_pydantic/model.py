"""A Pydantic model whose protected fields are encrypted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from fieldcrypt import (
    CompoundIndex,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    FieldcryptError,
    ProtectedRecord,
    RecordSearch,
)
from fieldcrypt.search import Question
from fieldcrypt.spi import checked_compounds
from fieldcrypt_pydantic.annotation import models_in
from fieldcrypt_pydantic.hiding import hide
from fieldcrypt_pydantic.mapping import to_mapping
from fieldcrypt_pydantic.paths import member_path, protections

__all__ = ["ProtectedModel"]

M = TypeVar("M", bound=BaseModel)
A = TypeVar("A")
B = TypeVar("B")


class ProtectedModel(Generic[M]):
    """Encrypts instances of a Pydantic model into dictionaries, and makes instances of these.

        class Patient(BaseModel):
            id: int
            clinic_id: str
            ssn: Annotated[str, Protected()]
            email: Annotated[str, Protected(index="email_tag")]

        patients = ProtectedModel(Patient, "patients", encryptor, key="id", tenant="clinic_id")
        stored = patients.encrypt(patient)
        patient = patients.decrypt(stored)

    Protected fields of models in the model, and in lists of it, are encrypted too. From then on no protected value is
    in a repr of these models, nor is input in the text of their validation errors. What `model_dump` and FastAPI put
    into a response is not changed: that is what the application decrypts for.

    Args:
        model: the class.
        name: the logical name of the records; see `ProtectedRecord`.
        encryptor: where keys come from. It may be configured later.
        key: the field that is the record's key, or several in their order.
        tenant: the field that names a record's tenant, if tenants have keys of their own.
        indexes: of several fields together; see `ProtectedRecord`.

    Attributes:
        record: the same as a ProtectedRecord; its `tags` are what to search for.

    Raises:
        ConfigurationError: nothing is protected, or something that no path leads to; or key, tenant or what an index is
            of are no fields.
        TypeError, ValueError: as for `ProtectedRecord`.
    """

    def __init__(
        self,
        model: type[M],
        name: str,
        encryptor: Encryptor,
        *,
        key: str | Sequence[str] = (),
        tenant: str | None = None,
        indexes: Sequence[CompoundIndex] = (),
    ) -> None:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ConfigurationError("ProtectedModel(Model, name, encryptor): a class that derives from BaseModel")
        if issubclass(model, RootModel):
            raise ConfigurationError(f"a record has members: protect a model that has {model.__name__} in a field")
        if model.model_config.get("table"):
            raise ConfigurationError(f"{model.__name__} is a table: protected_field of fieldcrypt_sqlmodel protects it")
        fields = protections(model)
        if not fields:
            raise ConfigurationError(f"{model.__name__} protects nothing: Annotated[str, Protected()] protects a field")
        self.model = model
        self._protections = fields
        for member in (each for index in checked_compounds(indexes) for each in index.of if each not in fields):
            self._adapter(member)
        self.record = ProtectedRecord(name, encryptor, fields=fields, key=key, tenant=tenant, indexes=indexes)
        bound = ((key,) if isinstance(key, str) else tuple(key)) + (() if tenant is None else (tenant,))
        self._bound = {each: self._adapter(each) for each in bound}
        hide(models_in(model))
        self._instances = TypeAdapter(model)  # as SQLModel has a `model_validate` of its own, which takes less

    def _adapter(self, name: str) -> TypeAdapter[Any]:
        """Return what makes of a key as a store has it, a text in JSON say, the key that values are bound to."""
        if name not in self.model.model_fields:
            raise ConfigurationError(f"{self.model.__name__} has no field {name!r}")
        field = self.model.model_fields[name]
        annotation: Any = field.annotation
        annotated: Any = Annotated
        return TypeAdapter(annotated[annotation, *field.metadata] if field.metadata else annotation)

    def encrypt(self, instance: M, *, tenant: Any = None) -> dict[str, Any]:
        """Return an instance as a dictionary, its protected values encrypted, with their tags.

        Names are those of the fields, not their aliases. All fields are in it, also those with `exclude=True`.

        Args:
            instance: of the model.
            tenant: the only tenant whose instance it may be.

        Raises:
            TypeError: it is no instance of the model, or a value is not of its field's type.
            As `ProtectedRecord.encrypt`.
        """
        if not isinstance(instance, self.model):
            raise TypeError(f"expected an instance of {self.model.__name__}, got {type(instance).__name__}")
        return self.record.encrypt(to_mapping(instance, self._protections.keys()), tenant=tenant)

    def decrypt(self, stored: Mapping[str, Any], *, tenant: Any = None) -> M:
        """Return an instance of what `encrypt` returned.

        Args:
            stored: with its key, and its tenant.
            tenant: as for `encrypt`.

        Raises:
            DecryptionError: as for `ProtectedRecord.decrypt`; or what was decrypted is not valid for the model.
            TypeError: it is no mapping.
            KeyProviderError, KeyStoreError, ConfigurationError: as for `Field.decrypt`.
        """
        if not isinstance(stored, Mapping):
            raise TypeError(f"a stored {self.model.__name__} is a mapping, not {type(stored).__name__}")
        keys, at = dict(stored), ""
        try:
            for at, adapter in self._bound.items():
                if at in stored:
                    keys[at] = adapter.validate_python(stored[at], strict=False)
            at = ""
            plain = self.record.decrypt(keys, tenant=tenant)
            # not strict: a store has no tuples, and one of text no UUIDs
            return self._instances.validate_python(plain, strict=False, by_name=True, by_alias=False)
        except ValidationError as error:
            refused = DecryptionError(f"{self.record.name}: {self._what_is_wrong(error, at)}")
        raise refused  # here, where no chained exception has the values

    def search(self, field: str, question: Question, *, tenant: Any = None, index: str | None = None) -> RecordSearch:
        """Return the tags by which to search, and what tells which of the instances that are found match.

        Args, Raises: as `ProtectedRecord.search`.
        """
        found = self.record.search(field, question, tenant=tenant, index=index)
        return found.of(lambda instance: to_mapping(instance, self._protections.keys()))

    def encrypt_many(self, instances: Iterable[M], *, tenant: Any = None) -> list[dict[str, Any]]:
        """Return many instances encrypted, as `encrypt` does one. A note of an exception says at which position."""
        return _each(partial(self.encrypt, tenant=tenant), instances)

    def decrypt_many(self, stored: Iterable[Mapping[str, Any]], *, tenant: Any = None) -> list[M]:
        """Return many instances, as `decrypt` does one, likewise."""
        return _each(partial(self.decrypt, tenant=tenant), stored)

    def encrypt_json(self, instance: M, *, tenant: Any = None) -> str:
        """Return an instance as JSON, for stores of text. All protections say `storage="text"`.

        Raises:
            ConfigurationError: some do not.
            ValueError: a value that is not protected cannot be JSON, such as bytes that are no UTF-8 in a model without
                `val_json_bytes="base64"`.
            As `encrypt`.
        """
        binary = [path for path, how in self._protections.items() if how.storage != "text"]
        if binary:
            raise ConfigurationError(f'JSON has no binary: {binary[0]} needs Protected(storage="text")')
        as_read: Any = self.model.model_config.get("val_json_bytes", "utf8")
        return to_json(self.encrypt(instance, tenant=tenant), inf_nan_mode="strings", bytes_mode=as_read).decode()

    def decrypt_json(self, stored: str | bytes, *, tenant: Any = None) -> M:
        """Return an instance of what `encrypt_json` returned.

        Raises:
            DecryptionError: as for `decrypt`; or it is no JSON.
            As `decrypt`.
        """
        try:
            mapping = from_json(stored)
        except ValueError:
            mapping = None
        if not isinstance(mapping, dict):
            raise DecryptionError(f"{self.record.name}: what is stored is no JSON object")
        return self.decrypt(mapping, tenant=tenant)

    def _what_is_wrong(self, error: ValidationError, at: str) -> str:
        """Return where values do not fit, and how, without the values: messages of validators may have them."""
        places = [
            f"{self._place((at, *each['loc']) if at else each['loc'])} ({each['type']})"
            for each in error.errors(include_input=False)
        ]
        return f"what is stored does not fit {self.model.__name__}: {', '.join(places)}"

    def _place(self, steps: Iterable[int | str]) -> str:
        """Return where something is, as far as the next protected value: what follows can be a key in that."""
        shown, path = [], ""
        for step in steps:
            shown.append(str(step))
            path = member_path(path, step) if isinstance(step, str) else f"{path}[]"
            if path in self._protections:
                break
        return ".".join(shown)

    def __repr__(self) -> str:
        return f"ProtectedModel({self.model.__name__}, {self.record.name!r})"


def _each(method: Callable[[A], B], values: Iterable[A]) -> list[B]:
    done: list[B] = []
    for value in values:
        try:
            done.append(method(value))
        except (TypeError, ValueError, FieldcryptError) as error:
            error.add_note(f"at position {len(done)}, counted from 0")
            raise
    return done
