"""Named evaluations of a run: any number of them, each on data, layers and a period of its own.

An evaluation is a frozen dataclass in a file of this package, or anywhere else; a config puts it into
`EvalConfig.more`. Training knows them by the protocol alone. Nothing here imports JAX before it measures, so
that a config which names evaluations is read at once.
"""

from scalax.evals.evaluator import Evaluator as Evaluator
from scalax.evals.evaluator import evaluations as evaluations
from scalax.evals.evaluator import measured_by as measured_by
from scalax.evals.fewshot import FewShot as FewShot
from scalax.evals.linear import LinearProbe as LinearProbe
from scalax.evals.margins import Margins as Margins
from scalax.evals.norms import Norms as Norms
from scalax.evals.outputs import Outputs as Outputs
from scalax.evals.outputs import Predicted as Predicted
from scalax.evals.probes import Probes as Probes
from scalax.evals.protocol import Context as Context
from scalax.evals.protocol import Evaluation as Evaluation
from scalax.evals.validation import Validation as Validation
