"""Return curves: what a larger budget buys, on tasks of growing difficulty.

After 'Return Curves in Computational Budgets', with the uncertainty that it lacks.
"""

from scalax.studies.protocol import Study, deferred
from scalax.studies.returns.config import ReturnsConfig as ReturnsConfig
from scalax.studies.returns.result import ReturnsResult

STUDY = Study(
    "returns",
    ReturnsConfig,
    ReturnsResult,
    run=deferred("scalax.studies.returns.study", "run"),
    report=deferred("scalax.studies.returns.report", "report"),
    plan=deferred("scalax.studies.returns.plan_text", "plan"),
    unused=deferred("scalax.studies.returns.planning", "unused"),
)
