"""What upstream error buys downstream: models of one data set, probed on many others, and the head's part.

After 'Exploring the Limits of Large Scale Pre-training' (Abnar et al. 2021).
"""

from scalax.studies.protocol import Study, deferred
from scalax.studies.transfer.config import HeadConfig as HeadConfig
from scalax.studies.transfer.config import TransferConfig as TransferConfig
from scalax.studies.transfer.result import StudyResult

STUDY = Study(
    "transfer",
    TransferConfig,
    StudyResult,
    run=deferred("scalax.studies.transfer.study", "run"),
    report=deferred("scalax.studies.transfer.report", "report"),
    directories=("runs", "head", "finetune"),
    unused=deferred("scalax.studies.transfer.grid", "unused"),
)
