# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Templates`: spectra of known subclass, from a file, from a folder, or built from spectra with labels."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits

from ..exceptions import InputError
from .fitting import RANGE, smooth_continuum
from .subclasses import parse_subclass, subclass_number

__all__ = ["Templates"]

_MOST_BYTES = 200_000_000
_MOST_SPECTRA = 100_000
_GRID = 10 ** np.arange(np.log10(RANGE[0] * 0.997), np.log10(RANGE[1] * 1.003), 1e-4)  # SDSS's own sampling


@dataclass(frozen=True, eq=False)
class Templates:
    """Spectra of stars of known subclass, at rest.

    Parameters
    ----------
    subclasses : sequence of str
        T labels that `parse_subclass` understands. Several templates may share one.
    wavelength : `~astropy.units.Quantity`, shape (Q,)
        Vacuum wavelengths, ascending, from 3810 Å or less to 9180 Å or more.
    flux : ndarray, shape (T, Q)
        Flux density per unit wavelength, on any scale: continuum and scale do not count.
    name : str, optional
        For the provenance of results.
    mismatch : float, optional
        How well the best of them agrees with a star of its subclass at high S/N, as a part of the flux. It is added to
        the noise, so that chi-squared is not a matter of the best-exposed pixels alone.

    Raises
    ------
    stellarclass.exceptions.InputError
        If labels, shapes or values do not fit together.
    `~astropy.units.UnitsError`
        If the wavelengths have no unit of length.

    Examples
    --------
    >>> from stellarclass.spectroscopy import Templates, classify_spectrum, read_spectrum
    >>> templates = Templates.read("pyhammer_templates_solar.fits")  # doctest: +SKIP
    >>> classify_spectrum(read_spectrum("spec-2942-54521-0124.fits"), templates).subclass  # doctest: +SKIP
    'G1'
    """

    subclasses: tuple
    wavelength: u.Quantity
    flux: np.ndarray
    name: str = "templates"
    mismatch: float = 0.01

    def __post_init__(self):
        labels = tuple(parse_subclass(label) for label in self.subclasses)
        for label, parsed in zip(self.subclasses, labels, strict=True):
            if not parsed:
                raise InputError(f"template {label!r} has no spectral subclass, such as 'G2' (O0 to M9)")
        if not isinstance(self.wavelength, u.Quantity):
            raise u.UnitTypeError(
                f"wavelength must be a Quantity, such as in u.AA, not {type(self.wavelength).__name__}"
            )
        wavelength = self.wavelength.to(u.AA).astype(float)
        flux = np.array(self.flux, float)
        if wavelength.ndim != 1 or flux.shape != (len(labels), wavelength.size) or not len(labels):
            raise InputError(
                f"flux has shape {flux.shape}, expected ({len(labels)}, {wavelength.size}), and at least one"
            )
        if not (np.all(np.isfinite(wavelength)) and np.all(np.diff(wavelength) > 0)):
            raise InputError("the templates' wavelengths must be finite and ascend")
        low, high = wavelength[[0, -1]].value
        if low > RANGE[0] + 10 or high < RANGE[1] - 20:
            raise InputError(
                f"the templates reach from {low:.0f} to {high:.0f} Å; "
                f"from {RANGE[0] + 10:.0f} to {RANGE[1] - 20:.0f} Å is needed"
            )
        if not np.all(np.isfinite(flux)) or not np.all(np.max(flux, axis=1) > 0):
            raise InputError("the templates' fluxes must be finite and not all zero")
        order = np.argsort([subclass_number(label) for label in labels], kind="stable")
        flux = flux[order] / np.median(np.abs(flux[order]), axis=1, keepdims=True)
        flux.flags.writeable = False
        object.__setattr__(self, "subclasses", tuple(labels[k] for k in order))
        object.__setattr__(self, "wavelength", wavelength)
        object.__setattr__(self, "flux", flux)

    def __len__(self):
        return len(self.subclasses)

    def __repr__(self):
        """How many there are, and from where to where."""
        return f"<Templates {self.name}: {len(self)}, {self.subclasses[0]} to {self.subclasses[-1]}>"

    @classmethod
    def from_spectra(cls, spectra, labels=None, *, redshifts=None, name="own templates"):
        """Build one template a subclass: the median of its spectra, each divided by its smooth continuum.

        Parameters
        ----------
        spectra : iterable of `~specutils.Spectrum`
            N spectra of stars.
        labels : sequence of str, optional
            Their subclasses; ``meta["sdss_subclass"]`` by default. Labels without a subclass (``"WD"``) are left out.
        redshifts : sequence of float, optional
            Their redshifts; ``meta["sdss_redshift"]`` by default, or none where that is missing.
        name : str, optional
            For the provenance of results.

        Returns
        -------
        Templates

        Raises
        ------
        stellarclass.exceptions.InputError
            If there is not one spectrum with a subclass, or the numbers of things differ.
        """
        spectra = list(spectra)
        labels = [s.meta.get("sdss_subclass", "") for s in spectra] if labels is None else list(labels)
        if redshifts is None:
            redshifts = [s.meta.get("sdss_redshift", 0.0) for s in spectra]
        if not len(spectra) == len(labels) == len(redshifts):
            raise InputError(f"{len(spectra)} spectra, {len(labels)} labels, {len(redshifts)} redshifts")
        groups = {}
        for spectrum, label, redshift in zip(spectra, labels, redshifts, strict=True):
            if parse_subclass(label):
                groups.setdefault(parse_subclass(label), []).append(_at_rest(spectrum, float(redshift)))
        if not groups:
            raise InputError(f"none of the {len(spectra)} spectra has a spectral subclass, such as 'G2' (O0 to M9)")
        return cls(tuple(groups), _GRID * u.AA, np.array([_median(group) for group in groups.values()]), name)

    @classmethod
    def read(cls, path):
        """Read templates.

        Parameters
        ----------
        path : path-like
            A FITS file as `write` makes it and as PyHammer's templates are published in one: a table ``TEMPLATES``
            with columns ``spectral_type`` and ``flux``, and an image ``WAVELENGTH`` in Å. Or a folder of SDSS's
            ``spec-*.fits``, which `from_spectra` makes templates of by SDSS's own subclasses.

        Returns
        -------
        Templates

        Raises
        ------
        stellarclass.exceptions.InputError
            If there is no such file, or it holds no templates.
        stellarclass.exceptions.BadAnswerError
            If a spectrum in the folder is damaged.
        """
        path = Path(path).expanduser()
        if path.is_dir():
            from ..archives.spectrumfile import read_spectrum

            files = sorted(path.glob("spec-*.fits"))
            if not 0 < len(files) <= _MOST_SPECTRA:
                raise InputError(f"{path} holds {len(files)} files spec-*.fits; 1 to {_MOST_SPECTRA} are needed")
            return cls.from_spectra((read_spectrum(file) for file in files), name=path.name)
        if not path.is_file():
            raise InputError(f"there is no file or folder {path} with templates")
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} has {path.stat().st_size} bytes; templates have at most {_MOST_BYTES}")
        try:
            with fits.open(path, memmap=False) as hdus:
                table = hdus["TEMPLATES"].data
                labels = [str(label) for label in table["spectral_type"]]
                return cls(labels, np.array(hdus["WAVELENGTH"].data, float) * u.AA, table["flux"], path.stem)
        except InputError:
            raise
        except (OSError, KeyError, TypeError, ValueError, AttributeError, fits.VerifyError) as err:
            raise InputError(f"{path} is no file of templates (HDUs TEMPLATES and WAVELENGTH): {err}") from err

    def write(self, path, *, overwrite=False):
        """Write the templates to a FITS file that `read` takes.

        Parameters
        ----------
        path : path-like
        overwrite : bool, optional
            Whether to replace a file of that name.

        Raises
        ------
        OSError
            If there is a file of that name already, or it cannot be written.
        """
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("spectral_type", "2A", array=np.array(self.subclasses)),
                fits.Column("flux", f"{self.wavelength.size}E", array=self.flux.astype(np.float32)),
            ],
            name="TEMPLATES",
        )
        image = fits.ImageHDU(self.wavelength.value, name="WAVELENGTH")
        fits.HDUList([fits.PrimaryHDU(), table, image]).writeto(os.fspath(path), overwrite=overwrite)


