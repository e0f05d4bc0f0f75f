# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`conf`: archive addresses, releases, time-outs, cache. Read at call time, never at import."""

from astropy import config as _config

__all__ = ["Conf", "conf"]


class Conf(_config.ConfigNamespace):
    """Configuration of stellarclass (see `astropy.config`)."""

    sas_url = _config.ConfigItem("https://data.sdss.org/sas", "Base address of the SDSS Science Archive Server.")
    sas_mirrors = _config.ConfigItem(
        [], "Base addresses of copies of that server, asked in turn where it fails.", "string_list"
    )
    skyserver_url = _config.ConfigItem("https://skyserver.sdss.org", "Base address of SDSS SkyServer.")
    gaia_tap_url = _config.ConfigItem(
        "https://gea.esac.esa.int/tap-server/tap", "Address of the TAP service that holds Gaia."
    )
    gaia_table = _config.ConfigItem("gaiadr3.gaia_source", "Name of the Gaia source table on that service.")
    gaia_parameters_table = _config.ConfigItem(
        "gaiadr3.astrophysical_parameters", "Name of the table of astrophysical parameters on that service."
    )
    simbad_tap_url = _config.ConfigItem(
        "https://simbad.cds.unistra.fr/simbad/sim-tap", "Address of the TAP service that holds SIMBAD."
    )
    simbad_table = _config.ConfigItem("basic", "Name of SIMBAD's table of objects on that service.")
    vizier_tap_url = _config.ConfigItem(
        "https://tapvizier.cds.unistra.fr/TAPVizieR/tap", "Address of the TAP service that holds VizieR's catalogs."
    )
    lamost_tap_url = _config.ConfigItem(
        "https://gea.esac.esa.int/tap-server/tap", "Address of the TAP service that holds LAMOST's catalog of spectra."
    )
    lamost_table = _config.ConfigItem(
        "external.lamost_dr9_lrs", "Name of LAMOST's general catalog of low-resolution spectra on that service."
    )
    clarke_catalog = _config.ConfigItem(
        "J/A+A/639/A84", "VizieR's name of the catalog of Clarke et al. (2020), or of one of its tables."
    )
    sdss_data_release = _config.ConfigItem(17, "SDSS data release that images and catalogs are taken from.")
    sdss_footprint = _config.ConfigItem(
        "",
        "MOC file of the sky that SDSS imaged: no archive is asked for stars off it. Empty: nothing is refused.",
        "string",
    )
    timeout = _config.ConfigItem(60.0, "Seconds without a byte after which a request to an archive is given up.")
    time_budget = _config.ConfigItem(600.0, "Seconds that a frame or a chunk of positions may take, retries included.")
    retries = _config.ConfigItem(3, "Times that a failed request is tried again.")
    retry_delay = _config.ConfigItem(
        1.0, "Longest wait before the second try, in seconds; doubled for each one after it. A part of it is drawn."
    )
    longest_delay = _config.ConfigItem(60.0, "Seconds to which waits between tries grow at most.")
    longest_retry_after = _config.ConfigItem(
        300.0, "Seconds that an archive may ask a request to wait (Retry-After); asked for more, it is given up."
    )
    outage_failures = _config.ConfigItem(
        10, "Failures in a row after which a host is taken to be down: requests to it pause, and one at a time probes."
    )
    outage_wait = _config.ConfigItem(
        60.0, "Seconds that a host may be down before requests to it are given up at once."
    )
    put_backs = _config.ConfigItem(
        1, "Times that a field whose frames cannot be had for the moment is put back behind the others."
    )
    connections = _config.ConfigItem(4, "Downloads at a time from one archive.")
    host_connections = _config.ConfigItem(8, "Requests at a time to one host, of all archives and threads together.")
    bandwidth = _config.ConfigItem(0.0, "Bytes per second that all downloads together take at most; 0: no limit.")
    skyserver_chunk = _config.ConfigItem(500, "Positions in one SkyServer cross-identification.")
    gaia_chunk = _config.ConfigItem(5000, "Positions in one Gaia upload join.")
    tap_chunk = _config.ConfigItem(5000, "Positions in one upload join with SIMBAD or LAMOST.")
    match_radius = _config.ConfigItem(3.0, "Largest separation of a Gaia match at the frame's epoch, in arcsec.")
    max_frame_bytes = _config.ConfigItem(64_000_000, "Largest frame accepted, in bytes, compressed or not.")
    max_spectrum_bytes = _config.ConfigItem(32_000_000, "Largest file with a spectrum accepted, in bytes.")
    max_table_bytes = _config.ConfigItem(
        8_000_000_000, "Bytes that a table may unpack to, or says that it takes in memory, to be read from a file."
    )
    cache_dir = _config.ConfigItem(
        "", "Folder that keeps downloaded frames and spectra; empty: astropy's cache folder.", "string"
    )
    ensemble = _config.ConfigItem("default", "Ensemble used when none is named.")


conf = Conf()
"""The one instance of `Conf`; ``with conf.set_temp("timeout", 5): ...`` changes it for a while."""
