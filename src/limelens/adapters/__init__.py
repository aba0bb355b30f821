"""Networks of other libraries, and services, made into a `Model`."""