def _at_rest(spectrum, redshift):
    """A spectrum without its continuum and velocity on the templates' pixels, NaN where it has none."""
    wavelength = spectrum.spectral_axis.to_value(u.AA, u.spectral())
    flux = np.array(spectrum.flux.value, float)
    if not -0.01 < redshift < 0.01:
        raise InputError(f"redshift {redshift} is no star's (-0.01 to 0.01, that is 3000 km/s)")
    masked = np.zeros(flux.shape, bool) if spectrum.mask is None else spectrum.mask
    inside = (wavelength > RANGE[0] * 0.99) & (wavelength < RANGE[1] * 1.01) & np.isfinite(flux)
    good = inside & ~masked
    if good.sum() < 500:
        raise InputError(
            f"a spectrum has {good.sum()} usable pixels within {RANGE[0]:.0f} to {RANGE[1]:.0f} Å; 500 needed"
        )
    wavelength, flux, weight = wavelength[inside], flux[inside], good[inside].astype(float)
    order = np.argsort(wavelength)
    wavelength, flux, weight = wavelength[order], flux[order], weight[order]
    scaled = flux / np.median(flux[weight > 0])
    normalized = scaled / smooth_continuum(np.log10(wavelength), scaled, weight)
    rest = wavelength / (1 + redshift)
    answer = np.interp(_GRID, rest, normalized, left=np.nan, right=np.nan)
    bad = np.interp(_GRID, rest, 1 - weight, left=1, right=1) > 0
    return np.where(bad, np.nan, answer)


def _median(group):
    """Median over spectra, gaps bridged by straight lines."""
    stack = np.array(group)
    seen = np.isfinite(stack).any(axis=0)
    values = np.full(stack.shape[1], np.nan)
    values[seen] = np.nanmedian(stack[:, seen], axis=0)
    return np.interp(_GRID, _GRID[seen], values[seen])
