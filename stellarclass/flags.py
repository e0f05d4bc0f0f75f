# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The bit masks of the output table: one registry that constants, decoder, docs and tests read.

``flags`` says what went wrong or deserves care with a star, ``inputs_used`` what its answer rests on.

    >>> from stellarclass import flags
    >>> flags.decode(flags.SATURATED | flags.NO_ASTROMETRY)
    ['saturated', 'no_astrometry']
"""

import operator
from dataclasses import dataclass

__all__ = ["FLAGS", "INPUTS", "Bit", "decode", "decode_inputs"]


@dataclass(frozen=True)
class Bit:
    """One bit of a mask.

    Attributes
    ----------
    name : str
        Lower-case name, as `decode` prints it.
    bit : int
        Position; the mask value is ``1 << bit``.
    fatal : bool
        Whether a star with this bit has masked results.
    description : str
        What it means, for the docs.
    """

    name: str
    bit: int
    fatal: bool
    description: str

    @property
    def value(self):
        """The mask with this bit alone."""
        return 1 << self.bit


FLAGS = (
    Bit("bad_coordinate", 0, True, "The position is masked, NaN or not on the sky."),
    Bit("no_image", 1, True, "No field of the image source covers the position."),
    Bit("image_failure", 2, True, "The frames could not be fetched or read; a warning names address and reason."),
    Bit("no_usable_band", 3, True, "Fewer than two bands are usable at the star's place."),
    Bit("not_detected", 4, True, "No band shows the star at a signal-to-noise ratio of 3."),
    Bit("missing_band", 5, False, "At least one of the five bands has no frame; the others were used."),
    Bit("off_frame", 6, False, "The 64 x 64 pixel stamp reaches over the edge of a frame."),
    Bit("bad_pixels", 7, False, "NaN pixels within 7 pixels of the star in at least one band; that band was not used."),
    Bit(
        "saturated",
        8,
        False,
        "Saturated pixels within 7 pixels of the star in at least one band; that band was not used.",
    ),
    Bit(
        "blended",
        9,
        False,
        "A neighbor contributes more than a tenth of the light within 7 pixels (r, or the nearest band used).",
    ),
    Bit("no_astrometry", 10, False, "No Gaia source within the match radius; image-only answer."),
    Bit("astrometry_failure", 11, False, "The astrometric archive did not answer; image-only answer."),
    Bit("ambiguous_match", 12, False, "More than one Gaia source within the match radius; the best was taken."),
    Bit("bad_astrometry", 13, False, "Gaia's ruwe is 1.4 or more: binary or poor solution; the parallax is suspect."),
    Bit(
        "two_parameter_astrometry", 14, False, "The Gaia source has a position but neither parallax nor proper motion."
    ),
    Bit("out_of_domain", 15, False, "The inputs are unlike anything the ensemble was trained on."),
    Bit(
        "ambiguous_field", 16, False, "SkyServer names several objects at the position; the nearest primary was taken."
    ),
    Bit("unknown_psf", 17, False, "Too few stars in a frame to measure its PSF; a typical PSF was assumed."),
    Bit("off_footprint", 18, True, "The survey has not imaged the position, by its footprint; no archive was asked."),
)
"""Bits of the column ``flags``."""

INPUTS = (
    Bit("u", 0, False, "The u band."),
    Bit("g", 1, False, "The g band."),
    Bit("r", 2, False, "The r band."),
    Bit("i", 3, False, "The i band."),
    Bit("z", 4, False, "The z band."),
    Bit("parallax", 5, False, "Gaia's parallax and its error."),
    Bit("proper_motion", 6, False, "Gaia's proper motion."),
)
"""Bits of the column ``inputs_used``."""

for _bit in FLAGS:
    globals()[_bit.name.upper()] = _bit.value
for _bit in INPUTS:
    globals()["USED_" + _bit.name.upper()] = _bit.value
__all__ += [b.name.upper() for b in FLAGS] + ["USED_" + b.name.upper() for b in INPUTS] + ["FATAL"]
del _bit

FATAL = sum(b.value for b in FLAGS if b.fatal)
"""Mask of the bits that leave a star without results."""


def _decode(value, registry):
    try:
        value = operator.index(value)
    except TypeError as err:
        raise TypeError("one value at a time: [decode(value) for value in column]") from err
    known = sum(b.value for b in registry)
    if value < 0 or value & ~known:
        raise ValueError(f"{value} has bits outside the registry (known mask: {known})")
    return [b.name for b in registry if value & b.value]


def decode(value):
    """Names of the bits set in a value of the column ``flags``.

    Parameters
    ----------
    value : int
        One value of the column.

    Returns
    -------
    list of str
        Names in bit order; empty when all is well.

    Raises
    ------
    TypeError
        If it is not one whole number.
    ValueError
        If an unknown bit is set.
    """
    return _decode(value, FLAGS)


def decode_inputs(value):
    """Names of the bits set in a value of the column ``inputs_used``.

    Parameters
    ----------
    value : int
        One value of the column.

    Returns
    -------
    list of str
        Names in bit order.

    Raises
    ------
    TypeError
        If it is not one whole number.
    ValueError
        If an unknown bit is set.
    """
    return _decode(value, INPUTS)
