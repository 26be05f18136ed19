"""The notes on SQLModel: found, changed and forgotten, by their owner alone."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from examples.sqlmodel_notes.app import create_app
from examples.sqlmodel_notes.models import Note, encryptor
from fieldcrypt.settings import Settings
from fieldcrypt.testing import FaultyProxy

ANN, BOB = {"X-User": "ann"}, {"X-User": "bob"}
NOTE = {"title": "Surprise party", "text": "Bob must not know."}


@pytest.fixture
def notes(database: Any, keys: Settings, kms: FaultyProxy) -> Iterator[Any]:
    """The application over an empty PostgreSQL, and KMS."""
    engine = database("postgresql")
    with TestClient(create_app(engine.url.render_as_string(hide_password=False), keys)) as client:
        yield SimpleNamespace(client=client, engine=engine, kms=kms)


def add(notes: Any) -> Any:
    answer = notes.client.post("/notes", json=NOTE, headers=ANN)
    assert answer.status_code == 201, answer.text
    return answer.json()


def find(notes: Any, title: str, who: dict[str, str] = ANN) -> Any:
    return notes.client.get("/notes", params={"title": title}, headers=who)


def test_a_note_is_found_by_its_title_however_it_is_spelled(notes: Any) -> None:
    note = add(notes)
    assert note.keys() == {"id", "changed", *NOTE}
    assert find(notes, "SURPRISE party").json() == [note]


def test_a_note_is_found_by_the_new_title_alone_after_a_change(notes: Any) -> None:
    note = add(notes)
    changed = notes.client.patch(f"/notes/{note['id']}", json={"title": "Party"}, headers=ANN).json()
    assert changed == {**note, "title": "Party"}
    assert (find(notes, NOTE["title"]).json(), find(notes, "party").json()) == ([], [changed])


def test_nobody_else_finds_or_changes_a_note(notes: Any) -> None:
    note = add(notes)
    assert find(notes, NOTE["title"], BOB).json() == []
    assert notes.client.patch(f"/notes/{note['id']}", json={"text": ""}, headers=BOB).status_code == 404


def test_the_database_and_a_repr_have_no_plaintext(notes: Any) -> None:
    add(notes)
    with notes.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM notes")).one()
    shown = (
        b"".join(value for value in row if isinstance(value, bytes))
        + repr(Note(owner="ann", title=NOTE["title"], text=NOTE["text"])).encode()
    )
    assert not [value for value in NOTE.values() if value.encode() in shown]


def test_after_forget_me_a_backup_of_the_notes_cannot_be_read(notes: Any) -> None:
    """Their rows come back, as from a backup, and their keys do not."""
    add(notes)
    with notes.engine.begin() as connection:
        connection.execute(text("CREATE TABLE backup AS SELECT * FROM notes"))
    assert notes.client.delete("/me", headers=ANN).status_code == 204
    with notes.engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM notes")) == 0
        connection.execute(text("INSERT INTO notes SELECT * FROM backup"))
    assert find(notes, NOTE["title"]).status_code == 410


def test_an_account_that_was_forgotten_does_not_begin_again(notes: Any) -> None:
    add(notes)
    notes.client.delete("/me", headers=ANN)
    assert notes.client.post("/notes", json=NOTE, headers=ANN).status_code == 410


def test_an_outage_of_kms_is_answered(notes: Any) -> None:
    note = add(notes)
    encryptor.forget()
    notes.kms.refuse()
    answers = [
        find(notes, NOTE["title"]),
        notes.client.patch(f"/notes/{note['id']}", json={"text": "?"}, headers=ANN),
        notes.client.post("/notes", json=NOTE, headers=ANN),
    ]
    assert [answer.status_code for answer in answers] == [503, 503, 503]
