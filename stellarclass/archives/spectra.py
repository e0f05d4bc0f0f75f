# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`SDSSSpectra`: spectra from SDSS's Science Archive Server, by plate, MJD and fiber."""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from .._config import conf
from .._progress import progress_bar
from ..exceptions import ArchiveError, InputError, NotInArchiveError
from ._options import patience, whole
from .base import SpectrumKey
from .cache import FileCache
from .spectrumfile import read_spectrum
from .transport import Transport

__all__ = ["SDSSSpectra"]

_FIRST_BOSS_PLATE = 3510
_LEGACY_RUNS = ("26", "103", "104")
"""Reductions of the first spectrograph: SDSS-I and -II, SEGUE's special plates, SEGUE-2. Which one a plate is of does
not follow from its number, and no plate is in two."""
_BOSS_RUNS = {
    9: ("v5_4_45",),
    10: ("v5_5_12",),
    11: ("v5_6_5",),
    12: ("v5_7_0", "v5_7_2"),
    13: ("v5_9_0",),
    14: ("v5_10_0",),
    15: ("v5_10_0",),
    16: ("v5_13_0",),
}
_LAST_RUN = ("v5_13_2",)  # DR17, and kept since


class SDSSSpectra:
    """Spectra of SDSS, BOSS and eBOSS from the Science Archive Server, live or a copy of it.

    The address comes from the configuration (``conf.sas_url``); each option that is not given is read from there
    whenever it is needed. Files are kept in the same folder as frames, and only if they are whole and the ones asked
    for.

    Parameters
    ----------
    data_release : int, optional
        Data release, 9 or later; ``conf.sdss_data_release`` by default. Of SDSS-V (18 and later), only the spectra of
        earlier surveys are found this way.
    lite : bool, optional
        Whether to take the small files (0.2 MB), without the single exposures; those are not read anyway.
    cache_dir : path-like, optional
        Folder that keeps spectra; ``conf.cache_dir`` by default.
    connections : int, optional
        Downloads at a time; ``conf.connections`` by default.
    timeout : `~astropy.units.Quantity`, optional
        Time without a byte after which a request is given up; ``conf.timeout``, which is in seconds, by default.
    time_budget : `~astropy.units.Quantity`, optional
        Time that one file may take, retries included; ``conf.time_budget``, which is in seconds, by default.
    retries : int, optional
        Times that a failed request is tried again; ``conf.retries`` by default.

    Raises
    ------
    stellarclass.exceptions.InputError
        If an option is out of range.
    `~astropy.units.UnitsError`
        If ``timeout`` or ``time_budget`` is not a time with a unit.

    Examples
    --------
    >>> from stellarclass.archives import SDSSSpectra, SpectrumKey
    >>> spectra = SDSSSpectra(data_release=17)
    >>> spectra
    <SDSSSpectra SDSS DR17 at https://data.sdss.org/sas>
    >>> spectra.urls(SpectrumKey(3586, 55181, 1))[0]
    'https://data.sdss.org/sas/dr17/sdss/spectro/redux/v5_13_2/spectra/lite/3586/spec-3586-55181-0001.fits'
    >>> len(spectra.urls(SpectrumKey(618, 52049, 372)))  # runs 26, 103 and 104 are tried in turn
    3
    """

    def __init__(
        self,
        *,
        data_release=None,
        lite=True,
        cache_dir=None,
        connections=None,
        timeout=None,
        time_budget=None,
        retries=None,
    ):
        self._data_release = whole("data_release", data_release, least=9)
        self._lite = bool(lite)
        self._cache_dir = cache_dir
        self._connections = whole("connections", connections, least=1)
        self._patience = patience(timeout, time_budget, retries)

    @property
    def data_release(self):
        """Data release that is asked for."""
        return conf.sdss_data_release if self._data_release is None else self._data_release

    @property
    def name(self):
        """Name and release, for the provenance of results."""
        return f"SDSS DR{self.data_release}"

    def __repr__(self):
        """Release and address that is asked now."""
        return f"<SDSSSpectra {self.name} at {conf.sas_url}>"

    def urls(self, key):
        """Addresses at which a spectrum may lie, in the order in which they are tried.

        Parameters
        ----------
        key : SpectrumKey
            Or a tuple ``(plate, mjd, fiber)``, with ``run2d`` as a fourth item or without.

        Returns
        -------
        list of str

        Raises
        ------
        stellarclass.exceptions.NotInArchiveError
            If the numbers cannot name an SDSS spectrum.
        """
        return [url for url, _ in self._places(_checked(key))]

    def spectrum(self, key):
        """One spectrum, from the cache or the archive.

        Parameters
        ----------
        key : SpectrumKey
            Or a tuple ``(plate, mjd, fiber)``, with ``run2d`` as a fourth item or without. Without it, every
            reduction of the data release that may hold the plate is asked for.

        Returns
        -------
        `~specutils.Spectrum`
            As `read_spectrum` makes it; its ``meta["source"]`` is the address.

        Raises
        ------
        stellarclass.exceptions.NotInArchiveError
            If the archive has no such spectrum.
        stellarclass.exceptions.ArchiveError
            If it failed otherwise, or what came is not that spectrum.
        """
        transport = Transport(**self._patience)
        try:
            return self._load(_checked(key), transport)
        finally:
            transport.close()

    def spectra(self, keys, *, progress=None):
        """Yield one item a key, in the order of the keys; several are fetched at a time.

        Parameters
        ----------
        keys : iterable of SpectrumKey
            Or of tuples ``(plate, mjd, fiber)``, with ``run2d`` as a fourth item or without.
        progress : bool, optional
            Whether to show a progress bar; by default on a terminal only.

        Yields
        ------
        `~specutils.Spectrum` or stellarclass.exceptions.ArchiveError
            The error says why there is no spectrum, with address and reason.
        """
        keys = list(keys)
        transport = Transport(**self._patience)
        workers = max(1, conf.connections if self._connections is None else self._connections)

        def load(key):
            try:
                return self._load(_checked(key), transport)
            except ArchiveError as err:
                return err

        pool = ThreadPoolExecutor(workers, thread_name_prefix="spectra")
        try:
            with progress_bar(len(keys), enabled=progress, desc="Spectra", unit="spectrum") as bar:
                # A few ahead of their use, so that a long list does not pile up in memory.
                for start in range(0, len(keys), 4 * workers):
                    for spectrum in pool.map(load, keys[start : start + 4 * workers]):
                        yield spectrum
                        bar.update()
        finally:
            transport.close()
            pool.shutdown(cancel_futures=True)

    def _places(self, key, base=None):
        """Address and reduction of each place where the spectrum may lie."""
        if key.run2d:
            runs = (key.run2d,)
        elif key.plate < _FIRST_BOSS_PLATE:
            runs = _LEGACY_RUNS
        else:
            runs = _BOSS_RUNS.get(self.data_release, _LAST_RUN)
        base, release = (conf.sas_url if base is None else base).rstrip("/"), self.data_release
        name = f"spec-{key.plate:04d}-{key.mjd}-{key.fiber:04d}.fits"
        for run in runs:
            legacy = run in _LEGACY_RUNS
            # DR18 put all surveys into one tree. Before, eBOSS had one of its own, which "sdss" points at.
            trees = (
                ["spectro/sdss"] if release > 17 else ["sdss/spectro"] if legacy else ["sdss/spectro", "eboss/spectro"]
            )
            kind = "spectra/lite" if self._lite else "spectra/full" if release > 15 and not legacy else "spectra"
            for tree in trees:
                yield f"{base}/dr{release}/{tree}/redux/{run}/{kind}/{key.plate:04d}/{name}", run

    def _load(self, key, transport):
        cache = FileCache(self._cache_dir, kind="spectra", archive=conf.sas_url, data_release=self.data_release)
        deadline, limit = transport.deadline(), conf.max_spectrum_bytes
        places = list(self._places(key))
        paths = {
            run: cache.folder / ("lite" if self._lite else "full") / run / f"{key.plate:04d}" / url.rpartition("/")[2]
            for url, run in places
        }
        for run, path in paths.items():
            url = next(url for url, its_run in places if its_run == run)
            spectrum = cache.load(path, partial(read_spectrum, key=key))
            if spectrum is not None:
                spectrum.meta["source"] = url
                return spectrum
        copies = [[url for url, _ in self._places(key, mirror)] for mirror in conf.sas_mirrors]
        for number, (url, run) in enumerate(places):
            urls = [url, *(there[number] for there in copies)]

            def store(answer, path=paths[run]):
                return cache.store(path, answer, partial(read_spectrum, key=key, name=answer.url))

            try:
                return transport.fetch(urls, store, limit=limit, deadline=deadline)
            except NotInArchiveError as err:
                missing = err
        runs = ", ".join(paths)
        raise NotInArchiveError(f"no spectrum {key} in reduction {runs}: {missing.reason}", missing.url) from missing


def _checked(key):
    """The key, if it can name a spectrum; it becomes part of addresses and paths."""
    try:
        key = SpectrumKey(*key)
        numbers = [whole(name, value, least=1) for name, value in zip(key._fields, key[:3], strict=False)]
        run2d = str(key.run2d or "")
    except (TypeError, InputError) as err:
        raise NotInArchiveError(
            f"{key!r} does not name a spectrum: plate, mjd, fiber are whole numbers", "SDSS"
        ) from err
    plate, mjd, fiber = numbers
    if not (plate <= 99_999 and 50_000 <= mjd <= 99_999 and fiber <= 1000):
        reason = (
            f"plate {plate}, MJD {mjd}, fiber {fiber} do not name an SDSS spectrum (MJD 50000 to 99999, fiber to 1000)"
        )
        raise NotInArchiveError(reason, "SDSS")
    if not re.fullmatch(r"[A-Za-z0-9_]{0,16}", run2d, re.ASCII):
        raise NotInArchiveError(f"run2d={run2d!r} is no name of a reduction, such as '26' or 'v5_13_2'", "SDSS")
    return SpectrumKey(plate, mjd, fiber, run2d)
