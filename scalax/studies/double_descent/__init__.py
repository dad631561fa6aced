"""Double descent: test error that falls, rises and falls again, over width and over training time.

Which laws follow it (Caballero et al. 2023, 'Broken Neural Scaling Laws', say that theirs does), and from
where on it can be foretold.
"""

from scalax.studies.double_descent.config import DoubleDescentConfig as DoubleDescentConfig
from scalax.studies.double_descent.result import DoubleDescentResult
from scalax.studies.protocol import Study, deferred

STUDY = Study(
    "double_descent",
    DoubleDescentConfig,
    DoubleDescentResult,
    run=deferred("scalax.studies.double_descent.study", "run"),
    report=deferred("scalax.studies.double_descent.report", "report"),
)
