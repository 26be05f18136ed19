"""Expressions of DynamoDB: read, checked, and rewritten for protected attributes."""
