# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Names of schemas, tables and columns as ADQL wants them."""

import re

from ..exceptions import InputError

__all__ = ["ADQL_WORDS", "is_regular", "parse_table_name"]

ADQL_WORDS = frozenset(
    # ADQL's own words, IVOA ADQL 2.1 (2023), section 2.1.2; some since 2.0.
    """
    abs acos area asin atan atan2 bigint bitwise_and bitwise_not bitwise_or bitwise_xor box ceiling centroid circle
    contains coord1 coord2 coordsys cos cot degrees distance exp floor ilike in_unit intersects log log10 mod offset pi
    point polygon power radians rand region round sign sin sqrt tan top truncate
    """.split()
    # Those of SQL92 that ADQL reserves, ibid.
    + """
    absolute action add all allocate alter and any are as asc assertion at authorization avg begin between bit
    bit_length both by cascade cascaded case cast catalog char character char_length character_length check close
    coalesce collate collation column commit connect connection constraint constraints continue convert corresponding
    count create cross current current_date current_time current_timestamp current_user cursor date day deallocate
    decimal declare default deferrable deferred delete desc describe descriptor diagnostics disconnect distinct domain
    double drop else end end-exec escape except exception exec execute exists external extract false fetch first float
    for foreign found from full get global go goto grant group having hour identity immediate in indicator initially
    inner input insensitive insert int integer intersect interval into is isolation join key language last leading
    left level like local lower match max min minute module month names national natural nchar next no not null nullif
    numeric octet_length of on only open option or order outer output overlaps pad partial position precision prepare
    preserve primary prior privileges procedure public read real references relative restrict revoke right rollback
    rows schema scroll second section select session session_user set size smallint some space sql sqlcode sqlerror
    sqlstate substring sum system_user table temporary then time timestamp timezone_hour timezone_minute to trailing
    transaction translate translation trim true union unique unknown update upper usage user using value values
    varchar varying view when whenever where with work write year zone
    """.split()
)
"""Reserved words, lower case."""

_SCHEMA = "stellarclass"
_TAKEN = frozenset({"tap_schema", "tap_upload", "ivoa", "information_schema", "public", "dc", "uws"})
"""Schemas that a TAP service or its database has for itself."""

_LONGEST = 63  # of PostgreSQL


def is_regular(name):
    """Whether a name can stand in ADQL as it is; others have to be put into double quotes.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
        False also for names with capital letters: without quotes their case would be lost.

    Examples
    --------
    >>> from stellarclass.vo.names import is_regular
    >>> is_regular("prob_a"), is_regular("size"), is_regular("B-V")
    (True, False, False)
    """
    return re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None and name not in ADQL_WORDS


def parse_table_name(name):
    """Take the name of a table to publish apart.

    Parameters
    ----------
    name : str
        ``"table"`` or ``"schema.table"``, in lower case.

    Returns
    -------
    schema, table : str
        Where no schema is given, it is ``stellarclass``.

    Raises
    ------
    stellarclass.exceptions.InputError
        If a part could not be used in ADQL without quotes, or belongs to the service itself.

    Examples
    --------
    >>> from stellarclass.vo.names import parse_table_name
    >>> parse_table_name("m2.stars"), parse_table_name("stars")
    (('m2', 'stars'), ('stellarclass', 'stars'))
    """
    if not isinstance(name, str):
        raise TypeError(f"name is a {type(name).__name__}; expected text such as 'stars' or 'my_survey.stars'")
    parts = name.split(".")
    if len(parts) > 2:
        raise InputError(f"name {name!r} has {len(parts)} parts; expected table or schema.table")
    schema, table = parts if len(parts) == 2 else (_SCHEMA, name)
    for what, part in (("schema", schema), ("table", table)):
        if part.lower() in ADQL_WORDS:
            raise InputError(f"{what} name {part!r} is a reserved word of ADQL; choose another, such as {part}_table")
        if not is_regular(part) or len(part) > _LONGEST:
            raise InputError(
                f"{what} name {part!r} cannot be used in ADQL; it takes lower-case letters, digits and underscores, "
                f"a letter first, at most {_LONGEST} of them"
            )
    if schema in _TAKEN or schema.startswith("pg_"):
        raise InputError(f"schema {schema!r} belongs to the service itself; choose another")
    return schema, table
