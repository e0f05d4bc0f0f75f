# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bits of the column ``flags`` of SDSS's photometric tables, as far as they say how good a star's pixels are.

The values are those of SkyServer's enumeration ``PhotoFlags`` (``SELECT * FROM PhotoFlags``), the meaning that of
Stoughton et al. (2002, AJ 123, 485, section 4.4.4) and https://www.sdss4.org/dr17/algorithms/flags_detail. The column
is the union over the five bands: a star is SATURATED if it is so in one of them.
"""

from types import MappingProxyType

__all__ = ["PHOTO_FLAGS"]

PHOTO_FLAGS = MappingProxyType(
    {
        "BRIGHT": 0x2,  # a duplicate, found when the bright objects were looked for first
        "EDGE": 0x4,  # too close to the edge of the frame
        "BLENDED": 0x8,  # several peaks
        "CHILD": 0x10,  # a part of something BLENDED
        "PEAKCENTER": 0x20,  # the center is the brightest pixel; no fit succeeded
        "NODEBLEND": 0x40,  # BLENDED, yet not taken apart
        "NOPROFILE": 0x80,  # too small or too close to the edge for a radial profile
        "COSMIC_RAY": 0x1000,  # a pixel hit by a cosmic ray
        "INTERP": 0x20000,  # a pixel whose value was interpolated
        "SATURATED": 0x40000,  # a saturated pixel
        "NOTCHECKED": 0x80000,  # a part that was not searched for peaks, such as a star's saturated core
        "DEBLENDED_AS_PSF": 0x2000000,  # a CHILD that was taken to be a point source
        "BINNED1": 0x10000000,  # found in the image at full resolution
        "MOVED": 0x80000000,  # perhaps moving from band to band
        "DEBLENDED_AS_MOVING": 0x100000000,  # taken to be an asteroid
        "PEAKS_TOO_CLOSE": 0x2000000000,  # peaks that were too close to be taken apart
        "BAD_COUNTS_ERROR": 0x10000000000,  # the PSF flux's error holds an interpolated pixel and is too small
        "SATUR_CENTER": 0x80000000000,  # saturated at the very center
        "INTERP_CENTER": 0x100000000000,  # interpolated within 3 pixels of the center
        "DEBLENDED_AT_EDGE": 0x200000000000,  # taken apart with EDGE set
        "DEBLEND_NOPEAK": 0x400000000000,  # a CHILD without a peak of its own
        "PSF_FLUX_INTERP": 0x800000000000,  # more than 20 % of the PSF flux interpolated
    }
)
"""Name to bit; test with ``table["photo_flags"] & PHOTO_FLAGS["SATURATED"]``."""
