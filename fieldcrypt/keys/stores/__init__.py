"""Key stores, which keep wrapped data keys: the protocol, files, memory, and chains of regions."""
