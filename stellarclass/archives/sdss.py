# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SDSS`: positions to fields through SkyServer, frames from the Science Archive Server."""

import operator
import warnings

import numpy as np
from astropy import units as u

from .. import flags
from .._config import conf
from .._progress import progress_bar
from ..astrometry import propagate
from ..exceptions import ArchiveError, InputError, StellarclassWarning
from .cache import FrameCache
from .crossid import cross_identify
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
        Time without a byte after which a request is given up; ``conf.timeout`` by default.
    retries : int, optional
        Times that a failed request is tried again; ``conf.retries`` by default.

    Raises
    ------
    stellarclass.exceptions.InputError
        If an option is out of range.
    `~astropy.units.UnitsError`
        If ``timeout`` is not a time.

    Examples
    --------
    >>> from astropy import units as u
    >>> from stellarclass.archives import FieldKey, SDSS
    >>> sdss = SDSS(data_release=17, timeout=30 * u.s)
    >>> sdss.name
    'SDSS DR17'
    >>> sdss.frame_url(FieldKey(2583, 301, 2, 136), "r").rpartition("/")[2]
    'frame-r-002583-2-0136.fits.bz2'
    """

    def __init__(self, *, data_release=None, cache_dir=None, connections=None, timeout=None, retries=None):
        self._data_release = _whole("data_release", data_release, 8)
        self._cache_dir = cache_dir
        self._connections = _whole("connections", connections, 1)
        self._retries = _whole("retries", retries, 0)
        self._timeout = timeout
        if timeout is not None:
            self._timeout = u.Quantity(timeout).to_value(u.s)
            if not self._timeout > 0:
                raise InputError(f"timeout must be longer than nothing, got {timeout}")

    @property
    def data_release(self):
        """Data release that is asked for."""
        return conf.sdss_data_release if self._data_release is None else self._data_release

    @property
    def name(self):
        """Name and release, for the provenance of results."""
        return f"SDSS DR{self.data_release}"

    def __repr__(self):
        return f"<{self.name} at {conf.sas_url} and {conf.skyserver_url}>"

    def _transport(self):
        return Transport(
            timeout=conf.timeout if self._timeout is None else self._timeout,
            budget=conf.time_budget,
            retries=conf.retries if self._retries is None else self._retries,
        )

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
        motion and an epoch are moved to SDSS's own time before.

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
            flagged ``no_image`` where it knows no object, ``ambiguous_field`` where it knows several,
            ``image_failure`` (and a `~stellarclass.exceptions.StellarclassWarning` with address and reason) where it
            could not be asked.
        """
        targets, todo = known_fields(targets)
        rows = np.flatnonzero(todo)
        if not len(rows):
            return targets
        ra, dec = propagate(
            targets.ra[rows], targets.dec[rows], targets.pmra[rows], targets.pmdec[rows],
            targets.ref_epoch[rows], _MEAN_EPOCH,
        )  # fmt: skip
        transport, size = self._transport(), max(1, conf.skyserver_chunk)
        with progress_bar(len(rows), enabled=progress, desc="SkyServer", unit="star") as bar:
            for start in range(0, len(rows), size):
                chunk = slice(start, start + size)
                self._locate_chunk(targets, rows[chunk], ra[chunk], dec[chunk], transport)
                bar.update(len(rows[chunk]))
        return targets

    def _locate_chunk(self, targets, rows, ra, dec, transport):
        try:
            match = cross_identify(
                ra, dec, base_url=conf.skyserver_url, data_release=self.data_release, transport=transport
            )
        except ArchiveError as err:
            targets.flags[rows] |= flags.IMAGE_FAILURE
            message = f"{len(rows)} targets could not be cross-identified: {err}"
            warnings.warn(message, StellarclassWarning, stacklevel=3)
            return
        targets.flags[rows[~match.found]] |= flags.NO_IMAGE
        targets.flags[rows[match.ambiguous]] |= flags.AMBIGUOUS_FIELD
        found = rows[match.found]
        for name in ("objid", "run", "rerun", "camcol", "field"):
            getattr(targets, name)[found] = getattr(match, name)[match.found]
        psfmag = match.psfmag[match.found]
        targets.psfmag[found] = np.where(np.isnan(targets.psfmag[found]), psfmag, targets.psfmag[found])

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
            what else can go wrong is in ``errors``, with address and reason.
        """
        # The configuration holds as it is now, however long the fields are drawn out.
        transport, limit = self._transport(), conf.max_frame_bytes
        base, release = conf.sas_url, self.data_release
        cache = FrameCache(self._cache_dir, archive=base, data_release=release)

        def load(key, band):
            frame = cache.get(key, band)
            if frame is not None:
                return frame
            url = _frame_url(base, release, key, band)
            return transport.fetch(url, lambda pieces: cache.put(key, band, pieces, url=url), limit=limit)

        workers = conf.connections if self._connections is None else self._connections
        try:
            yield from load_fields(keys, load, workers=max(1, workers), progress=progress)
        finally:
            transport.close()


def _frame_url(base, release, key, band):
    from astroquery.sdss import SDSSClass

    key = check_key(key, band)
    # As in SDSSClass.get_images_async, which can fetch a frame but not name it.
    instrument = "boss" if release <= 12 else "eboss" if release <= 17 else "prior-surveys/sdss4-dr17-eboss"
    return SDSSClass.IMAGING_URL_SUFFIX.format(
        base=base.rstrip("/"), dr=release, instrument=instrument, band=band, **key._asdict()
    )


def _whole(name, value, least):
    """An optional integer option, checked."""
    if value is None:
        return None
    try:
        value = operator.index(value)
    except TypeError as err:
        raise InputError(f"{name} must be a whole number, got {value!r}") from err
    if value < least:
        raise InputError(f"{name} must be at least {least}, got {value}")
    return value
