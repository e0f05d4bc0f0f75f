# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The methods of `~stellarclass.Classifier` as functions: one call for those who classify once."""

from .classifier import Classifier

__all__ = ["classify", "classify_region", "classify_table"]


def classify(
    coords,
    *,
    ensemble=None,
    label_system=None,
    images=None,
    astrometry=None,
    device=None,
    batch_size=None,
    class_prior=None,
    progress=None,
):
    """Spectral classes and radii of the stars at given positions.

    Parameters
    ----------
    coords : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, pandas.DataFrame or path-like
        N positions.
    ensemble, label_system, images, astrometry, device, batch_size, class_prior
        See `Classifier`.
    progress : bool or callable, optional
        Whether to show progress bars; by default on a terminal and in a notebook only. A callable is told instead,
        with what is being done, the steps taken, and their number or `None`.

    Returns
    -------
    `~astropy.table.QTable`
        One row per position, in order, see `Classifier.classify`.

    Examples
    --------
    >>> from stellarclass import classify, simulate
    >>> sky = simulate.field(seed=1, n_stars=5)
    >>> table = classify(sky.coords, images=sky.images, astrometry=sky.astrometry)
    >>> set(table["spectral_class"].filled("?")) <= set("AFGKM?")
    True
    """
    classifier = Classifier(
        ensemble,
        label_system=label_system,
        images=images,
        astrometry=astrometry,
        device=device,
        batch_size=batch_size,
        class_prior=class_prior,
    )
    return classifier.classify(coords, progress=progress)


def classify_table(
    table,
    *,
    coords=None,
    ensemble=None,
    label_system=None,
    images=None,
    astrometry=None,
    device=None,
    batch_size=None,
    class_prior=None,
    progress=None,
):
    """Augment a table with spectral classes and radii.

    Parameters
    ----------
    table : `~astropy.table.Table`, pandas.DataFrame, str or path-like
        N stars, or the file that holds them, see `~stellarclass.usertable.as_table`. It is not changed.
    coords : str or tuple of str, optional
        Name of its SkyCoord column, or of its right ascension and declination columns, where they are not obvious.
    ensemble, label_system, images, astrometry, device, batch_size, class_prior
        See `Classifier`.
    progress : bool or callable, optional
        Whether to show progress bars; by default on a terminal and in a notebook only. A callable is told instead,
        with what is being done, the steps taken, and their number or `None`.

    Returns
    -------
    `~astropy.table.QTable`
        The columns of ``table``, then ours, see `stellarclass.combine.combine`. Where the table has a column of that
        name already, ours ends in ``_stellarclass``.
    """
    classifier = Classifier(
        ensemble,
        label_system=label_system,
        images=images,
        astrometry=astrometry,
        device=device,
        batch_size=batch_size,
        class_prior=class_prior,
    )
    return classifier.classify_table(table, coords=coords, progress=progress)


def classify_region(
    region,
    *,
    ensemble=None,
    label_system=None,
    images=None,
    astrometry=None,
    device=None,
    batch_size=None,
    class_prior=None,
    progress=None,
):
    """Classify every Gaia source in a region of the sky.

    Parameters
    ----------
    region : `~regions.SkyRegion` or mocpy.MOC
        Circle, ellipse, rectangle, annulus, polygon or a combination of them; or a MOC.
    ensemble, label_system, images, astrometry, device, batch_size, class_prior
        See `Classifier`.
    progress : bool or callable, optional
        Whether to show progress bars; by default on a terminal and in a notebook only. A callable is told instead,
        with what is being done, the steps taken, and their number or `None`.

    Returns
    -------
    `~astropy.table.QTable`
        One row per source inside, by ``source_id``; see `Classifier.classify_region`, for what it raises too.

    Examples
    --------
    >>> from astropy import units as u
    >>> from regions import CircleSkyRegion
    >>> from stellarclass import classify_region, simulate
    >>> sky = simulate.field(seed=1, n_stars=5)
    >>> region = CircleSkyRegion(sky.coords[0], radius=10 * u.arcsec)
    >>> table = classify_region(region, images=sky.images, astrometry=sky.astrometry)
    >>> len(table), bool(table["source_id"][0] == sky.truth["source_id"][0])
    (1, True)
    """
    classifier = Classifier(
        ensemble,
        label_system=label_system,
        images=images,
        astrometry=astrometry,
        device=device,
        batch_size=batch_size,
        class_prior=class_prior,
    )
    return classifier.classify_region(region, progress=progress)
