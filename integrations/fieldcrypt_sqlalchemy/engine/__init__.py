"""What happens around executed statements: the order of listeners, data keys and the format of results."""
