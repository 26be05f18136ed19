"""The values of whole columns, for further kinds of columns. Needs the extra `pyarrow`."""

from fieldcrypt.columns.arrow import decrypt_column as decrypt_array
from fieldcrypt.columns.arrow import encrypt_column as encrypt_array
from fieldcrypt.columns.arrow import python_values
from fieldcrypt.columns.cells import encrypt_cells, read_cells

__all__ = ["decrypt_array", "encrypt_array", "encrypt_cells", "python_values", "read_cells"]
