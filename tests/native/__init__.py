"""The native core, and which backend is used."""
