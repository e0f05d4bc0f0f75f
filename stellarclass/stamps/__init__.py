# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pixel work, without torch: from frames to stamps, from stamps to what a network takes in.

``cutouts`` cuts stamps out of frames, ``psf`` and ``photometry`` measure them, ``recipes`` names the ways to network
inputs: ``photometric`` is the default ensemble's, ``mescr`` (with ``roi`` and ``composites``) that of the paper.
"""

from .base import STAMP_SIZE, Stamps

__all__ = ["STAMP_SIZE", "Stamps"]
