# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How a survey is run: what every worker must know, and what decides the answers."""

from dataclasses import dataclass, field, replace
from os import fspath
from pathlib import Path

from .. import __version__
from .._config import Conf, conf
from ..exceptions import InputError
from .layout import read_json, write_json
from .stampstore import read_about

__all__ = ["RunSettings", "check_stamps", "load_run", "observed_with", "pin"]

PIXELS = ("archive", "stamps", "both")


@dataclass(frozen=True)
class RunSettings:
    """What a worker is told; it travels to other processes and machines.

    Attributes
    ----------
    ensemble, label_system, class_prior, device, batch_size, match_radius
        As `~stellarclass.Classifier` takes them; the ensemble by name or folder.
    images : path-like, `~stellarclass.archives.ImageSource` or None
        A folder of frames; a source that can be pickled; SDSS over the network.
    astrometry : path-like, `~stellarclass.archives.AstrometrySource`, False or None
        A table of Gaia's; a source that can be pickled; none; Gaia over the network.
    zero_point : str or None
        What is taken off the parallaxes of a table or of Gaia; the source's own default.
    pixels : {"archive", "stamps", "both"}
        Whether pixels come from the archive, from the stamps that were kept, or from these where there are any.
    pool : int or None
        Stars of several fields that are handed to the ensemble together; 0: each field on its own. By default 1024 on
        a CUDA device, else 0.
    keep_frames : bool
        Whether frames that SDSS sent stay in the cache of ``conf.cache_dir``, 3.5 MB each. By default they lie in the
        survey's own folder, and only until their unit of work is done.
    threads : int or None
        Threads of a worker that decode frames of a local tree; by default its share of the machine's cores.
    tries : int
        Times that a unit of work is tried while something of it fails that may be better later.
    settings : dict
        Items of `stellarclass.conf` that the workers take over.
    """

    ensemble: str | None = None
    label_system: str | None = None
    class_prior: object = None
    device: str | None = None
    batch_size: int | None = None
    match_radius: object = None
    images: object = None
    astrometry: object = None
    zero_point: str | None = None
    pixels: str = "archive"
    pool: int | None = None
    keep_frames: bool = False
    threads: int | None = None
    tries: int = 8
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.pixels not in PIXELS:
            raise InputError(f"pixels come from {', '.join(PIXELS)}, not {self.pixels!r}")
        for name, least in (("pool", 0), ("threads", 1), ("tries", 1)):
            if name != "tries" and getattr(self, name) is None:
                continue
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), int):
                raise TypeError(f"{name} must be a whole number, not {getattr(self, name)!r}")
            if getattr(self, name) < least:
                raise InputError(f"{name} must be {least} or more, not {getattr(self, name)}")

    def sources(self):
        """The sources of images and astrometry, made of what was named.

        Returns
        -------
        images : `~stellarclass.archives.ImageSource`
        astrometry : `~stellarclass.archives.AstrometrySource` or False
        """
        from ..lookup import astrometry_source, image_source

        images, astrometry = self.images, self.astrometry
        if isinstance(images, (str, Path)):
            from ..archives import LocalSAS

            images = LocalSAS(images, threads=self.threads)
        if isinstance(astrometry, (str, Path)):
            from ..archives import LocalAstrometry

            astrometry = LocalAstrometry(astrometry, zero_point=self.zero_point or "none")
        elif astrometry is None and self.zero_point is not None:
            from ..archives import Gaia

            astrometry = Gaia(zero_point=self.zero_point)
        return image_source(images), astrometry_source(astrometry)

    def shared(self, workers, *, cores):
        """The same for each of some workers: they share the cores, and what an archive is asked at a time.

        Parameters
        ----------
        workers : int
        cores : int
            Of the machine that they are on; of one of them if they are elsewhere.

        Returns
        -------
        RunSettings
            With the configuration as it is here: other processes read only the file, not what was set since.
        """
        settings = current_settings() | self.settings
        for name in ("connections", "host_connections"):
            settings[name] = max(1, settings[name] // workers)
        settings["bandwidth"] /= workers
        return replace(self, settings=settings, threads=self.threads or max(1, cores // workers))

    def _names(self, what):
        """Whether a part of `observed_with` is not left to its default."""
        named = {
            "image_release": (self.images,),
            "astrometry_release": (self.astrometry, self.zero_point),
            "match_radius": (self.match_radius,),
        }
        return any(value is not None for value in named[what])

    def classifier_options(self):
        """Keyword arguments of `~stellarclass.Classifier` that are not sources."""
        names = ("ensemble", "label_system", "class_prior", "device", "batch_size", "match_radius")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def current_settings():
    """Values of all items of the configuration.

    Returns
    -------
    dict
    """
    from astropy.config import ConfigItem

    return {name: getattr(conf, name) for name in dir(Conf) if isinstance(vars(Conf).get(name), ConfigItem)}


def observed_with(classifier):
    """What decides the pixels and the astrometry of a star: what stamps that are kept must have in common with a run.

    Parameters
    ----------
    classifier : `~stellarclass.Classifier`

    Returns
    -------
    dict
    """
    return {
        "match_radius": float(classifier.match_radius.to_value("arcsec")),
        "image_release": classifier.images.name,
        "astrometry_release": classifier.astrometry.name if classifier.astrometry is not False else None,
    }


def check_stamps(path, about, run):
    """Refuse stamps that were made with something else than a run.

    Parameters
    ----------
    path : path-like
        Of the stamps.
    about : dict
        What they were made with.
    run : dict
        What the answers are said to be made with.

    Raises
    ------
    stellarclass.exceptions.InputError
    """
    for name in ("image_release", "astrometry_release", "match_radius"):
        if name not in about or about[name] != run[name]:
            raise InputError(
                f"the stamps in {fspath(path)} were made with {name} {about.get(name)!r}, this run has {run[name]!r}; "
                "name nothing else than they were made with, or ask the archive (--pixels archive)"
            )


def pin(layout, classifier, settings, plan, *, stamps=None):
    """Hold what decides the answers: a run that goes on must go on with the same.

    Parameters
    ----------
    layout : Layout
    classifier : `~stellarclass.Classifier`
        Made of the settings.
    settings : RunSettings
    plan : SurveyPlan
    stamps : path-like, optional
        Stamps that take the place of the archive: what was not named is as they were made.

    Returns
    -------
    dict
        What is held: in ``run.json``.

    Raises
    ------
    stellarclass.exceptions.InputError
        If the results were begun with something else.
    """
    ours = {
        "plan": plan.units_sha256,
        "stellarclass_version": __version__,
        "ensemble": classifier.ensemble.name,
        "ensemble_sha256": classifier.ensemble.sha256,
        "classes": list(classifier.ensemble.classes),
        "label_system": classifier.label_system,
        "class_prior": classifier.class_prior,
        "class_set_level": classifier.ensemble.card.levels["class_set"],
        "radius_level": classifier.ensemble.card.levels["radius_interval"],
        "pixels": settings.pixels,
        **observed_with(classifier),
    }
    if stamps is not None:
        about = read_about(stamps)
        ours |= {name: value for name, value in about.items() if not settings._names(name)}
        check_stamps(stamps, about, ours)
    theirs = read_json(layout.run)
    if theirs is None:
        if any(layout.manifest(0).parents[1].rglob("*.json")):
            raise InputError(
                f"{layout.run} is lost or damaged, and with it what the answers there were made with; let new ones go "
                "to a folder of their own (--results NAME)"
            )
        write_json(layout.run, ours)
        return ours
    changed = [name for name in ours if theirs.get(name) != ours[name]]
    if changed:
        listed = "; ".join(f"{name}: {theirs.get(name)!r}, now {ours[name]!r}" for name in changed)
        raise InputError(
            f"{fspath(layout.results)} was begun with something else ({listed}); go on as it was begun, or let the new "
            "answers go to a folder of their own (--results NAME)"
        )
    return theirs


def load_run(layout, plan):
    """Read what the answers were made with.

    Parameters
    ----------
    layout : Layout
    plan : SurveyPlan
        Whose answers they have to be.

    Returns
    -------
    dict
        As `pin` held it.

    Raises
    ------
    stellarclass.exceptions.InputError
        If there are no answers, or they are those of another plan.
    """
    run = read_json(layout.run)
    if run is None:
        raise InputError(f"there are no answers in {layout.results}; stellarclass survey run makes them")
    if run.get("plan") != plan.units_sha256:
        raise InputError(f"the answers in {layout.results} are those of another plan; run the survey anew")
    return run
