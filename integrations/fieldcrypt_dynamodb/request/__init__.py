"""Requests to DynamoDB: what each operation sends and answers."""
