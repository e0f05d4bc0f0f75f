# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The fixture `dachs_gaia`: real Gaia rows behind a real TAP service, once per test session."""

import os
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table, vstack
from dachs.service import Dachs, missing

# Gaia DR3 4472832130942575872, and a made-up neighbor that has a position only.
BARNARD = {
    "source_id": 4472832130942575872, "ra": 269.44850252543836, "dec": 4.739420051112412, "ref_epoch": 2016.0,
    "parallax": 546.9759, "parallax_error": 0.0401, "pmra": -801.551, "pmra_error": 0.0325, "pmdec": 10362.394,
    "pmdec_error": 0.0362, "ruwe": 1.0954, "phot_g_mean_mag": 8.1939, "bp_rp": 2.8339,
}  # fmt: skip
TWO_PARAMETER = {
    **dict.fromkeys(BARNARD, np.nan),
    **{"source_id": 4472832130942575000, "ra": 269.4485, "dec": 4.74, "ref_epoch": 2016.0, "phot_g_mean_mag": 20.5},
}

SINGLE = ("parallax_error", "pmra_error", "pmdec_error", "ruwe", "phot_g_mean_mag", "bp_rp")
"""Of single precision in Gaia's archive, and in the service's table."""


def gaia_rows(m2):
    """Rows around M2 with all columns of a candidate (ruwe is not known there), and two around Barnard's star."""
    table = m2[[c for c in BARNARD if c in m2.colnames]]
    table["ruwe"] = np.full(len(table), np.nan)
    rows = vstack([table[list(BARNARD)], Table([BARNARD, TWO_PARAMETER])], metadata_conflicts="silent")
    for name in SINGLE:
        rows[name] = rows[name].astype(np.float32)
    return rows


@pytest.fixture(scope="session")
def dachs_gaia(real_data):
    """DaCHS with the Gaia rows around M2 and Barnard's star: ``url`` of the service, ``rows`` of its table.

    ``load(schema, tables)`` brings in further tables, ``publish(folders)`` folders with resource descriptors.

    Skips where DaCHS is not installed, and fails there in CI.
    """
    if reason := missing():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    rows = gaia_rows(Table.read(real_data / "gaia" / "m2_west_gaia_edr3.ecsv"))
    # Not pytest's own folder, which only its owner may enter; and near the root, as a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="stellarclass-dachs-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103
        service = Dachs(folder, rows)
        try:
            service.start()
            yield SimpleNamespace(url=service.url, rows=rows, load=service.load, publish=service.publish)
        finally:
            service.stop()
