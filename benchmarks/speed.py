# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How long things take beside what one would write first, as ratios within one run.

    python benchmarks/speed.py [--data DATA] [--stars N] [--rounds N] > docs/tables/speed.txt

All that is compared is done in turns, several times over, by one thread, and the least processor time counts: what else
the machine does then matters little to a ratio. Frames are those of a simulated field on disk, and of the real fields
below DATA (a folder with SDSS's archive in ``sas``), if it is given or named by STELLARCLASS_REAL_DATA.
"""

import argparse
import bz2
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import astropy
import numpy as np
import peers
import torch
import votable
from astropy import units as u
from astropy.coordinates import SkyCoord

import stellarclass
from stellarclass import Classifier, simulate
from stellarclass.archives import LocalSAS, read_frame
from stellarclass.archives.base import BANDS
from stellarclass.astrometry import Astrometry
from stellarclass.stamps.bright_stars import find_bright_stars
from stellarclass.stamps.cutouts import cut_field, field_shape, sky_sigma
from stellarclass.stamps.mescr import MescrRecipe
from stellarclass.stamps.photometry import measure

_ENSEMBLE_STARS = 1024
_TURN = 0.2  # seconds


@dataclass
class Row:
    """One line of the table: seconds for one unit of work, ours and the peer's."""

    what: str
    unit: str
    peer: str
    ours: float
    theirs: float
    wanted: float = 0.0


def race(contestants, rounds):
    """Least processor time in seconds of each function; they are called in turns, quick ones several times a turn."""
    best = dict.fromkeys(contestants, np.inf)
    for _ in range(rounds):
        for name, work in contestants.items():
            spent = 0.0
            while spent < _TURN:
                began = time.process_time()
                work()
                took = time.process_time() - began
                spent += took
                best[name] = min(best[name], took)
    return best


class Kept:
    """An image source whose fields are in memory: what is left of the time is what comes after reading."""

    def __init__(self, source, key):
        self.source, self.name = source, source.name
        self.contents = next(iter(source.fields([key], progress=False)))

    def locate(self, targets, *, progress=None):
        return self.source.locate(targets, progress=progress)

    def fields(self, keys, *, progress=None):
        yield self.contents


def simulated_archive(folder, n_stars):
    """A field on disk, compressed as SDSS compresses; its stars, and Gaia's rows."""
    sky = simulate.field(seed=1, n_stars=n_stars)
    for path in sky.write(folder, compress=False):
        path.with_suffix(".fits.bz2").write_bytes(bz2.compress(path.read_bytes()))
        path.unlink()
    return LocalSAS(folder), sky.coords, sky.astrometry


def stars_of(field, n):
    """Positions of the n brightest unsaturated objects of a field, as its r frame shows them."""
    frame = field.frames["r"]
    sigma = sky_sigma(frame.data)
    found = find_bright_stars(frame.data, sigma=sigma / 4, limit=20.0, most=n)  # 10 sigma
    return SkyCoord(*frame.wcs.wcs_pix2world(found.x, found.y, 0) * u.deg)


def frame_paths(source, key):
    """A field's files by band."""
    name = f"{key.run:06d}-{key.camcol}-{key.field:04d}.fits.bz2"
    return {p.name[6]: p for p in sorted(Path(source.root).rglob(f"frame-?-{name}"))}


def after_reading(title, source, key, coords, astrometry, rounds):
    """Name of a field, number of stars, seconds for all, and for what comes after its frames are read."""
    whole = Classifier(images=source, astrometry=astrometry, device="cpu")
    kept = Classifier(whole.ensemble, images=Kept(source, key), astrometry=astrometry)
    kept.classify(coords, progress=False)  # footprints are read and networks warmed up
    best = race(
        {
            "whole": lambda: whole.classify(coords, progress=False),
            "after": lambda: kept.classify(coords, progress=False),
        },
        rounds,
    )
    return title, len(coords), best["whole"], best["after"]


def real_fields(folder, n, crowd, rounds):
    """`after_reading` for each real field with n of its stars, and for the richest with many."""
    source = LocalSAS(Path(folder) / "sas")
    found, places = [], {}
    for key in source.keys():
        places[key] = stars_of(next(iter(source.fields([key], progress=False))), crowd)
        some = places[key][:: max(len(places[key]) // n, 1)][:n]
        found.append(after_reading(f"SDSS {key}", source, key, some, False, rounds))
    richest = max(places, key=lambda key: len(places[key]))
    return [*found, after_reading(f"SDSS {richest}", source, richest, places[richest], False, rounds)]


def stages_of_a_field(paths, field, coords, share, rounds):
    """Seconds of a field by what they are spent on."""
    ensemble = stellarclass.load_ensemble("default", device="cpu")
    ra, dec, nowhere = coords.ra.deg, coords.dec.deg, Astrometry.empty(len(coords))
    packed = [path.read_bytes() for path in paths.values()]
    plain = [bz2.decompress(content) for content in packed]
    shape = field_shape(field)
    stamps = cut_field(field, ra, dec, **shape)
    photometry = measure(stamps)
    stages = {
        "bzip2": lambda: [bz2.decompress(content) for content in packed],
        "FITS: headers, WCS, pixels in the machine's order": lambda: [read_frame(content) for content in plain],
        "PSF and noise of the frames": lambda: field_shape(field),
        "stamps": lambda: cut_field(field, ra, dec, **shape),
        "photometry": lambda: measure(stamps),
        "networks and their inputs": lambda: ensemble.predict(ensemble.recipe(stamps, nowhere, photometry=photometry)),
    }
    best = race(stages, rounds)
    best["astrometry, matching, the table"] = share[3] - sum(list(best.values())[2:])
    return best


def frame_row(paths, rounds):
    """Reading a frame."""
    path = paths["r"]
    best = race({"ours": lambda: read_frame(path), "theirs": lambda: peers.open_frame(path)}, rounds)
    return Row("read a frame", "frame", "astropy.io.fits.open, image and WCS only", best["ours"], best["theirs"], 1.8)


def preprocessing_rows(field, coords, rounds):
    """From open frames to the images that the paper's network takes."""
    frames = {b: (f.data, f.wcs) for b, f in field.frames.items()}
    pixels = {b: np.transpose(f.wcs.world_to_pixel(coords)) for b, f in field.frames.items()}
    ra, dec = coords.ra.deg, coords.dec.deg
    shape, recipe = field_shape(field), MescrRecipe()
    made = {}

    def ours():
        made["ours"] = recipe(cut_field(field, ra, dec, **shape))

    def by_sky():
        made["sky"] = np.stack([peers.star_by_sky(frames, coord) for coord in coords])

    def by_pixel():
        made["pixel"] = np.stack(
            [peers.star_by_pixel(frames, {b: tuple(pixels[b][k]) for b in BANDS}) for k in range(len(coords))]
        )

    best = race({"ours": ours, "sky": by_sky, "pixel": by_pixel}, rounds)
    same = np.stack([made["ours"]["image_a"], made["ours"]["image_b"]], axis=1).astype(int)
    apart = max(np.abs(same - made[name]).max() for name in ("sky", "pixel"))
    if apart > 1:
        raise RuntimeError(f"the images made star by star differ from ours by {apart} counts: not the same work")
    each = {name: seconds / len(coords) for name, seconds in best.items()}
    title, peer = "pixels to network images", "Cutout2D at a {} for each star"
    return made["pixel"], [
        Row(title, "star", peer.format("SkyCoord"), each["ours"], each["sky"], 25),
        Row(title, "star", peer.format("pixel"), each["ours"], each["pixel"], 8),
    ]


def network_row(field, coords, images, rounds):
    """The networks alone."""
    ensemble, paper = stellarclass.load_ensemble("default", device="cpu"), peers.PaperNetworks()
    stamps = cut_field(field, coords.ra.deg, coords.dec.deg, **field_shape(field))
    inputs = ensemble.recipe(stamps, Astrometry.empty(len(coords)), photometry=measure(stamps))
    many = {k: np.concatenate([v] * (1 + _ENSEMBLE_STARS // len(v)))[:_ENSEMBLE_STARS] for k, v in inputs.items()}
    batch = np.concatenate([images] * (1 + peers.BATCH // len(images)))[: peers.BATCH]
    numeric = np.zeros((peers.BATCH, 2), np.float32)
    best = race(
        {"ours": lambda: ensemble.predict(many), "theirs": lambda: paper(batch, numeric)},
        rounds,
    )
    ours, theirs = best["ours"] / _ENSEMBLE_STARS, best["theirs"] / peers.BATCH
    return Row(f"the {ensemble.name} ensemble", "star", "six full MMSCNet, batches of 16", ours, theirs, 100)


def field_row(paths, coords, seconds, network, rounds):
    """Everything, for a field: ours was measured before, the paper's way is measured on one star."""
    best = race({"theirs": lambda: peers.star_the_papers_way(paths, coords[0])}, rounds)
    title, peer = f"a field of {len(coords)} stars", "the paper's way, frames opened per star"
    return Row(title, "star", peer, seconds / len(coords), best["theirs"] + network.theirs, 60)


def table_row(folder, rounds, rows=5000):
    """Writing the answer."""
    made, path = votable.made_up(rows), Path(folder) / "table.vot"
    best = race(
        {
            "ours": lambda: votable.write_table(made, path, overwrite=True),
            "theirs": lambda: votable.write_with_astropy(made, path),
        },
        rounds,
    )
    return Row("write VOTable", "row", "astropy.io.votable, BINARY2", best["ours"] / rows, best["theirs"] / rows)


def print_table(lines):
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    print()


def print_rows(rows):
    lines = [("", "stellarclass", "peer", "ratio", "wanted", "peer is")]
    for row in rows:
        rates = (f"{1 / s:.3g} {row.unit}s/s" for s in (row.ours, row.theirs))
        wanted = f"{row.wanted:g}" if row.wanted else "-"
        lines.append((row.what, *rates, f"{row.theirs / row.ours:.1f}", wanted, row.peer))
    print_table(lines)


def print_shares(found):
    lines = [("field", "stars", "all [s]", "after reading [s]", "share")]
    for title, n, whole, after in found:
        lines.append((title, str(n), f"{whole:.2f}", f"{after:.3f}", f"{100 * after / whole:.1f} %"))
    print_table(lines)


def print_stages(best, n):
    total = sum(best.values())
    lines = [(f"a field of {n} stars", "[ms]", "share")]
    lines += [(name, f"{1e3 * seconds:.0f}", f"{100 * seconds / total:.1f} %") for name, seconds in best.items()]
    print_table(lines)


def machine():
    """The class of the machine and how busy it is, and what computes."""
    versions = f"torch {torch.__version__}, numpy {np.__version__}, astropy {astropy.__version__}"
    return f"{os.cpu_count()} cores of {platform.machine()}, load {os.getloadavg()[0]:.1f}; {versions}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("STELLARCLASS_REAL_DATA"), help="real fields")
    parser.add_argument("--stars", type=int, default=54, help="stars of a field (%(default)s)")
    parser.add_argument("--crowd", type=int, default=1485, help="stars of the richest real field (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="times that each is done (%(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"stellarclass {stellarclass.__version__}, {datetime.now(UTC):%Y-%m-%d}; {machine()};")
    print(f"processor time of one thread, the least of {args.rounds}, all in turns\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        source, coords, gaia = simulated_archive(folder, args.stars)
        key = source.keys()[0]
        paths, field = frame_paths(source, key), next(iter(source.fields([key], progress=False)))
        shares = [after_reading("simulated", source, key, coords, gaia, args.rounds)]
        if args.data is not None:
            shares += real_fields(args.data, args.stars, args.crowd, args.rounds)
        images, preprocessing = preprocessing_rows(field, coords, args.rounds)
        network = network_row(field, coords, images, args.rounds)
        whole = field_row(paths, coords, shares[0][2], network, args.rounds)
        rows = [whole, frame_row(paths, args.rounds), *preprocessing, network, table_row(folder, args.rounds)]
        stages = stages_of_a_field(paths, field, coords, shares[0], args.rounds)
    print_rows(rows)
    print_shares(shares)
    print_stages(stages, args.stars)


if __name__ == "__main__":
    main()
