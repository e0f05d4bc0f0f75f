# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""MMSCNet, the network of Deng et al. (2024), and SCNet, its image-only case (Shi et al. 2023)."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from .layers import CBAM, ConvBlock, PixelConvBlock

__all__ = ["MMSCNet", "SCNet", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """Widths of the layers, by default the paper's.

    Attributes
    ----------
    stage1 : tuple of int
        Channels of each composite's own branch, before and after its second halving.
    stage2 : tuple of int
        Channels after the branches are joined, then after the third and the fourth halving.
    numeric : tuple of int
        The two dense layers of the numeric branch.
    dense : tuple of int
        The dense layers over both.
    """

    stage1: tuple = (64, 128)
    stage2: tuple = (256, 512, 1024)
    numeric: tuple = (64, 32)
    dense: tuple = (1024, 128, 64)

    @classmethod
    def scaled(cls, width, *, dense_width=None):
        """The paper's widths times a factor, each at least 1 and the joined branches twice one branch.

        Parameters
        ----------
        width : float
            The factor, above 0.
        dense_width : float, optional
            That of the dense layers, if it is another one.

        Returns
        -------
        Sizes
        """

        def times(sizes, factor=width):
            return tuple(max(1, round(size * factor)) for size in sizes)

        stage1 = times(cls.stage1)
        dense = width if dense_width is None else dense_width
        return cls(stage1, (2 * stage1[1], *times(cls.stage2[1:])), times(cls.numeric, dense), times(cls.dense, dense))


class MMSCNet(nn.Module):
    """Two composites and a few numbers in, class scores and a Gaussian in radius out.

    At ``width=1`` with five classes, two numbers and 64-pixel images it has 49,255,795 parameters, the paper's 49.3
    million: 32,161,920 in the convolutions and their batch normalization, 140,684 in the attention, 2,272 in the
    numeric branch, 16,950,464 in the dense layers (nearly all of them in the first, 16,416 x 1,024) and 455 in the
    heads.

    Three things the paper leaves open are as in the training code that its authors published: the convolutions have no
    bias, the channel attention narrows 16 times, and nothing nonlinear stands between the two dense layers of the
    numeric branch. That code leaves out the layers from 16,416 to 128, which cannot run; here they are in their place.

    Parameters
    ----------
    width : float
        Factor on every layer's width; 1 is the paper's, 1/8 is about a hundredth of its cost.
    classes : int
        Number of spectral classes.
    image_size : int
        Side of the composites in pixels.
    numeric : int
        How many numbers come with the images; 0 leaves the numeric branch out.
    pool : int, optional
        Side of the grid that the last feature map is averaged to before the dense layers. By default the map's own
        side up to the paper's 4, so that images larger than 64 pixels need no more parameters. 1 averages over the
        image, which is what makes narrow networks small.
    dense_width : float, optional
        Factor on the widths of the dense layers, numeric branch included; by default ``width``. A narrow network needs
        a larger one: at 1/8 classes and radius would hang on 8 units, and each that a step of the training switches off
        for good (a ReLU that is 0 for every star learns no more) is missing. Dense layers cost little.

    Examples
    --------
    >>> import torch
    >>> from stellarclass.nets.mmscnet import MMSCNet
    >>> net = MMSCNet(width=1 / 16, image_size=32).eval()
    >>> image = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    >>> outputs = net({"image_a": image, "image_b": image, "numeric": torch.zeros(2, 2)})
    >>> {name: tuple(value.shape) for name, value in outputs.items()}
    {'logits_sdss': (2, 5), 'radius_mean': (2,), 'radius_variance': (2,)}
    """

    variance_floor = 1e-6
    """Smallest variance predicted, in solar radii squared: keeps the likelihood finite."""

    def __init__(self, width=1.0, classes=5, image_size=64, numeric=2, pool=None, dense_width=None):
        super().__init__()
        for name, factor in (("width", width), ("dense_width", width if dense_width is None else dense_width)):
            if not 0 < factor <= 4:
                raise ValueError(f"{name} = {factor!r} is not above 0 and at most 4")
        if not (1 <= classes <= 100 and 8 <= image_size <= 512 and 0 <= numeric <= 1000):
            raise ValueError(
                f"classes = {classes!r}, image_size = {image_size!r} or numeric = {numeric!r} is outside 1 to 100, "
                "8 to 512 and 0 to 1000"
            )
        pool = min(4, math.ceil(image_size / 16)) if pool is None else pool
        if not 1 <= pool <= 32:
            raise ValueError(f"pool = {pool!r} is not a side of 1 to 32")
        sizes = Sizes.scaled(width, dense_width=dense_width)
        self.pool = pool
        self.branch_a = _stage1(sizes)
        self.branch_b = _stage1(sizes)
        self.stage2 = _stage2(sizes)
        self.numeric = nn.Sequential(*_linears((numeric, *sizes.numeric))) if numeric else None
        features = sizes.stage2[-1] * pool**2 + (sizes.numeric[-1] if numeric else 0)
        self.dense = nn.ModuleList(_linears((features, *sizes.dense)))
        self.dropout = nn.Dropout(0.2)
        self.classes = nn.Linear(sizes.dense[-1], classes)
        self.mean = nn.Linear(sizes.dense[-1], 1)
        self.variance = nn.Linear(sizes.dense[-1], 1)

    def forward(self, inputs):
        """Predict for B stars.

        Parameters
        ----------
        inputs : dict of str to Tensor
            ``"image_a"`` and ``"image_b"``, (B, 3, S, S), pixels of 0 to 255 of any type; ``"numeric"``, (B, numeric).

        Returns
        -------
        dict of str to Tensor
            ``"logits_sdss"`` (B, classes), ``"radius_mean"`` (B,) and ``"radius_variance"`` (B,) in solar radii and
            their square.
        """
        a = self.branch_a(inputs["image_a"])  # (B, 128, S / 4, S / 4)
        b = self.branch_b(inputs["image_b"])  # (B, 128, S / 4, S / 4)
        x = self.stage2(torch.cat([a, b], dim=1))  # (B, 1024, S / 16, S / 16)
        x = functional.adaptive_avg_pool2d(x, self.pool).flatten(1)  # (B, 1024 * pool^2)
        if self.numeric is not None:
            x = torch.cat([x, self.numeric(inputs["numeric"])], dim=1)  # (B, 1024 * pool^2 + 32)
        for layer in self.dense:
            x = functional.relu(layer(x))  # (B, 1024), (B, 128), (B, 64)
        x = self.dropout(x)
        return {
            "logits_sdss": self.classes(x),
            "radius_mean": self.mean(x).squeeze(1),
            "radius_variance": functional.softplus(self.variance(x)).squeeze(1) + self.variance_floor,
        }


class SCNet(MMSCNet):
    """The image-only network, one branch fewer: what the paper's first row of Table 2 uses, after Shi et al. (2023).

    Parameters
    ----------
    width, classes, image_size, pool, dense_width
        See `MMSCNet`.
    """

    def __init__(self, width=1.0, classes=5, image_size=64, pool=None, dense_width=None):
        super().__init__(
            width=width, classes=classes, image_size=image_size, numeric=0, pool=pool, dense_width=dense_width
        )


def _stage1(sizes):
    """One composite's branch: (B, 3, S, S) -> (B, 128, S / 4, S / 4)."""
    c1, c2 = sizes.stage1
    return nn.Sequential(
        PixelConvBlock(3, c1, stride=2),
        CBAM(c1),
        ConvBlock(c1, c1),
        ConvBlock(c1, c1),
        ConvBlock(c1, c2, stride=2),
        ConvBlock(c2, c2),
        ConvBlock(c2, c2),
    )


def _stage2(sizes):
    """Both branches: (B, 256, S / 4, S / 4) -> (B, 1024, S / 16, S / 16)."""
    c3, c4, c5 = sizes.stage2
    return nn.Sequential(
        CBAM(c3),
        ConvBlock(c3, c3),
        ConvBlock(c3, c3),
        ConvBlock(c3, c3),
        ConvBlock(c3, c4, stride=2),
        ConvBlock(c4, c4),
        ConvBlock(c4, c4),
        ConvBlock(c4, c5, stride=2),
        ConvBlock(c5, c5),
        CBAM(c5),
        ConvBlock(c5, c5),
    )


def _linears(sizes):
    """Dense layers from each size to the next."""
    return [nn.Linear(a, b) for a, b in pairwise(sizes)]
