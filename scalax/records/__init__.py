"""What runs leave behind, and how it is read back: a line for each evaluation, a description of the run."""

from scalax.files import create_atomically as create_atomically
from scalax.files import dumps as dumps
from scalax.files import replacing as replacing
from scalax.files import write_atomically as write_atomically
from scalax.records.record import Found as Found
from scalax.records.record import RunRecord as RunRecord
from scalax.records.record import append as append
from scalax.records.record import keep_until as keep_until
from scalax.records.record import measured as measured
from scalax.records.record import read as read
from scalax.records.record import scan as scan
from scalax.records.run import INFO_FILE as INFO_FILE
from scalax.records.run import METRICS_FILE as METRICS_FILE
from scalax.records.run import Run as Run
from scalax.records.run import RunInfo as RunInfo
from scalax.records.run import is_finished as is_finished
from scalax.records.run import is_run as is_run
from scalax.records.run import problem_of as problem_of
from scalax.records.run import read_info as read_info
from scalax.records.run import read_run as read_run
from scalax.records.run import validation_targets as validation_targets
from scalax.records.run import write_info as write_info
from scalax.records.scores import read_scores as read_scores
from scalax.records.scores import write_scores as write_scores
from scalax.records.state_file import StateFile as StateFile
from scalax.records.state_file import read_json as read_json
