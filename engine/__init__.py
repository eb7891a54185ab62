"""The separation engine: numpy in, numpy out. It knows no network, no event loop, no torch and no environment."""
