"""The row rule of decorated models, tested by a machine: what was committed can be read, or was refused."""
