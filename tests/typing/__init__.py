"""What type checkers know of the public API. Nothing here is run: mypy and pyright read it, see `make types`."""
