# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`to_votable`: a table as the VOTable that TOPCAT, Aladin and TAP services understand."""

from ..tables import votable_file

__all__ = ["to_votable"]


def to_votable(table):
    """Make a VOTable of a table.

    It is of version 1.4 and written as BINARY2, where every missing value has a flag of its own: no number stands for
    "none". Units, UCDs, descriptions and 64-bit identifiers are kept, text has the length that it has. Every entry of
    the metadata is an INFO element. `stellarclass.tables.write_table` writes the same into a file ending in ``.vot``,
    and `stellarclass.tables.read_table` reads the same table back.

    An output table of `~stellarclass.classify` brings in addition

    - a COOSYS element that says of ``ra``, ``dec`` and the proper motion that they are ICRS, with the epoch of the
      positions where all targets came with one and the same;
    - INFO elements on its origin, with the names of the IVOA note *Data Origin in the VO*: software and version, date,
      releases of the archives and their papers, ensemble with its SHA-256, and the paper of the method.

    SkyCoord columns become columns of ICRS degrees, Time columns ISO text with a TIMESYS element, unsigned integers the
    next wider signed ones.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With or without units; not changed.

    Returns
    -------
    `~astropy.io.votable.tree.VOTableFile`
        Its ``to_xml(path)`` writes it. Numbers, booleans, text and arrays of fixed shape are written column by column
        with NumPy, anything else by astropy, row by row; ``benchmarks/votable.py`` compares the two.

    Raises
    ------
    stellarclass.exceptions.InputError
        If VOTable cannot hold a column.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.table import QTable
    >>> from stellarclass import vo
    >>> votable = vo.to_votable(QTable({"source_id": [4472832130942575872], "radius": [0.187] * u.solRad}))
    >>> votable.version, [field.datatype for field in votable.get_first_table().fields]
    ('1.4', ['long', 'double'])
    """
    return votable_file(table)
