# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the augmentations of training do to one star, as images to look at (Deng et al. 2024, Fig. A3)."""

from dataclasses import replace

import numpy as np
import torch

from .augment import augment
from .config import AugmentationConfig

__all__ = ["augmented_examples"]


def augmented_examples(image_a, image_b, *, config=None, seed=1):
    """Apply each augmentation alone to the two composites of a star.

    Parameters
    ----------
    image_a, image_b : ndarray, shape (3, S, S), uint8
        The star's composites, as `~stellarclass.stamps.mescr.MescrRecipe` makes them.
    config : `~stellarclass.training.config.AugmentationConfig`, optional
        Which augmentations, and how strong; by default those of the paper.
    seed : int
        The same seed gives the same images.

    Returns
    -------
    dict of str to tuple of ndarray
        The two images, uint8, by name of the augmentation; ``"original"`` first.

    Examples
    --------
    >>> import numpy as np
    >>> from stellarclass.training.examples import augmented_examples
    >>> star = np.zeros((3, 64, 64), np.uint8)
    >>> star[:, 28:36, 30:34] = 200
    >>> list(augmented_examples(star, star))
    ['original', 'rotation', 'flip', 'noise', 'cutout', 'erasing']
    """
    config = AugmentationConfig() if config is None else config
    batch = {"image_a": torch.from_numpy(np.array(image_a))[None], "image_b": torch.from_numpy(np.array(image_b))[None]}
    generator = torch.Generator().manual_seed(seed)
    found = {"original": (np.array(image_a), np.array(image_b))}
    for name in config.operations:
        one = replace(config, operations=(name,))
        changed = augment(batch, one, repeated=torch.ones(1, dtype=torch.bool), generator=generator)
        found[name] = tuple(changed[key][0].round().clamp(0, 255).to(torch.uint8).numpy() for key in batch)
    return found
