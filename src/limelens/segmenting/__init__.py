"""From an image to its segments."""

from limelens.segmenting.fixed import Grid, LabelImage
from limelens.segmenting.superpixels import Felzenszwalb, Quickshift, Slic, Watershed
from limelens.segmenting.view import View, segmenting_view

__all__ = [
    "Felzenszwalb",
    "Grid",
    "LabelImage",
    "Quickshift",
    "Slic",
    "View",
    "Watershed",
    "segmenting_view",
]
