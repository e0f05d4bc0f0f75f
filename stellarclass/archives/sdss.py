# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SDSS`: positions to fields through SkyServer, frames from the Science Archive Server."""

import os
import warnings
from functools import partial

import numpy as np

from .. import flags
from .._config import conf
from .._progress import progress_bar
from ..astrometry import propagate
from ..exceptions import StellarclassWarning
from ._chunks import ask_in_chunks
from ._options import patience, whole
from .cache import FrameCache
from .crossid import cross_identify
from .footprint import inside_footprint, read_footprint
from .objid import check_key, known_fields
from .prefetch import load_fields
from .transport import Transport

__all__ = ["SDSS"]

_MEAN_EPOCH = 2004.0
"""Julian year near which SDSS took most of its images (1998 to 2009): where SkyServer has a moving star."""


class SDSS:
    """The Sloan Digital Sky Survey's archives, live or a copy that speaks the same protocol.

    Addresses come from the configuration (``conf.sas_url``, ``conf.skyserver_url``); each option that is not given is
    read from there whenever it is needed.

    Parameters
    ----------
    data_release : int, optional
        Data release, 8 or later; ``conf.sdss_data_release`` by default.
    cache_dir : path-like, optional
        Folder that keeps frames (about 3.5 MB each); ``conf.cache_dir`` by default.
    connections : int, optional
        Downloads at a time; ``conf.connections`` by default.
    timeout : `~astropy.units.Quantity`, optional
        Time without a byte after which a request is given up; ``conf.timeout``, which is in seconds, by default.
    time_budget : `~astropy.units.Quantity`, optional
        Time that one frame or one chunk of positions may take, retries included; ``conf.time_budget``, which is in
        seconds, by default.
    retries : int, optional
        Times that a failed request is tried again; ``conf.retries`` by default.
    footprint : path-like or mocpy.MOC, optional
        The sky that SDSS has imaged; ``conf.sdss_footprint`` by default. Stars off it are not asked about. Where none
        is known, nothing is refused.

    Raises
    ------
    stellarclass.exceptions.InputError
        If an option is out of range, or ``footprint`` is no MOC.
    `~astropy.units.UnitsError`
        If ``timeout`` or ``time_budget`` is not a time with a unit.

    Examples
    --------
    >>> from astropy import units as u
    >>> from stellarclass.archives import FieldKey, SDSS
    >>> sdss = SDSS(data_release=17, timeout=30 * u.s)
    >>> sdss
    <SDSS DR17 at https://data.sdss.org/sas and https://skyserver.sdss.org>
    >>> sdss.frame_url(FieldKey(2583, 301, 2, 136), "r").rpartition("/")[2]
    'frame-r-002583-2-0136.fits.bz2'
    """

    def __init__(
        self,
        *,
        data_release=None,
        cache_dir=None,
        connections=None,
        timeout=None,
        time_budget=None,
        retries=None,
        footprint=None,
    ):
        self._data_release = whole("data_release", data_release, least=8)
        self._cache_dir = cache_dir
        self._connections = whole("connections", connections, least=1)
        self._patience = patience(timeout, time_budget, retries)
        self._footprint = footprint
        if isinstance(footprint, (str, os.PathLike)):
            self._footprint = read_footprint(footprint)
        elif footprint is not None and not hasattr(footprint, "contains_lonlat"):
            raise TypeError(f"footprint must be the path of a MOC, or a mocpy.MOC, not {footprint!r}")

    @property
    def data_release(self):
        """Data release that is asked for."""
        return conf.sdss_data_release if self._data_release is None else self._data_release

    @property
    def name(self):
        """Name and release, for the provenance of results."""
        return f"SDSS DR{self.data_release}"

    def __repr__(self):
        """Release and addresses that are asked now: the configuration's, where they were not given."""
        return f"<{self.name} at {conf.sas_url} and {conf.skyserver_url}>"

    def frame_url(self, key, band):
        """Address of a frame.

        Parameters
        ----------
        key : FieldKey
        band : str
            One of ``ugriz``.

        Returns
        -------
        str

        Raises
        ------
        stellarclass.exceptions.NotInArchiveError
            If the numbers cannot name an SDSS field.
        """
        return _frame_url(conf.sas_url, self.data_release, key, band)

    def locate(self, targets, *, progress=None):
        """Find the field of each target.

        A target that names its field (run, camcol, field; rerun 301 unless given) or has an SDSS ``objid`` is never
        asked about. For the others SkyServer's nearest primary object within 3 arcsec tells; positions with a proper
        motion and an epoch are moved to SDSS's own time before. Those off the footprint, where one is known, are left
        out. The rest goes in chunks of ``conf.skyserver_chunk``; one that fails is asked about in halves.

        Parameters
        ----------
        targets : stellarclass.targets.Targets
            N targets.
        progress : bool, optional
            Whether to show a progress bar; by default on a terminal only.

        Returns
        -------
        stellarclass.targets.Targets
            A copy with run, rerun, camcol, field, and for those that SkyServer was asked about objid and psfmag;
            flagged ``off_footprint`` where it was not, ``no_image`` where it knows no object, ``ambiguous_field`` where
            it knows several, ``image_failure`` (and a `~stellarclass.exceptions.StellarclassWarning` with address and
            reason) where it could not be asked.
        """
        targets, todo = known_fields(targets)
        rows = np.flatnonzero(todo)
        if not len(rows):
            return targets
        ra, dec = propagate(
            targets.ra[rows], targets.dec[rows], targets.pmra[rows], targets.pmdec[rows],
            targets.ref_epoch[rows], _MEAN_EPOCH,
        )  # fmt: skip
        footprint = self._footprint
        if footprint is None and conf.sdss_footprint:
            footprint = read_footprint(conf.sdss_footprint)
        if footprint is not None:
            inside = inside_footprint(footprint, ra, dec)
            targets.flags[rows[~inside]] |= flags.OFF_FOOTPRINT
            rows, ra, dec = rows[inside], ra[inside], dec[inside]
            if not len(rows):
                return targets
        transport = Transport(**self._patience)

        def ask(index, **limits):
            return cross_identify(
                ra[index], dec[index], base_url=conf.skyserver_url, data_release=self.data_release,
                fetch=partial(transport.fetch, **limits),
            )  # fmt: skip

        with progress_bar(len(rows), enabled=progress, desc="SkyServer", unit="star") as bar:
            size = max(1, conf.skyserver_chunk)
            answers, failures = ask_in_chunks(len(rows), ask, size=size, transport=transport, progress=bar)
        for index, found in answers:
            _fill_in(targets, rows[index], found)
        if failures:
            lost = rows[np.concatenate([index for index, _ in failures])]
            targets.flags[lost] |= flags.IMAGE_FAILURE
            stars = "1 target" if len(lost) == 1 else f"{len(lost)} targets"
            message = f"{stars} could not be cross-identified: {failures[0][1]}"
            warnings.warn(message, StellarclassWarning, stacklevel=2)
        return targets

    def fields(self, keys, *, progress=None):
        """Yield each field once, as soon as its five frames are there.

        Frames come from the cache, or are fetched into it: several at a time, each once, decoded in threads, not more
        than a few fields ahead of their use.

        Parameters
        ----------
        keys : iterable of FieldKey
            Fields; doubles are dropped.
        progress : bool, optional
            Whether to show a progress bar; by default on a terminal only.

        Yields
        ------
        Field
            In the order in which they become ready. A frame that the archive does not have (404) is in ``missing``;
            what else can go wrong is in ``errors``, with address and reason. A field that cannot be had for the moment
            (``unavailable``) is put back behind the others before, ``conf.put_backs`` times.
        """
        # The configuration holds as it is now, however long the fields are drawn out.
        transport, limit = Transport(**self._patience), conf.max_frame_bytes
        bases, release = [conf.sas_url, *conf.sas_mirrors], self.data_release
        cache = FrameCache(self._cache_dir, archive=bases[0], data_release=release)

        def load(key, band):
            frame = cache.get(key, band)
            if frame is not None:
                return frame
            urls = [_frame_url(base, release, key, band) for base in bases]
            return transport.fetch(urls, lambda answer: cache.put(key, band, answer, url=answer.url), limit=limit)

        workers = conf.connections if self._connections is None else self._connections
        try:
            yield from load_fields(keys, load, workers=max(1, workers), progress=progress)
        finally:
            transport.close()


def _fill_in(targets, rows, match):
    """What SkyServer knows of the targets ``rows``."""
    targets.flags[rows[~match.found]] |= flags.NO_IMAGE
    targets.flags[rows[match.ambiguous]] |= flags.AMBIGUOUS_FIELD
    found = rows[match.found]
    for name in ("objid", "run", "rerun", "camcol", "field"):
        getattr(targets, name)[found] = getattr(match, name)[match.found]
    psfmag = match.psfmag[match.found]
    targets.psfmag[found] = np.where(np.isnan(targets.psfmag[found]), psfmag, targets.psfmag[found])


def _frame_url(base, release, key, band):
    from astroquery.sdss import SDSSClass

    key = check_key(key, band)
    # As in SDSSClass.get_images_async, which can fetch a frame but not name it.
    instrument = "boss" if release <= 12 else "eboss" if release <= 17 else "prior-surveys/sdss4-dr17-eboss"
    return SDSSClass.IMAGING_URL_SUFFIX.format(
        base=base.rstrip("/"), dr=release, instrument=instrument, band=band, **key._asdict()
    )
