"""Elementary and special functions, for use inside kernels and on arrays."""
