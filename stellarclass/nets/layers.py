# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The building blocks of the paper's network: 3 x 3 convolutions and the attention of CBAM.

On maps of a few pixels a processor spends most of a convolution on the padding around them. There the same sums are
done as one product of matrices, several times as fast; they are equal to rounding.
"""

import torch
from torch import nn
from torch.nn import functional

__all__ = ["CBAM", "ChannelAttention", "ConvBlock", "PixelConvBlock", "SpatialAttention"]

_NARROW = 2  # pixels a side up to which a 3 x 3 convolution is slower than a product of matrices
_KERNEL = 7  # of the spatial attention
_SMALL = 8  # pixels a side up to which the same holds for its two channels


class ConvBlock(nn.Module):
    """A 3 x 3 convolution without bias, batch normalization, ReLU.

    Parameters
    ----------
    inputs, outputs : int
        Number of channels.
    stride : int
        1 keeps the image's size, 2 halves it (rounded up).
    """

    def __init__(self, inputs, outputs, *, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        narrow = x.shape[2] == x.shape[3] <= _NARROW
        x = _multiply(x, self.conv.weight, stride=self.conv.stride[0]) if narrow else self.conv(x)
        return functional.relu(self.norm(x))


class PixelConvBlock(ConvBlock):
    """A `ConvBlock` that takes pixels of 0 to 255, of any type, as if they were divided by 255.

    The division is done to the few weights instead of to the many pixels.
    """

    def forward(self, x):
        """Map (B, inputs, H, W) of 0 to 255 to (B, outputs, H / stride, W / stride)."""
        weight = self.conv.weight
        x = functional.conv2d(x.to(weight.dtype), weight / 255, stride=self.conv.stride, padding=self.conv.padding)
        return functional.relu(self.norm(x))


class ChannelAttention(nn.Module):
    """Weigh each channel by what its mean and its maximum over the image say (Woo et al. 2018, Section 3).

    Parameters
    ----------
    channels : int
        Number of channels.
    reduction : int
        The hidden layer is this many times narrower, and at least 1 wide.
    """

    def __init__(self, channels, *, reduction=16):
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, channels, bias=False)

    def forward(self, x):
        """Map (B, C, H, W) to the weights of its channels (B, C, 1, 1)."""
        pooled = torch.stack([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))])  # (2, B, C)
        scores = self.expand(functional.relu(self.squeeze(pooled))).sum(dim=0)  # (B, C)
        return scores.sigmoid()[:, :, None, None]


class SpatialAttention(nn.Module):
    """Weigh each pixel by what the mean and the maximum over its channels say (Woo et al. 2018, Section 3)."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, _KERNEL, padding=_KERNEL // 2)

    def forward(self, x):
        """Map (B, C, H, W) to the weights of its pixels (B, 1, H, W)."""
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)  # (B, 2, H, W)
        if x.shape[2] == x.shape[3] <= _SMALL:
            scores = _multiply(pooled, self.conv.weight) + self.conv.bias[:, None, None]
        else:
            scores = self.conv(pooled)
        return scores.sigmoid()


class CBAM(nn.Module):
    """Convolutional block attention (Woo et al. 2018): channels first, then pixels.

    Parameters
    ----------
    channels : int
        Number of channels.
    """

    def __init__(self, channels):
        super().__init__()
        self.channel = ChannelAttention(channels)
        self.spatial = SpatialAttention()

    def forward(self, x):
        """Map (B, C, H, W) to (B, C, H, W)."""
        x = self.channel(x) * x
        return self.spatial(x) * x


def _multiply(x, weight, *, stride=1):
    """The convolution of small square maps, (B, C, S, S) to (B, D, S / stride, S / stride), as a product of matrices.

    Each row of the matrix is a pixel that goes in and each column one that comes out; between them stands the tap of
    the (D, C, K, K) kernel that joins the two, or 0: such a column is a window of the kernel in a frame of zeros.
    """
    side = x.shape[-1]
    width, taps = -(-side // stride), weight.shape[-1]
    # The first window belongs to the last pixel; where a kernel is wider than the map, the frame's width is negative.
    before, after = stride * (width - 1) - taps // 2, side - (taps - taps // 2)
    framed = functional.pad(weight, (before, after, before, after))
    windows = framed.unfold(2, side, stride).unfold(3, side, stride)  # (D, C, width, width, side, side)
    matrix = windows.flip(2, 3).permute(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * side**2, -1)
    return (x.flatten(1) @ matrix).reshape(len(x), -1, width, width)
