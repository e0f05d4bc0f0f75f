# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``stellarclass reference``: the reference set from the archives, and a target list for the application."""

import argparse
import shutil
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from .options import ZERO_POINTS, add_common, add_verb, not_negative, positive, show_progress

__all__ = ["add_parser", "run"]

_SIMBAD = ("drop", "flag", "off")
_FRAMES = "frames"  # of the fields under way, within the folder of the run


def add_parser(verbs):
    """Add the verb."""
    parser = add_verb(
        verbs,
        "reference",
        run,
        summary="build the reference set of labeled stars from the archives",
        description="Build the reference set of Deng et al. (2024): SDSS spectra, Gaia, SIMBAD, LAMOST, images.\n"
        "Stop it whenever you like: the same command goes on. With --targets, a target list instead;\n"
        "with --simulated, a set of the simulated sky in the paper's mix, without any archive.",
        example="stellarclass reference --output reference\n"
        "  stellarclass reference --simulated 9180 --output simulated\n"
        '  stellarclass reference --targets "150.1 20.2 0.5" --output stars.fits',
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the run, or TABLE")
    parser.add_argument("--targets", metavar="CIRCLE", help='"RA DEC RADIUS" in degrees: stars of Clarke et al. (2020)')
    parser.add_argument("--simulated", type=positive, metavar="N", help="so many simulated stars (the paper: 9180)")
    parser.add_argument("--seed", type=not_negative, default=1, metavar="N", help="of quota and split (%(default)s)")
    rules = parser.add_argument_group("rules (in brackets the paper's, or ours where it gives none)")
    rules.add_argument("--snr-min", type=float, metavar="X", help="S/N of the spectrum (5)")
    rules.add_argument("--reject-flags", metavar="NAMES", help="photometric flags (saturated); or saturated,edge,...")
    rules.add_argument("--faint-limits", metavar="MAGS", help="u,g,r,i,z (22,22.2,22.2,21.3,20.5), or none")
    rules.add_argument("--quota", metavar="N", help="stars per class that go on to Gaia (6606), or none")
    rules.add_argument("--match-radius", type=float, metavar="ARCSEC", help="at the image's epoch (3)")
    rules.add_argument("--simbad", choices=_SIMBAD, metavar="WHAT", help="drop, flag, off (drop)")
    rules.add_argument("--parallax-over-error", type=float, metavar="X", help="above (2)")
    rules.add_argument("--pm-error", type=float, metavar="X", help="both below, mas/yr (0.2)")
    rules.add_argument("--ruwe", type=float, metavar="X", help="below (1.4)")
    rules.add_argument("--no-lamost", action="store_true", help="do not ask for LAMOST's classes")
    where = parser.add_argument_group("where from")
    where.add_argument("--images", type=Path, metavar="DIR", help="a copy of SDSS's archive tree, not the network")
    where.add_argument("--keep-frames", action="store_true", help="in the cache, 17 MB a field (else removed)")
    where.add_argument("--skip-failed", action="store_true", help="do without fields that cannot be fetched")
    where.add_argument("--zero-point", choices=ZERO_POINTS, metavar="NAME", help="of parallaxes (lindegren)")
    where.add_argument("--data-release", type=positive, metavar="N", help="SDSS data release (17)")
    add_common(parser)


def run(args):
    """Carry the verb out and return the exit code."""
    from .. import conf

    with ExitStack() as stack:
        if args.data_release is not None:
            stack.enter_context(conf.set_temp("sdss_data_release", args.data_release))
        if args.targets is not None:
            return _targets(args)
        return _build(args) if args.simulated is None else _simulate(args)


def _simulate(args):
    """A set of the simulated sky, where that of the archives would lie."""
    from .._progress import progress_bar
    from ..reference import ReferenceSet
    from . import EXIT_OK

    with progress_bar(args.simulated, enabled=show_progress(args), desc="Simulating", unit="star") as bar:
        reference = ReferenceSet.simulated(
            args.simulated, seed=args.seed, progress=lambda done: bar.update(done - bar.n)
        )
    args.output.mkdir(parents=True, exist_ok=True)
    reference.write(args.output / "set")
    print(f"{reference}\nset: {args.output / 'set'}")
    return EXIT_OK


def _build(args):
    from ..reference import build_reference
    from ..reference.report import HTML_NAME, text_table
    from . import EXIT_OK

    cuts = _cuts(args)
    sources, on_field = _sources(args)
    reference = build_reference(
        args.output,
        sources=sources,
        cuts=cuts,
        seed=args.seed,
        skip_failed=args.skip_failed,
        on_field=on_field,
        progress=show_progress(args),
    )
    shutil.rmtree(args.output / _FRAMES, ignore_errors=True)
    print("\n".join(text_table(_records(args.output), reference.table)))
    print(f"set: {args.output / 'set'}, report: {args.output / HTML_NAME}")
    return EXIT_OK


def _records(folder):
    from ..reference.build import STEPS
    from ..reference.steps import Step

    return [Step(folder / f"{number}-{name}", name, {}).record for number, name in enumerate(STEPS, 1)]


def _cuts(args):
    """The rules that the options give, the others as they are by default."""
    from astropy import units as u

    from ..reference import Cuts

    given = {name: getattr(args, name) for name in ("snr_min", "parallax_over_error", "ruwe")}
    given["reject_flags"] = None if args.reject_flags is None else _names(args.reject_flags)
    given["simbad"] = None if args.simbad == "off" else args.simbad
    given["match_radius"] = None if args.match_radius is None else args.match_radius * u.arcsec
    for name in ("pmra_error", "pmdec_error"):
        given[name] = None if args.pm_error is None else args.pm_error * u.mas / u.yr
    chosen = {name: value for name, value in given.items() if value is not None}
    if args.quota is not None:
        chosen["quota"] = None if args.quota == "none" else _quota(args.quota)
    if args.faint_limits is not None:
        chosen["faint_limits"] = None if args.faint_limits == "none" else _magnitudes(args.faint_limits) * u.mag
    return Cuts(**chosen)


def _names(text):
    return () if text == "none" else tuple(name.strip().lower() for name in text.split(","))


def _quota(text):
    from ..exceptions import InputError

    try:
        return positive(text)
    except argparse.ArgumentTypeError as err:
        raise InputError(f"--quota {err}; or none") from err


def _magnitudes(text):
    import numpy as np

    from ..exceptions import InputError

    try:
        return np.array([float(part) for part in text.split(",")])
    except ValueError as err:
        raise InputError(f"--faint-limits {text!r} are not five numbers with commas, nor none") from err


def _sources(args):
    """Whom to ask, and what to do with the frames of a field that is done."""
    from ..archives import SDSS, GaiaParameters, LocalSAS
    from ..exceptions import InputError
    from ..reference import Sources

    if args.images is not None:
        if not args.images.is_dir():
            raise InputError(f"--images {args.images}: there is no such folder")
        images, on_field = LocalSAS(args.images), None
    elif args.keep_frames:
        images, on_field = SDSS(), None
    else:
        images = SDSS(cache_dir=args.output / _FRAMES)
        on_field = partial(_forget, args.output / _FRAMES, images.data_release)
    gaia = GaiaParameters() if args.zero_point is None else GaiaParameters(zero_point=args.zero_point)
    simbad, lamost = (False if off else None for off in (args.simbad == "off", args.no_lamost))
    return Sources(gaia=gaia, images=images, simbad=simbad, lamost=lamost), on_field


def _forget(folder, data_release, key):
    """Remove the frames of a field from the cache of this run."""
    from .. import conf
    from ..archives.base import BANDS
    from ..archives.cache import FrameCache

    cache = FrameCache(folder, archive=conf.sas_url, data_release=data_release)
    for band in BANDS:
        cache.path(key, band).unlink(missing_ok=True)


def _targets(args):
    """The stars of Clarke et al. (2020) in a circle, as a table."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    from ..archives import ClarkeCatalog
    from ..exceptions import InputError
    from ..tables import table_format, write_table
    from . import EXIT_OK

    table_format(args.output)
    try:
        ra, dec, radius = (float(part) for part in args.targets.replace(",", " ").split())
        center = SkyCoord(ra * u.deg, dec * u.deg)
    except ValueError as err:
        raise InputError(f'--targets {args.targets!r} is not "RA DEC RADIUS" in degrees: {err}') from err
    if args.output.exists():
        raise InputError(f"{args.output} is already there; name another file")
    table = ClarkeCatalog().region(center, radius * u.deg)
    write_table(table, args.output)
    print(f"{len(table)} stars without a spectrum: {args.output}")
    return EXIT_OK
