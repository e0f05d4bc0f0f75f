# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What a survey will cost: bytes, core-hours, disk and days, from rates that were measured.

The rates that come with the package are those of one machine on one day, in ``tables/survey_rates.json``;
``python benchmarks/survey_rates.py`` measures them anywhere.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from ..exceptions import InputError

__all__ = ["DR17_FIELDS", "CostEstimate", "Rates", "estimate_cost", "load_rates"]

DR17_FIELDS = 938_046
"""Fields of SDSS's imaging in DR17 (https://www.sdss4.org/dr17/scope)."""

_DR17_STARS_PER_FIELD = 50_871_534 / DR17_FIELDS  # the list of Deng et al. 2024, Section 5
_BANDS = 5
_LINKS = (1e9, 10e9)  # bit/s
_MACHINES = (1, 10, 100)


@dataclass(frozen=True)
class Rates:
    """What one core of a machine does, and how large things are.

    Attributes
    ----------
    measured, machine, command : str
        When, where and how.
    bytes_per_frame : float
        Compressed size of a frame.
    decode_per_frame : float
        Core seconds to read one.
    field : float
        Core seconds for what is done once a field: its PSF, its noise, matching.
    pixels_per_star : float
        Core seconds to cut and measure a star, and make the networks' inputs of it.
    network_per_star : float
        Core seconds of the ensemble.
    gpu_per_star : float or None
        GPU seconds of the ensemble; None if no GPU was at hand.
    answer_bytes_per_star, stamp_bytes_per_star : float
        Sizes on disk.
    """

    measured: str
    machine: str
    command: str
    bytes_per_frame: float
    decode_per_frame: float
    field: float
    pixels_per_star: float
    network_per_star: float
    gpu_per_star: float | None
    answer_bytes_per_star: float
    stamp_bytes_per_star: float


@dataclass(frozen=True)
class CostEstimate:
    """What a survey will cost.

    Attributes
    ----------
    stars, fields : int
    cores : int
        Cores of a machine.
    download_bytes : float
        Frames; what Gaia sends is small beside them.
    core_hours : dict of str to float
        By what they are spent on.
    gpu_hours : float or None
        For the networks, instead of their core-hours; None: not measured.
    answer_bytes, stamp_bytes : float
        On disk; the second only if stamps are kept.
    rates : Rates
    """

    stars: int
    fields: int
    cores: int
    download_bytes: float
    core_hours: dict
    gpu_hours: float | None
    answer_bytes: float
    stamp_bytes: float
    rates: Rates

    def days(self, link, machines):
        """Days that it takes.

        Parameters
        ----------
        link : float
            Bits per second that the archive and the network give all machines together.
        machines : int

        Returns
        -------
        days : float
        limit : str
            "link" or "cores": what it is waited for.
        """
        download = self.download_bytes * 8 / link / 86_400
        compute = sum(self.core_hours.values()) / (machines * self.cores) / 24
        return (download, "link") if download > compute else (compute, "cores")

    def text(self):
        """The same to read.

        Returns
        -------
        str
        """
        total = sum(self.core_hours.values())
        parts = ", ".join(f"{what} {hours / total:.0%}" for what, hours in self.core_hours.items())
        gpu = "not measured" if self.gpu_hours is None else f"{self.gpu_hours:.1f} (instead of the cores' share)"
        lines = [
            f"stars         {self.stars:,} in {self.fields:,} fields ({self.fields * _BANDS:,} frames)",
            f"download      {_bytes(self.download_bytes)}",
            f"core-hours    {total:,.1f} ({parts})",
            f"GPU-hours     {gpu}",
            f"disk          answers {_bytes(self.answer_bytes)}; stamps, if kept, {_bytes(self.stamp_bytes)}; "
            f"frames, if kept, {_bytes(self.download_bytes)}",
            "",
            f"days          {'':12s}" + "".join(f"{m:>9d} x {self.cores} cores" for m in _MACHINES),
        ]
        for link in _LINKS:
            cells = []
            for machines in _MACHINES:
                days, limit = self.days(link, machines)
                cells.append(f"{_short(days)} ({limit})".rjust(9 + len(f" x {self.cores} cores")))
            lines.append(f"    at {link / 1e9:2.0f} Gb/s{'':13s}" + "".join(cells))
        lines += ["", f"rates of {self.rates.measured}, {self.rates.machine}: {self.rates.command}"]
        return "\n".join(lines)


def load_rates(path=None):
    """Read rates.

    Parameters
    ----------
    path : path-like, optional
        A file of ``benchmarks/survey_rates.py``; those that come with the package by default.

    Returns
    -------
    Rates

    Raises
    ------
    stellarclass.exceptions.InputError
        If it cannot be understood.
    """
    path = Path(__file__).parent / "tables" / "survey_rates.json" if path is None else Path(path)
    try:
        content = json.loads(path.read_text("utf-8"))
        rates = Rates(**content)
        numbers = [v for name, v in content.items() if name not in ("measured", "machine", "command", "gpu_per_star")]
        if not all(isinstance(v, (int, float)) and math.isfinite(v) and v > 0 for v in numbers):
            raise ValueError("a rate is no positive number")
    except (OSError, ValueError, TypeError, AttributeError) as err:
        raise InputError(f"cannot read rates from {path}: {err}; benchmarks/survey_rates.py measures them") from err
    return rates


def estimate_cost(stars, fields=None, *, rates=None, cores=16):
    """Estimate what a survey will cost.

    Parameters
    ----------
    stars : int
    fields : int, optional
        Fields that they lie in; by default as many stars a field as in the list of Deng et al. (2024): 54.
    rates : Rates, optional
        Those that come with the package by default.
    cores : int, optional
        Cores of a machine.

    Returns
    -------
    CostEstimate

    Raises
    ------
    stellarclass.exceptions.InputError
        If a number is negative, or there are more fields than stars.

    Examples
    --------
    >>> from stellarclass.survey import estimate_cost
    >>> cost = estimate_cost(50_871_534, 938_046)
    >>> 10e12 < cost.download_bytes < 20e12
    True
    """
    if fields is None:
        fields = min(DR17_FIELDS, math.ceil(stars / _DR17_STARS_PER_FIELD))
    if stars < 0 or fields < 0 or cores < 1 or fields > stars:
        raise InputError(f"{stars} stars in {fields} fields on {cores} cores: there is no such survey")
    rates = load_rates() if rates is None else rates
    hours = {
        "decoding": fields * _BANDS * rates.decode_per_frame / 3600,
        "fields": fields * rates.field / 3600,
        "pixels": stars * rates.pixels_per_star / 3600,
        "networks": stars * rates.network_per_star / 3600,
    }
    return CostEstimate(
        stars=stars,
        fields=fields,
        cores=cores,
        download_bytes=fields * _BANDS * rates.bytes_per_frame,
        core_hours=hours,
        gpu_hours=None if rates.gpu_per_star is None else stars * rates.gpu_per_star / 3600,
        answer_bytes=stars * rates.answer_bytes_per_star,
        stamp_bytes=stars * rates.stamp_bytes_per_star,
        rates=rates,
    )


def _bytes(number):
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.1f} {unit}"
        number /= 1000
    return ""


def _short(days):
    return f"{days:.1f}" if days >= 0.1 else f"{days:.3f}"
