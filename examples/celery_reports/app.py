"""The Celery application, and what its workers do before they fork."""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import worker_init
from sqlalchemy import create_engine, select

from examples.celery_reports.models import Patient, encryptor, sessions
from fieldcrypt import FieldcryptError
from fieldcrypt.settings import Settings
from fieldcrypt_sqlalchemy import SqlKeyStore

_log = logging.getLogger(__name__)

app = Celery("reports", broker=os.environ.get("BROKER_URL"), include=["examples.celery_reports.tasks"])
app.conf.update(
    accept_content=["json"],  # no pickle: unpickling runs code, and a pickled argument is plaintext
    task_ignore_result=True,  # a result backend would keep what tasks return, and the texts of their errors
    task_acks_late=True,  # a task that a worker took along when it died is done by another one
)


@worker_init.connect  # type: ignore[untyped-decorator]
def configure(**_: Any) -> None:
    """Configure keys and database in the parent, fetch keys, and close connections before the pool is forked."""
    engine = create_engine(os.environ["DATABASE_URL"], pool_size=1, max_overflow=1)
    sessions.configure(bind=engine)
    Settings.from_environment().configure(encryptor, store=SqlKeyStore(engine, max_connections=1))
    try:
        with sessions() as session:
            encryptor.warm_up(session.scalars(select(Patient.clinic_id).distinct().limit(100)))
    except FieldcryptError as error:
        _log.warning("started without all data keys: %s", error)
    engine.dispose()
