"""Why does this network not learn? What is wrong with it is found, named, and explained.

:func:`minigrad.diagnose` runs a training step or a few while it listens to everything that passes
the doors, puts everything back, and lists what it found.

===================  =============================================================================
:mod:`.diagnosing`   the function: runs, probes, asks the checks
:mod:`.state`        what a step may change, kept and put back
:mod:`.observed`     what is seen of a training step
:mod:`.layers`       what is measured of a layer
:mod:`.checks`       the checks, by what they look at
:mod:`.findings`     what a check says
:mod:`.report`       all of it, as text, page and data
:mod:`.watching`     :func:`minigrad.watch`: what happens over a training, recorded
===================  =============================================================================
"""

from minigrad.diagnosis.diagnosing import diagnose
from minigrad.diagnosis.findings import Finding
from minigrad.diagnosis.report import Report
from minigrad.diagnosis.watching import Watch, watch

__all__ = ["Finding", "Report", "Watch", "diagnose", "watch"]
