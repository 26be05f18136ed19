"""Functions of Arrow arrays, as Spark's UDFs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)
from pyspark.sql.types import DataType

__all__ = ["udf"]


def udf(function: Callable[..., pa.Array], type: DataType) -> Callable[..., Any]:
    """Return a function of arrays as a UDF.

    PySpark has UDFs of Arrow since 4.1. Before, arrays go by way of pandas, which takes longer.
    """
    arrow_udf: Any = getattr(F, "arrow_udf", None)
    if arrow_udf is not None:
        return arrow_udf(function, type)  # type: ignore[no-any-return]

    @wraps(function)
    def of_series(values: pd.Series, *others: pd.Series) -> pd.Series:
        first = pa.array(values, from_pandas=False)  # of which a not-a-number is a value
        found = function(first, *map(pa.Array.from_pandas, others))
        return pd.Series(pd.arrays.ArrowExtensionArray(found))  # of bare objects Spark would look at each

    of_series.__annotations__ = {"values": pd.Series, "others": pd.Series, "return": pd.Series}
    del of_series.__wrapped__  # whose arguments Spark would look at
    return F.pandas_udf(of_series, type)  # type: ignore[no-any-return]
