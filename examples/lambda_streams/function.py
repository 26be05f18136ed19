"""The function: a reminder for each new appointment. The module is imported once in each environment of it."""

from __future__ import annotations

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from examples.lambda_streams.in_order import InOrder
from examples.lambda_streams.tables import appointments, encryptor, reminders
from fieldcrypt import FieldcryptError
from fieldcrypt.settings import Settings
from fieldcrypt_dynamodb import EncryptedTable, Unreadable, decrypt_stream_record

logger = Logger(service="reminders")
Settings.from_environment().configure(encryptor)
_appointments = appointments(os.environ["APPOINTMENTS_TABLE"])
_reminders_name = os.environ["REMINDERS_TABLE"]
_reminders = EncryptedTable(boto3.resource("dynamodb").Table(_reminders_name), reminders(_reminders_name))


def fetch_keys() -> None:
    """Fetch the data keys of the clinics that have most appointments, so that no record waits for them."""
    try:
        encryptor.warm_up(os.environ.get("BUSY_CLINICS", "").split())
    except FieldcryptError as error:
        logger.warning("started without all data keys: %s", error)  # the first record that needs one asks again


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    from snapshot_restore_py import register_after_restore  # which Lambda's runtime brings

    register_after_restore(fetch_keys)  # keys that are fetched before the snapshot are forgotten after the restore
else:
    fetch_keys()


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Process a batch; return the first record that has to be delivered again."""
    return process_partial_response(event, remind, InOrder(), context)


def remind(record: DynamoDBRecord) -> None:
    """Write the reminder of an appointment. The same record makes the same reminder, however often it is delivered.

    Raises:
        KeyProviderError, KeyStoreError: the record can be read later. Only such errors may leave: they stop the shard.
    """
    if record.event_name is None or record.event_name.name != "INSERT":
        return
    change = decrypt_stream_record(record.raw_event, _appointments, to="python", on_unreadable="mark")
    appointment = change["dynamodb"]["NewImage"]
    unreadable = [value.error for value in appointment.values() if isinstance(value, Unreadable)]
    if unreadable:  # it will not be readable later either
        logger.error("no reminder for appointment %s: %s", appointment["id"], unreadable[0])
        return
    text = f"Dear {appointment['patient']}, we expect you on {appointment['day']}."
    _reminders.put_item(
        Item={
            "appointment": appointment["id"],
            "clinic": appointment["clinic"],
            "phone": appointment["phone"],
            "text": text,
        }
    )
