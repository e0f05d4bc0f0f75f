# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What surveys call a star: classes out of the subclass texts of SDSS and LAMOST, and SIMBAD's object types."""

import re

import numpy as np

__all__ = [
    "CONTRADICTING_TYPES",
    "GROUP_TYPES",
    "classes_of_lamost",
    "classes_of_sdss",
    "judge_simbad",
]

# SDSS's templates are named like "A0", "F5 (30743)", "M0III (168720)", "WD (...)", "CV (...)", "L5.5 (...)",
# "Carbon_lines". A class is a letter that a digit, a luminosity class or nothing follows.
_SDSS = re.compile(r"\s*(?:([OBAFGKM])(?=\d|[IV]|[pne:]|\s|\(|/|$)|(OB)(?=\s|\(|$))")
# LAMOST writes "G5", "A7V", "dM3", "gM1", "sdM2".
_LAMOST = re.compile(r"\s*(?:sd|usd|esd|d|g)?([OBAFGKM])(?=\d|[IV]|[pne:]|\s|\(|/|$)")

GROUP_TYPES = frozenset(
    "Cl* GlC OpC As* St* MGr ClG GrG CGG PCG SCG vid IG PaG Pl Pl? err reg ISM SFR HII Cld MoC DNe RNe cor".split()
)
"""SIMBAD's types of what is not one source of light, or not the star itself: clusters, clouds, planets."""

CONTRADICTING_TYPES = frozenset(
    # galaxies and active nuclei
    "G LSB bCG SBG H2G EmG AGN SyG Sy1 Sy2 rG LIN QSO Bla BLL GiP GiG GiC BiC "
    # remnants, and what shines for other reasons than a photosphere of class A to M
    "WD* N* Psr PN SNR SN* CV* No* XB* LXB HXB Sy* BH sdB HS* WR* "
    # stars with a disk or an envelope of their own, and brown dwarfs
    "Y*O TT* Ae* Or* out HH OH* BD* "
    # lenses
    "LeG LeQ LeI gLe grv Lev".split()
)
"""SIMBAD's types that contradict a normal star of class A to M (labels of 2020 and later,
https://simbad.cds.unistra.fr/guide/otypes.htx). Not here, since such stars do have a class and a radius: variables,
binaries, giants, emission-line stars, high proper motions. A type that only says where something was seen (``X``,
``UV``, ``IR``) contradicts nothing."""


def _first_group(pattern, texts):
    found = [pattern.match(str(text)) for text in np.ma.filled(np.ma.asarray(texts).astype(str), "")]
    return np.array(["" if m is None else next(g for g in m.groups() if g)[0] for m in found], "U1")


def classes_of_sdss(subclass):
    """Class of SDSS's subclass texts.

    Parameters
    ----------
    subclass : array-like of str, shape (N,)
        ``SpecObj.subClass`` of objects of class STAR.

    Returns
    -------
    ndarray of str, shape (N,)
        ``"O"`` to ``"M"``, empty for white dwarfs, cataclysmic variables, carbon stars, L and T dwarfs and no answer.
        ``"OB"`` counts as O.

    Examples
    --------
    >>> from stellarclass.reference.labels import classes_of_sdss
    >>> print(classes_of_sdss(["F5 (30743)", "M0III (168720)", "WD (2244125)", "CV", "Carbon_lines", "A0p", "K1"]))
    ['F' 'M' '' '' '' 'A' 'K']
    """
    return _first_group(_SDSS, subclass)


def classes_of_lamost(subclass):
    """Class of LAMOST's subclass texts.

    Parameters
    ----------
    subclass : array-like of str, shape (N,)
        Dwarfs and giants of class M have a letter in front (``dM3``, ``gM1``).

    Returns
    -------
    ndarray of str, shape (N,)
        ``"O"`` to ``"M"``, empty for everything else.

    Examples
    --------
    >>> from stellarclass.reference.labels import classes_of_lamost
    >>> print(classes_of_lamost(["G5", "dM3", "gM1", "A7V", "WD", "Carbon", "Non"]))
    ['G' 'M' 'M' 'A' '' '' '']
    """
    return _first_group(_LAMOST, subclass)


def judge_simbad(otype):
    """Whether SIMBAD's object types leave room for a normal star of class A to M.

    Parameters
    ----------
    otype : array-like of str, shape (N,)
        Main types in their short form (``"WD*"``, ``"PM*"``, ``"QSO"``); empty where SIMBAD knows nothing.

    Returns
    -------
    ndarray of str, shape (N,)
        ``"contradicts"``; ``"doubtful"``, where the type would but is a candidate's only (``"WD?"``); ``"agrees"``; or
        empty where SIMBAD knows nothing.

    Examples
    --------
    >>> from stellarclass.reference.labels import judge_simbad
    >>> print(judge_simbad(["PM*", "QSO", "WD?", "", "EB*"]))
    ['agrees' 'contradicts' 'doubtful' '' 'agrees']
    """
    verdicts = []
    for text in np.ma.filled(np.ma.asarray(otype).astype(str), ""):
        name = str(text).strip()
        # Candidates are marked by a question mark in place of the star, or behind the name.
        sure = {name[:-1], name[:-1] + "*"} if name.endswith("?") else set()
        if not name:
            verdicts.append("")
        elif name in CONTRADICTING_TYPES:
            verdicts.append("contradicts")
        else:
            verdicts.append("doubtful" if sure & CONTRADICTING_TYPES else "agrees")
    return np.array(verdicts, "U11")
