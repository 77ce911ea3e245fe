"""Matrix products: numpy's OpenBLAS by address, and our own packed ones."""
