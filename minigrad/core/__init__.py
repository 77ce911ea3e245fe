"""The core: a whole autograd library on numpy alone; everything else plugs into it."""
