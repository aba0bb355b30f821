"""The Gaussian process over coalitions behind `QuickLime` and `QuickShap`."""
