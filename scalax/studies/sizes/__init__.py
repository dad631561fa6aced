"""One model on training sets of many sizes, and whether laws fitted to the smaller foretell the larger.

After 'Broken Neural Scaling Laws' (Caballero et al. 2023), section 5.5: a loss that falls sharply, after a
delay, as the training set grows.
"""

from scalax.studies.protocol import Study, deferred
from scalax.studies.sizes.config import SizesConfig as SizesConfig
from scalax.studies.sizes.result import SizesResult

STUDY = Study(
    "sizes",
    SizesConfig,
    SizesResult,
    run=deferred("scalax.studies.sizes.study", "run"),
    report=deferred("scalax.studies.sizes.report", "report"),
    unused=deferred("scalax.studies.sizes.config", "unused"),
)
