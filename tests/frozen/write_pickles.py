"""Wrote the frozen pickles: see write.py."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from fieldcrypt_sqlalchemy import SqlKeyStore
from tests.frozen import keys, models, pickled
from tests.frozen.data import PLACEHOLDER, write_json
from tests.frozen.values import Colour


def write_pickles(directory: Path) -> None:
    """Write every pickle, and beside them what their fields encrypted."""
    temporary = Path(tempfile.mkdtemp())
    try:
        _write(directory, temporary)
    finally:
        shutil.rmtree(temporary)


def _write(directory: Path, temporary: Path) -> None:
    long = temporary / ("x" * (len(PLACEHOLDER) - len(str(temporary)) - 1))
    long.mkdir()
    (long / "local.key").write_text(keys.KEY_FILE)
    shutil.copy(directory / "sqlite" / "rows.sqlite", long / "rows.sqlite")
    os.environ[pickled.DATABASE] = f"sqlite:///{long / 'rows.sqlite'}"
    kept: dict[str, Any] = pickled.kept(long)
    values = {
        "field": kept["field"].encrypt(pickled.SSN, tenant="north").hex(),
        "field-self-contained": kept["encryptor-self-contained"].field("pickled.ssn", str).encrypt(pickled.SSN).hex(),
        "field-enum": kept["field-enum"].encrypt(Colour.RED).hex(),
        "index": kept["index"].tag(pickled.SSN, tenant="north").hex(),
        "two-fields": [kept["two-fields"][0].encrypt(pickled.SSN).hex(), kept["two-fields"][1].encrypt([1]).hex()],
    }
    write_json(directory / "pickles" / "values.json", values)
    shutil.copy(long / "keys.sqlite", directory / "keys" / "pickled.sqlite")
    things = {**kept, **pickled.PLAIN, **{f"error-{name}": error for name, error in pickled.ERRORS.items()}}
    engine = create_engine(f"sqlite:///{long / 'rows.sqlite'}")
    models.encryptor.configure(keys.provider(), SqlKeyStore(engine), policy=keys.POLICY)
    with Session(engine) as session:
        ann = session.get_one(models.Patient, models.ANN)
        things["sealed"] = session.scalars(select(models.Patient.ssn).where(models.Patient.id == models.ANN)).one()
        session.expunge(ann)
        things["model"] = ann
        everything = session.get_one(models.Everything, 1)
        session.expunge(everything)
        things["model-not-decorated"] = everything
    engine.dispose()
    for name, thing in things.items():
        protocols = (2, 3, 5) if name in ("encryptor", "field", "index", "sealed", "record") else ()
        _dump(directory, long, name, thing, 4)
        for protocol in protocols:
            _dump(directory, long, f"{name}-{protocol}", thing, protocol)


def _dump(directory: Path, long: Path, name: str, thing: Any, protocol: int) -> None:
    data = pickle.dumps(thing, protocol).replace(str(long).encode(), PLACEHOLDER.encode())
    (directory / "pickles" / f"{name}.pickle").write_bytes(data)
