"""Records of a stream, in their order."""

from __future__ import annotations

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.batch.base import FailureResponse, SuccessResponse


class InOrder(BatchProcessor):
    """Stops at the first record that fails.

    Lambda delivers that one again, and all after it. To process these now would be to process them twice, the second
    time after the record that they came after; and while KMS is away each would wait for it.
    """

    def __init__(self) -> None:
        super().__init__(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)

    def process(self) -> list[SuccessResponse | FailureResponse]:
        """Call the handler for records until it fails."""
        done = []
        for record in self.records:
            done.append(self._process_record(record))
            if self.fail_messages:
                break
        return done
