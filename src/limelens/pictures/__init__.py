"""Explanations to look at: arrays in, picture out."""

from limelens.pictures.colors import color_limit
from limelens.pictures.legend import color_bar
from limelens.pictures.overlay import draw_heatmap, draw_image, draw_overlay, draw_top
from limelens.pictures.sheet import sheet

__all__ = [
    "color_bar",
    "color_limit",
    "draw_heatmap",
    "draw_image",
    "draw_overlay",
    "draw_top",
    "sheet",
]
