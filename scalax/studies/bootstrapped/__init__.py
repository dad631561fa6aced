"""Whether repeated (bootstrapped) examples count as fresh ones until a small set is overfitted.

After Alabdulmohsin et al. 2022, 'Revisiting Neural Scaling Laws in Language and Vision'.
"""

from scalax.studies.bootstrapped.config import BootstrappedConfig as BootstrappedConfig
from scalax.studies.bootstrapped.config import unused
from scalax.studies.bootstrapped.result import BootstrappedResult
from scalax.studies.protocol import Study, deferred

STUDY = Study(
    "bootstrapped",
    BootstrappedConfig,
    BootstrappedResult,
    run=deferred("scalax.studies.bootstrapped.study", "run"),
    report=deferred("scalax.studies.bootstrapped.report", "report"),
    unused=unused,
)
