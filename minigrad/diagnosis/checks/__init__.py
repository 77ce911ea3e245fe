"""The checks, by what they look at; importing this enters all of them, in the order of a report."""

from minigrad.diagnosis.checks import data, wiring, units, gradients, weights, rate  # isort: skip

__all__ = ["data", "gradients", "rate", "units", "weights", "wiring"]
