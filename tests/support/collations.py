"""Types and collations that compare texts as the same that are not."""

_OPERATORS = {"lt": "<", "le": "<=", "eq": "=", "ge": ">=", "gt": ">"}

# What the extension citext makes, which the PostgreSQL of the tests does not have.
FOLDING_ON_POSTGRES = [
    "CREATE TYPE folding",
    "CREATE FUNCTION folding_in(cstring) RETURNS folding LANGUAGE internal IMMUTABLE STRICT AS 'textin'",
    "CREATE FUNCTION folding_out(folding) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'",
    "CREATE TYPE folding (INPUT = folding_in, OUTPUT = folding_out, LIKE = text, COLLATABLE = true, CATEGORY = 'S')",
    "CREATE CAST (folding AS text) WITHOUT FUNCTION AS IMPLICIT",
    "CREATE CAST (varchar AS folding) WITHOUT FUNCTION AS ASSIGNMENT",
    "CREATE FUNCTION folding_cmp(folding, folding) RETURNS int LANGUAGE sql IMMUTABLE STRICT "
    "AS 'SELECT bttextcmp(lower($1::text), lower($2::text))'",
    *(
        f"CREATE FUNCTION folding_{name}(folding, folding) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT "
        f"AS 'SELECT folding_cmp($1, $2) {operator} 0'"
        for name, operator in _OPERATORS.items()
    ),
    *(
        f"CREATE OPERATOR {operator} (FUNCTION = folding_{name}, LEFTARG = folding, RIGHTARG = folding)"
        for name, operator in _OPERATORS.items()
    ),
    "CREATE OPERATOR CLASS folding_ops DEFAULT FOR TYPE folding USING btree AS "
    + ", ".join(f"OPERATOR {number} {operator}" for number, operator in enumerate(_OPERATORS.values(), 1))
    + ", FUNCTION 1 folding_cmp(folding, folding)",
]
