"""Many explanations at once: on one scale, and on one page."""
