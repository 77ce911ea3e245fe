"""Convolution on arrays: `convolution` is the entrance, `ways` lists how it is computed."""
