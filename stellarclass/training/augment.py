# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The paper's five augmentations (Deng et al. 2024, Section 3.2.1 and Fig. A3), on whole batches, wherever they are.

Both composites of a star are treated alike: one angle, one box, one draw of the noise for the two of them.
"""

import math

import torch
from torch.nn import functional as F

__all__ = ["augment", "choose_operations"]

_WHITE = 255.0
_ASPECT = 3.3  # of the erased boxes, at most; Zhong et al. (2020, AAAI 34, 13001), Table 1


def augment(batch, config, *, repeated, generator):
    """Augment the images of a batch.

    Parameters
    ----------
    batch : dict of str to Tensor
        With ``image_a`` and ``image_b``, (B, 3, S, S), 0 to 255.
    config : `~stellarclass.training.config.AugmentationConfig`
        Which operations, how often and how strong.
    repeated : Tensor of bool, shape (B,)
        Stars that the training set holds several times: each gets one operation at least.
    generator : torch.Generator
        On the device of the batch; the same state gives the same images.

    Returns
    -------
    dict of str to Tensor
        The batch with new ``image_a`` and ``image_b`` in float32, 0 to 255; everything else is as it was.
    """
    if not config.operations:
        return batch
    images = torch.cat([batch["image_a"], batch["image_b"]], dim=1).float()  # (B, 6, S, S), a copy
    chosen = choose_operations(repeated, config, generator=generator)
    for k, name in enumerate(config.operations):
        rows = chosen[:, k].nonzero()[:, 0]
        if len(rows):
            images[rows] = _APPLY[name](images[rows], config, generator)
    return batch | {"image_a": images[:, :3], "image_b": images[:, 3:]}


def choose_operations(repeated, config, *, generator):
    """Which operations each star of a batch gets.

    Parameters
    ----------
    repeated : Tensor of bool, shape (B,)
        Stars that get one at least.
    config : `~stellarclass.training.config.AugmentationConfig`
        Operations (K of them) and how probable each is.
    generator : torch.Generator
        On the same device.

    Returns
    -------
    Tensor of bool, shape (B, K)
    """
    shape, device = (len(repeated), len(config.operations)), repeated.device
    chosen = torch.rand(shape, generator=generator, device=device) < config.probability
    some = torch.randint(shape[1], (shape[0], 1), generator=generator, device=device)
    missing = repeated & ~chosen.any(dim=1)
    return chosen | (missing[:, None] & (torch.arange(shape[1], device=device) == some))


def _uniform(low, high, images, generator):
    """A number for each star, (B,)."""
    return low + (high - low) * torch.rand(len(images), generator=generator, device=images.device)


def _rotate(images, config, generator):
    """By any angle up to the limit, bilinear; what turns in from outside is black, as the sky is."""
    angle = _uniform(-config.rotation, config.rotation, images, generator) * (math.pi / 180)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).reshape(-1, 2, 3)  # (B, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)  # (B, S, S, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _flip(images, config, generator):
    """Left to right, upside down, or both, with the same probability."""
    kind = torch.randint(3, (len(images), 1, 1, 1), generator=generator, device=images.device)
    images = torch.where(kind != 1, images.flip(3), images)
    return torch.where(kind != 0, images.flip(2), images)


def _add_noise(images, config, generator):
    """Of one standard deviation. Images stay within 0 to 255 and keep their scale."""
    b, _, h, w = images.shape
    noise = torch.randn((b, 3, h, w), generator=generator, device=images.device)
    return (images + config.noise * noise.repeat(1, 2, 1, 1)).clamp(0, _WHITE)


def _inside(images, top, left, height, width):
    """Pixels whose centers lie in each star's box, (B, 1, S, S)."""
    y = torch.arange(images.shape[2], device=images.device)[None, :] + 0.5
    x = torch.arange(images.shape[3], device=images.device)[None, :] + 0.5
    rows = (y >= top[:, None]) & (y < (top + height)[:, None])  # (B, S)
    columns = (x >= left[:, None]) & (x < (left + width)[:, None])  # (B, S)
    return rows[:, None, :, None] & columns[:, None, None, :]


def _cut_out(images, config, generator):
    """A black square around any pixel, parts of it beyond the edge (DeVries & Taylor 2017, arXiv:1708.04552)."""
    h, w = images.shape[2:]
    side = torch.full((len(images),), max(1.0, config.cutout * h), device=images.device)
    top = _uniform(0, h, images, generator) - side / 2
    left = _uniform(0, w, images, generator) - side / 2
    return torch.where(_inside(images, top, left, side, side), 0.0, images)


def _erase(images, config, generator):
    """A box of any shape filled with noise from black to white (Zhong et al. 2020, AAAI 34, 13001)."""
    b, _, h, w = images.shape
    area = _uniform(*config.erasing, images, generator) * (h * w)
    aspect = torch.exp(_uniform(-math.log(_ASPECT), math.log(_ASPECT), images, generator))
    height = (area * aspect).sqrt().clamp(1, h)
    width = (area / aspect).sqrt().clamp(1, w)
    top = _uniform(0, 1, images, generator) * (h - height)
    left = _uniform(0, 1, images, generator) * (w - width)
    noise = torch.rand((b, 3, h, w), generator=generator, device=images.device) * _WHITE
    return torch.where(_inside(images, top, left, height, width), noise.repeat(1, 2, 1, 1), images)


_APPLY = {"rotation": _rotate, "flip": _flip, "noise": _add_noise, "cutout": _cut_out, "erasing": _erase}
