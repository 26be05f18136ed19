"""The values of whole columns, for further kinds of columns. Needs the extra `pyarrow`."""

from fieldcrypt.columns.arrow import array_of, python_values
from fieldcrypt.columns.cells import Place, decrypt_cells, encrypt_cells, read_cells

__all__ = ["Place", "array_of", "decrypt_cells", "encrypt_cells", "python_values", "read_cells"]
