"""What drives a bundle's graphs; chosen by `spec.program`."""
