"""What happens around executed statements: data keys that rows need, and the format of results."""
