"""The application: notes that only their owner can read, and that can be forgotten."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from sqlmodel import Session, SQLModel, col, create_engine, delete, select

from examples.sqlmodel_notes.models import NewNote, Note, NoteChange, NoteView, encryptor
from fieldcrypt import KeyProviderError, KeyShreddedError
from fieldcrypt.settings import Settings
from fieldcrypt_sqlalchemy import SqlKeyStore, of_tenant


def _session(request: Request) -> Iterator[Session]:
    with Session(request.app.state.engine) as session:
        yield session


def _owner(x_user: Annotated[str, Header(min_length=1, max_length=64)]) -> str:
    """Return who asks. The header stands for your authentication."""
    return x_user


Database = Annotated[Session, Depends(_session)]
Owner = Annotated[str, Depends(_owner)]


def create_app(database: str, keys: Settings) -> FastAPI:
    """Return the application.

    Args:
        database: its SQLAlchemy URL.
        keys: where keys come from. They are stored in the same database.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = app.state.engine = create_engine(database)
        SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["notes"]])
        store = SqlKeyStore(engine)
        store.create_table()
        keys.configure(encryptor, store=store)
        yield
        encryptor.close()
        engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/notes", status_code=201, response_model=NoteView)
    def add(new: NewNote, owner: Owner, session: Database) -> Note:
        return _saved(session, Note(owner=owner, **new.model_dump()))

    @app.get("/notes", response_model=list[NoteView])
    def search(title: str, owner: Owner, session: Database) -> Sequence[Note]:
        return session.exec(select(Note).where(of_tenant(col(Note.title), owner) == title)).all()

    @app.patch("/notes/{number}", response_model=NoteView)
    def change(number: UUID, changes: NoteChange, owner: Owner, session: Database) -> Note:
        note = session.exec(select(Note).where(Note.id == number, Note.owner == owner)).one_or_none()
        if note is None:
            raise HTTPException(404)
        return _saved(session, note.sqlmodel_update(changes.model_dump(exclude_unset=True)))

    @app.delete("/me", status_code=204)
    def forget_me(owner: Owner, session: Database) -> None:
        """Delete the notes, and the keys of those in backups and replicas."""
        session.exec(delete(Note).where(col(Note.owner) == owner))
        session.commit()
        encryptor.data_keys.shred(owner, by=f"{owner}, by DELETE /me")

    @app.exception_handler(KeyShreddedError)
    def erased(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"detail": "this account was erased"}, 410)

    @app.exception_handler(KeyProviderError)
    def away(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"detail": "please try again"}, 503)

    return app


def _saved(session: Session, note: Note) -> Note:
    session.add(note)
    session.commit()
    session.refresh(note)
    return note


def production() -> FastAPI:
    """Return the application as the environment says."""
    return create_app(os.environ["DATABASE_URL"], Settings.from_environment())
