"""Adaptive shapes: static runs, their laws, the schedule that follows the steepest, and runs by it.

After 'Navigating Scaling Laws: Compute Optimality in Adaptive Model Training' (sections 3 and 4).
"""

from scalax.studies.adaptive.config import AdaptiveConfig as AdaptiveConfig
from scalax.studies.adaptive.config import TuneConfig as TuneConfig
from scalax.studies.adaptive.result import AdaptiveResult
from scalax.studies.protocol import Study, deferred

STUDY = Study(
    "adaptive",
    AdaptiveConfig,
    AdaptiveResult,
    run=deferred("scalax.studies.adaptive.study", "run"),
    report=deferred("scalax.studies.adaptive.report", "report"),
    version=2,
    directories=("tuning", "runs", "efficienttrain", "cooled"),
    unused=deferred("scalax.studies.adaptive.tuning", "unused"),
)
