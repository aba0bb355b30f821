"""Models of other libraries as `predict_fn`."""
