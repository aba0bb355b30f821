"""A seed for every image, from what the image is and the seed of its run."""

import hashlib

import numpy as np

from limelens._typing import Image


def image_digest(image: Image) -> str:
    """Return 32 hexadecimal digits for an image: its dtype, its shape and its values.

    Examples
    --------
    >>> image_digest(np.zeros((2, 2))) == image_digest(np.zeros((2, 2)))
    True
    >>> image_digest(np.zeros((2, 2))) == image_digest(np.zeros((4, 1)))
    False
    """
    digest = hashlib.blake2b(f"{image.dtype.str}{image.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).view(np.uint8).data)
    return digest.hexdigest()


def image_seed(image: Image, rng: int = 0) -> np.random.SeedSequence:
    """Return the seed that `explain_many` explains an image with.

    It depends on the image's content and the run's seed, never on the order of the images or on
    the worker. So one image of a run is explained again, bit for bit, by::

        explainer.explain(image, predict_fn, rng=image_seed(image, rng))

    Parameters
    ----------
    image : ndarray
        In the dtype, layout and byte order that the model sees.
    rng : int
        The seed of the run.

    Returns
    -------
    seed : numpy.random.SeedSequence

    Examples
    --------
    >>> seed = image_seed(np.zeros((2, 2)), rng=0)
    >>> seed.entropy == image_seed(np.zeros((2, 2)), rng=0).entropy
    True
    >>> seed.entropy == image_seed(np.zeros((2, 2)), rng=1).entropy
    False
    """
    words = np.frombuffer(bytes.fromhex(image_digest(image)), dtype="<u4")
    return np.random.SeedSequence([rng, *words.tolist()])
