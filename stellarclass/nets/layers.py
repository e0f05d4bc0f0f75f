# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The building blocks of the paper's network: 3 x 3 convolutions and the attention of CBAM."""

import torch
from torch import nn
from torch.nn import functional

__all__ = ["CBAM", "ChannelAttention", "ConvBlock", "PixelConvBlock", "SpatialAttention"]


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
        return functional.relu(self.norm(self.conv(x)))


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
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x):
        """Map (B, C, H, W) to the weights of its pixels (B, 1, H, W)."""
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)  # (B, 2, H, W)
        return self.conv(pooled).sigmoid()


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
