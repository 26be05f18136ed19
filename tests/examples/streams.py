"""Events of a DynamoDB stream, made of what the stream has, in the form in which Lambda delivers them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any


def event(streams: Any, arn: str) -> dict[str, Any]:
    """Return all records of a stream as one event.

    Args:
        streams: a client of boto3 for "dynamodbstreams".
        arn: the stream's.
    """
    records: list[Any] = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records += streams.get_records(ShardIterator=iterator)["Records"]
    return {"Records": [_delivered(record, arn) for record in records]}


def _delivered(record: dict[str, Any], arn: str) -> dict[str, Any]:
    """Return a record as Lambda has it in JSON: with base64 in place of bytes, seconds in place of a date."""
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    whole = {**record, "dynamodb": change, "eventSource": "aws:dynamodb", "eventSourceARN": arn}
    delivered: dict[str, Any] = json.loads(json.dumps(whole, default=lambda data: b64encode(data).decode()))
    return delivered
