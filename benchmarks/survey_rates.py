# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What one core does for a survey, as `stellarclass.survey.estimate_cost` takes it.

    python benchmarks/survey_rates.py --sas DIR --output rates.json

Processor time of one thread, the median over repetitions. Frames come from a SAS tree, or are simulated.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.compute

from stellarclass import Classifier, simulate
from stellarclass.archives import LocalSAS, read_frame
from stellarclass.archives.base import Field
from stellarclass.astrometry import Astrometry
from stellarclass.nets.threads import limited_threads
from stellarclass.results import Results
from stellarclass.stamps.cutouts import cut_field, field_psf, field_psf_trend
from stellarclass.stamps.photometry import measure
from stellarclass.survey import part
from stellarclass.survey.arrowfile import to_bytes
from stellarclass.survey.stampstore import StampWriter
from stellarclass.targets import Targets

STARS = 54  # of a field


def cpu(function, repeats):
    """Median processor time, and what came back."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        taken.append(time.process_time() - start)
    return statistics.median(taken), result


def measure_rates(tree, *, ensemble, device, repeats, folder):
    images = LocalSAS(tree, threads=1)
    paths = [path for key in images.keys() for path in images._files[key].values()]
    sizes = [path.stat().st_size for path in paths]
    decode = [cpu(lambda path=path: read_frame(path), 1)[0] for path in paths[: max(5, repeats)]]
    key = max(images.keys(), key=lambda key: len(images._files[key]))
    field = Field(key, {band: read_frame(path) for band, path in images._files[key].items()})
    classifier = Classifier(ensemble, images=images, astrometry=False, device="cpu")

    once, (psf, trend) = cpu(lambda: (field_psf(field), field_psf_trend(field)), repeats)
    frame = field.frames["r"]
    rng = np.random.default_rng(0)
    y, x = (rng.uniform(60, n - 60, STARS) for n in frame.data.shape)
    ra, dec = frame.wcs.wcs_pix2world(x, y, 0)

    def pixels():
        stamps = cut_field(field, ra, dec, psf=psf, trend=trend)
        photometry = measure(stamps)
        return stamps, photometry, classifier.ensemble.recipe(stamps, Astrometry.empty(STARS), photometry=photometry)

    per_field, (stamps, photometry, inputs) = cpu(pixels, repeats)
    ask = {"label_system": classifier.label_system, "batch_size": 256}
    network, prediction = cpu(lambda: classifier.ensemble.predict(inputs, **ask), repeats)

    targets = Targets(ra, dec)
    results = Results(targets, classifier.ensemble.classes)
    known = {name: rng.uniform(0.1, 3, STARS) for name in Astrometry.__dataclass_fields__}
    known |= {"source_id": rng.integers(1, 2**60, STARS), "match_count": np.ones(STARS, np.int64)}
    gaia = Astrometry(**known | {"flags": np.zeros(STARS, np.int64)})
    results.file(np.arange(STARS), stamps=stamps, photometry=photometry, astrometry=gaia, prediction=prediction)
    table = results.table({})
    answers = part.to_arrow(np.arange(STARS), table, classifier.ensemble.classes)
    many = like_others(answers, 16, rng)
    store = folder / "stamps.parquet"
    with StampWriter(store) as writer:
        writer.add(np.arange(STARS), targets, stamps, gaia)
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"one core of {platform.machine()}, {os.cpu_count()} in all, load {os.getloadavg()[0]:.0f}",
        "command": "python benchmarks/survey_rates.py",
        "bytes_per_frame": round(statistics.mean(sizes)),
        "decode_per_frame": round(statistics.median(decode), 4),
        "field": round(once, 4),
        "pixels_per_star": round(per_field / STARS, 6),
        "network_per_star": round(network / STARS, 6),
        "gpu_per_star": gpu_rate(ensemble, device, inputs, ask) if device else None,
        "answer_bytes_per_star": round(len(to_bytes(many)) / many.num_rows),
        "stamp_bytes_per_star": round(store.stat().st_size / STARS),
    }


def like_others(table, times, rng):
    """As many times the rows, none like another: rows that repeat would compress to nothing."""
    many = pa.concat_tables([table] * times)
    columns = []
    for name in many.column_names:
        column = many[name]
        if pa.types.is_floating(column.type):
            noise = pa.array(rng.normal(1, 0.1, many.num_rows))
            column = pa.compute.multiply(column.combine_chunks(), noise)
        columns.append(column)
    return pa.table(columns, schema=many.schema)


def gpu_rate(ensemble, device, inputs, ask):
    """Wall time a star on a GPU, in batches of 1024, transfers included."""
    from stellarclass import conf, load_ensemble

    loaded = load_ensemble(ensemble or conf.ensemble, device=device)
    many = {name: np.concatenate([np.asarray(values)] * 19)[:1024] for name, values in inputs.items()}
    taken = []
    for _ in range(12):
        start = time.perf_counter()
        loaded.predict(many, **(ask | {"batch_size": 1024}))
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[2:]) / 1024


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sas", type=Path, help="a SAS tree; without it a field is simulated")
    parser.add_argument("--ensemble", help="name or folder (default: default)")
    parser.add_argument("--device", help="a GPU, such as cuda")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--output", type=Path, help="JSON for stellarclass survey plan --rates")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder, limited_threads(1):
        tree = args.sas
        if tree is None:
            tree = Path(folder) / "sas"
            tree.mkdir()
            simulate.field(seed=1, n_stars=STARS).write(tree)
        rates = measure_rates(
            tree, ensemble=args.ensemble, device=args.device, repeats=args.repeats, folder=Path(folder)
        )
    if args.sas is not None:
        rates["command"] += " --sas DIR"
    text = json.dumps(rates, indent=1) + "\n"
    if args.output:
        args.output.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
