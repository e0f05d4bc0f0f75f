# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The absorption features of stars from O to M, as shapes in wavelength: what the default templates are made of.

Wavelengths are laboratory values in vacuum: hydrogen (Balmer, Paschen), helium, Ca II and the metal lines and blends
that make up spectra at R = 2000, and the heads of TiO, CaH, VO and MgH bands, which degrade to the red. Each shape is a
column of optical depth of peak 1 or so; `stellarclass.spectroscopy.linemodel` multiplies it with a strength by type.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

__all__ = ["NAMES", "feature_shapes"]

_BALMER = (6564.6, 4862.7, 4341.7, 4102.9, 3971.2, 3890.2, 3836.5)
_BALMER_WIDTHS = (4.0, 10.0, 22.0, 45.0)  # Å; from the Doppler core to Stark wings
_CA_TRIPLET = (8500.4, 8544.4, 8664.5)
_PASCHEN = (8470.6, 8600.8, 8752.9, 8865.2, 9017.4)
_WINGS = (3934.8, 3969.6, 4227.9, 5894.6)  # Ca II K and H, Ca I, Na D of cool stars
_LINES = (
    3934.8, 3969.6, 4046.9, 4064.7, 4078.9, 4133.0, 4144.6, 4173.0, 4227.9, 4251.0, 4272.0, 4290.0, 4326.0, 4384.8,
    4405.9, 4427.0, 4456.0, 4482.4, 4495.0, 4530.0, 4550.0, 4584.0, 4668.0, 4703.0, 4736.0, 4780.0, 4892.0, 4921.0,
    4958.9, 4982.0, 5017.0, 5042.0, 5079.0, 5110.0, 5141.0, 5168.7, 5174.1, 5185.0, 5205.0, 5227.0, 5271.0, 5284.0,
    5303.0, 5329.5, 5341.0, 5372.0, 5398.0, 5406.0, 5430.0, 5447.0, 5477.0, 5529.9, 5573.0, 5588.0, 5616.0, 5660.0,
    5685.0, 5711.0, 5784.0, 5858.9, 5891.6, 5897.6, 6104.0, 6123.9, 6138.0, 6163.9, 6192.0, 6231.0, 6254.0, 6302.0,
    6337.0, 6395.0, 6439.9, 6464.0, 6497.0, 6574.0, 6643.0, 6719.0, 7124.0, 7150.0, 7390.0, 7447.0, 7513.0, 7667.0,
    7701.0, 8185.5, 8197.1, 8329.0, 8390.0, 8436.0, 8516.0, 8691.0, 8737.0, 8808.4, 8826.0,
)  # fmt: skip
_HELIUM = (4027.3, 4121.9, 4389.2, 4472.7, 4543.0, 4687.0, 4923.3, 5413.0, 5877.2, 6679.9, 7067.2)
_BLENDS = (
    (3860.0, 15.0), (3880.0, 10.0), (4180.0, 25.0), (4210.0, 12.0), (4308.0, 12.0), (4700.0, 50.0), (4770.0, 40.0),
    (5150.0, 35.0), (5200.0, 20.0),
)  # fmt: skip
_HEADS = (
    4584, 4627, 4761, 4804, 4848, 4954, 4999, 5167, 5240, 5308, 5359, 5448, 5497, 5530, 5598, 5661, 5760, 5810, 5849,
    5862, 5950, 6001, 6030, 6085, 6150, 6174, 6215, 6269, 6322, 6358, 6382, 6451, 6514, 6569, 6597, 6630, 6651, 6681,
    6714, 6747, 6784, 6815, 6852, 6881, 6908, 6946, 6960, 7054, 7088, 7126, 7197, 7270, 7334, 7393, 7445, 7589, 7628,
    7666, 7705, 7743, 7828, 7865, 7896, 7939, 8040, 8111, 8206, 8251, 8303, 8375, 8432, 8442, 8513, 8569, 8611, 8692,
    8860, 8937, 9017, 9100,
)  # fmt: skip
_HEAD_LENGTH = 60.0  # Å
_RESOLUTION = 1700.0  # wavelength over the standard deviation of a line's blend


def _components():
    """Yield (name, kind, wavelength, width)."""
    for line in _BALMER:
        for width in _BALMER_WIDTHS:
            if line > 4000 or width < 20:  # higher members overlap: their wings cannot be told apart
                yield f"H{line:.0f}_{width:.0f}", "line", line, width
    for line in _CA_TRIPLET:
        for width in (5.0, 18.0):
            yield f"CaT{line:.0f}_{width:.0f}", "line", line, width
    for line in _PASCHEN:
        yield f"Pa{line:.0f}", "line", line, 14.0
    for line in _WINGS:
        yield f"wing{line:.0f}", "line", line, 18.0
    for line in _LINES:
        yield f"line{line:.0f}", "line", line, max(3.0, line / _RESOLUTION)
    for line in _HELIUM:
        yield f"He{line:.0f}", "line", line, max(3.0, line / _RESOLUTION)
    for line, width in _BLENDS:
        yield f"blend{line:.0f}", "line", line, width
    for head in _HEADS:
        yield f"head{head}", "head", float(head), _HEAD_LENGTH


NAMES = tuple(name for name, *_ in _components())
"""Names of the K features, in the order of `feature_shapes`."""


def feature_shapes(wavelength):
    """The features' shapes.

    Parameters
    ----------
    wavelength : ndarray, shape (Q,)
        Vacuum wavelengths in Å, in equal steps of their logarithm.

    Returns
    -------
    ndarray, shape (K, Q)
        Optical depth at strength 1.
    """
    step = np.log(wavelength[1] / wavelength[0])
    shapes = []
    for _, kind, center, width in _components():
        if kind == "line":
            shapes.append(np.exp(-0.5 * ((wavelength - center) / width) ** 2))
        else:
            band = np.where(wavelength > center, np.exp(-(wavelength - center) / width), 0.0)
            shapes.append(gaussian_filter1d(band, 2.5e-4 * np.log(10) / step))
    return np.array(shapes)
