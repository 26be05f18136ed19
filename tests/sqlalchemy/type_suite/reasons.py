"""Why some of SQLAlchemy's tests of types cannot hold for encrypted columns: the whole list.

What is not listed has to pass. What is listed has to fail, with the error that its reason names: it tells how far the
test came before. The names are those of the classes and tests in `sqlalchemy.testing.suite.test_types`.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NOT_EVEN_PLAIN", "REASONS", "Reason"]


class Reason(NamedTuple):
    """Why tests fail.

    Attributes:
        why: for the reader.
        error: a regular expression that is found in the error's type and message.
        tests: regular expressions, each of which matches the whole names (with parameters) of some tests.
    """

    why: str
    error: str
    tests: tuple[str, ...]


# Tests that a database fails without fieldcrypt too, which is verified. No value is encrypted in any of them.
NOT_EVEN_PLAIN: dict[str, tuple[str, ...]] = {
    "sqlite": (
        # It has no intervals, no time zones, and no decimal numbers to compute with.
        r"(Precision)?IntervalTest\.test_(arithmetic_operation_literal_interval|literal)",
        r"(DateTime|Time)TZTest\.test_select_direct",
        r"TrueDivTest\.test_truediv_divisor\[numeric_many_decimals-.*",
    ),
    "postgresql": (),
    "mariadb": (
        # A selected literal of a date, a time or an interval comes back as text.
        r"\w+\.test_select_direct(_literal_interval)?",
        r"(Precision)?IntervalTest\.test_(arithmetic_operation_literal_interval|literal)",
    ),
}

REASONS = (
    Reason(
        "The value would be part of the statement's text: plaintext that the database gets, and logs.",
        r"ProtectedColumnError: .* takes plain values only",
        (
            r"\w+\.test_(render_)?literal(_\w+)?",
            r"JSONTest\.test_(index_typed_access|index_typed_comparison|path_typed_comparison)\[_decimal\d\]",
        ),
    ),
    Reason(
        "The database would look into the document, and has only its ciphertext. Read it whole, and look in Python.",
        r"ProtectedColumnError: .* cannot apply \[…\]",
        (
            r"JSONTest\.test_(index|path)_.*",
            r"JSONLegacyStringCastIndexTest\.test_string_cast_crit_(mixed|string)_path",
        ),
    ),
    Reason(
        "The database would compare ciphertexts, which differ each time that a value is encrypted. A blind index is "
        "for this, and the column has none. The value would be sent as plaintext.",
        r"ProtectedColumnError: .* cannot apply (==|IN) to.* has no blind index that answers ==",
        (
            r"(Native)?U[Uu][Ii][Dd]Test\.test_uuid_(text_)?round_trip",
            r"JSONLegacyStringCastIndexTest\.test_string_cast_crit_(against_string_basic|simple_int|spaces_in_key)",
        ),
    ),
    Reason(
        "The database would search in the text, and has only its ciphertext. No index of ours does that.",
        r"ProtectedColumnError: .* cannot apply LIKE",
        (r"StringTest\.test_dont_truncate_rightside\[.*",),
    ),
    Reason(
        "A CASE, and a WHERE on the column alone, would be computed from ciphertext.",
        r"ProtectedColumnError: .* cannot be part of an SQL expression",
        (
            r"(Date|Time)(?!TimeCoercedToDateTimeTest)\w*\.test_null_bound_comparison",
            r"BooleanTest\.test_whereclause",
        ),
    ),
    Reason(
        "The database would calculate with ciphertext. Before it is asked to, the test has written its values, read "
        "them, and found them equal.",
        r"ProtectedColumnError: .* cannot apply \+ to the encrypted column t\.x",
        (
            r"NumericTest\.test_(enotation_decimal(_large)?|precision_decimal|many_significant_digits)",
            r"NumericTest\.test_(numeric_no_decimal|numeric_as_float|numeric_null_as_(decimal|float))",
            r"NumericTest\.test_(float_as_(decimal|float)|float_custom_scale|infinity_floats)",
        ),
    ),
    Reason(
        "The database would calculate with ciphertext.",
        r"ProtectedColumnError: .* cannot apply - to the encrypted column interval_table",
        (r"(Precision)?IntervalTest\.test_arithmetic_operation_table_\w+",),
    ),
    Reason(
        "A float for a Numeric column, which a database would round to the column's scale. Nothing rounds an encrypted "
        "value, so that the sum of 0.1 and 0.2 would be stored as 0.30000000000000004: it is refused.",
        r"TypeError: .*expected Decimal, got float",
        (r"NumericTest\.test_numeric_as_decimal",),
    ),
    Reason(
        "A datetime for a Date column, whose time of day a database would cut off. What loses a part is refused.",
        r"TypeError: .*expected date, got datetime",
        (r"DateTimeCoercedToDateTimeTest\.test_(round_trip(_decorated)?|null_bound_comparison)",),
    ),
    Reason(
        "None is NULL in an encrypted column, as with JSON(none_as_null=True), and the test's column is NOT NULL. The "
        "null of JSON, which SQLAlchemy reads as None too, has no encrypted form: for a reader they are one.",
        r"IntegrityError: .*(NOT NULL constraint failed|null value in column|cannot be null)",
        (
            r"JSONTest\.test_round_trip_none_as_(sql|json)_null\[.*",
            r"JSONTest\.test_single_element_round_trip\[None\]",
            r"JSONTest\.test_eval_none_flag_orm",
        ),
    ),
    Reason(
        "The same, for who asks for the null of JSON by name: what cannot be told apart is not taken for the other.",
        r"TypeError: .*an encrypted JSON column has no JSON\.NULL",
        (r"JSONTest\.test_round_trip_json_null_as_json_null",),
    ),
    Reason(
        "Documents are not written as JSON but as what every other encrypted value is (SPEC section 5), exactly: the "
        "engine's json_serializer and json_deserializer have nothing to do.",
        r"AssertionError: \[\] != \[call",
        (r"JSONTest\.test_round_trip_custom_json",),
    ),
    Reason(
        "A PickleType cannot be encrypted: whoever could forge a value would run code. In the test's table is a column "
        "of bytes in its place, which takes no objects.",
        r"TypeError: .*expected bytes, got dict",
        (r"BinaryTest\.test_pickle_roundtrip",),
    ),
    Reason(
        "A type with SQL functions around its values, which would be applied to ciphertext: refused when the column is "
        "declared.",
        r"ConfigurationError: .* bind_expression or column_expression",
        (r"CastTypeDecoratorTest\.test_special_type",),
    ),
)
