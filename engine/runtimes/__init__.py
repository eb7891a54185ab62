"""Weights on one device and named graphs; the only place that knows an inference library."""
