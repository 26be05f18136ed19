"""Key stores: the protocol, files and memory, and the stores of several regions as one."""
