"""One answer for a class from many images: a few masks of each, pooled."""
