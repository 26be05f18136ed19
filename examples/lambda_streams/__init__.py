"""A Lambda function on the stream of an encrypted DynamoDB table, with Powertools. See README.md."""
