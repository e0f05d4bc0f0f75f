# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Where an output table comes from, in the words of the Virtual Observatory.

The INFO elements have the names of the IVOA note *Data Origin in the VO* (Landais et al. 2024), which others' software
looks for; `astropy.io.votable.dataorigin` reads them.
"""

from astropy.io import votable as vot

from .. import schema
from ._votable_columns import EPOCH, epoch_text

PAPER = (
    "Deng, Yu, Luo, Kong & Li (2024), Ensemble Learning for Stellar Classification and Radius Estimation from "
    "Multimodal Data"
)
"""Citation of the method. Where it was published under which DOI is not known here for certain, so none is given."""

_BIBCODES = {
    "SDSS DR17": "2022ApJS..259...35A",
    "Gaia EDR3": "2021A&A...649A...1G",
    "Gaia DR3": "2023A&A...674A...1G",
}
"""Papers that describe releases: Abdurro'uf et al. (2022); Gaia Collaboration, Brown et al. (2021); Gaia Collaboration,
Vallenari et al. (2023)."""

_SOFTWARE = "stellarclass "
_POSITIONS = ("ra", "dec", "pmra", "pmdec")


def infos(meta):
    """INFO elements about the origin of an output table; none for another table."""
    version = meta.get("stellarclass_version")
    if not isinstance(version, str):
        return []
    found = [info("server_software", f"{_SOFTWARE}{version}", content="Software that made the table")]
    if isinstance(date := meta.get("date"), str):
        found.append(info("request_date", date, content="UTC date and time of the classification"))
    for key in ("image_release", "astrometry_release"):
        # Identifiers only; what else there may be is in the metadata.
        if isinstance(release := meta.get(key), str) and release in _BIBCODES:
            found.append(info("is_derived_from", _BIBCODES[release], content=release))
    if isinstance(ensemble := meta.get("ensemble"), str):
        digest = meta.get("ensemble_sha256")
        version = f"ensemble {ensemble}" + (f", sha256 {digest}" if isinstance(digest, str) else "")
        found.append(info("resource_version", version, content="Weights that the answers come from"))
    found.append(info("citation", PAPER, content="The method"))
    return found


def info(name, value, *, content=None):
    """An INFO element without an XML ID: nobody refers to it, and it would have to differ from all others."""
    made = vot.tree.Info(ID="info", name=name, value=value, config={"version_1_2_or_later": True})
    made.ID = None
    if content:
        made.content = content
    return made


def is_ours(found):
    """Whether INFO elements are those of `infos`."""
    return any(i.name == "server_software" and str(i.value).startswith(_SOFTWARE) for i in found)


def mark_positions(parts, meta):
    """Note on the positions and motions of an output table that they are ICRS, and at which epoch if it is known."""
    if not isinstance(meta.get("stellarclass_version"), str):
        return
    epoch = meta.get("position_epoch")
    epoch = epoch_text(epoch) if isinstance(epoch, (int, float)) else ""
    known = {column.name: column for column in schema.columns() if column.name in _POSITIONS}
    for part in parts:
        column = known.get(part.name)
        # A user's own column of this name is described otherwise, or not at all.
        if column and part.description == column.description and (part.meta or {}).get("ucd") == column.ucd:
            part.meta[EPOCH] = epoch
