# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What `speed.py` compares with: the same work done star by star with astropy, as one would write it first.

The paper's way is that of Deng et al. (2024), as its text and the code published with it describe it: the frames of a
star are opened for that star, ``Cutout2D`` cuts them, ``make_lupton_rgb`` makes the composites, the region is grown and
resized, and six full networks answer 16 stars at a time.
"""

import numpy as np
import torch
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.visualization import make_lupton_rgb
from astropy.wcs import WCS
from torch.nn.functional import interpolate

from stellarclass.archives.base import BANDS
from stellarclass.nets.mmscnet import MMSCNet
from stellarclass.stamps.base import STAMP_SIZE

MEMBERS, BATCH = 6, 16


def open_frame(path):
    """Image and WCS of a frame, read by astropy."""
    with fits.open(path, memmap=False) as hdus:
        return hdus[0].data, WCS(hdus[0].header)


def cutout(data, position, wcs=None):
    """64 x 64 pixels around a SkyCoord (with a WCS) or around a pixel (without); 0 where the frame ends."""
    size = (STAMP_SIZE, STAMP_SIZE)
    return Cutout2D(data, position, size, wcs=wcs, mode="partial", fill_value=0.0).data


def network_images(bands, *, combination=("gri", "urz"), size=64, q=8.0, stretch=0.5):
    """Composites of one star, cut to its region and resized: uint8, (2, 3, size, size).

    ``bands`` are five cutouts by name. The region grows by rings around the middle while at most a fifth of the pixels
    of the outermost ring are at or below 0.05 nanomaggies in r.
    """
    half, middle = 3, STAMP_SIZE // 2
    while True:
        box = slice(middle - half, middle + half)
        ring = np.ones((2 * half, 2 * half), bool)
        if half > 3:
            ring[1:-1, 1:-1] = False
        invalid = np.mean(~(bands["r"][box, box][ring] > 0.05))
        if invalid > 0.2 or half == middle:
            break
        half += 1
    images = []
    for red, green, blue in combination:
        with np.errstate(invalid="ignore", divide="ignore"):  # pixels of exactly 0
            rgb = make_lupton_rgb(bands[red], bands[green], bands[blue], minimum=0, stretch=stretch, Q=q)[box, box]
        pixels = torch.from_numpy(rgb.transpose(2, 0, 1).astype(np.float32))[None]
        mode = {"mode": "bilinear", "align_corners": False} if 2 * half < size else {"mode": "area"}
        images.append(interpolate(pixels, size=(size, size), **mode)[0].round().to(torch.uint8).numpy())
    return np.stack(images)


def star_by_sky(frames, coord):
    """Network images of one star from open frames: ``Cutout2D`` at a SkyCoord in each band."""
    return network_images({b: cutout(data, coord, wcs) for b, (data, wcs) in frames.items()})


def star_by_pixel(frames, pixels):
    """Network images of one star from open frames: ``Cutout2D`` at a pixel (x, y) of each band."""
    return network_images({b: cutout(frames[b][0], pixels[b]) for b in BANDS})


def star_the_papers_way(paths, coord):
    """Network images of one star, its five frames opened for it alone."""
    return star_by_sky({b: open_frame(path) for b, path in paths.items()}, coord)


class PaperNetworks:
    """Six MMSCNet of full width, 16 stars at a time. They share one set of weights: the work is the same."""

    def __init__(self, *, width=1.0):
        torch.manual_seed(0)
        self.network = MMSCNet(width=width).eval()

    def __call__(self, images, numeric):
        """Answers for (N, 2, 3, 64, 64) uint8 and (N, 2) numbers, as the paper combines them."""
        answers = []
        for start in range(0, len(images), BATCH):
            part = torch.from_numpy(images[start : start + BATCH])
            inputs = {"image_a": part[:, 0], "image_b": part[:, 1]}
            inputs["numeric"] = torch.from_numpy(numeric[start : start + BATCH])
            with torch.inference_mode():
                outputs = [self.network(inputs) for _ in range(MEMBERS)]
            probabilities = sum(o["logits_sdss"].softmax(1) for o in outputs) / MEMBERS
            answers.append((probabilities.numpy(), sum(o["radius_mean"] for o in outputs).numpy() / MEMBERS))
        return tuple(np.concatenate(a) for a in zip(*answers, strict=True))
