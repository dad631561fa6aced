"""Who works on what: one process at a time in a directory, and several workers going through one list."""

from scalax.jobs.claims import Busy as Busy
from scalax.jobs.claims import Claim as Claim
from scalax.jobs.claims import Lost as Lost
from scalax.jobs.claims import claim as claim
from scalax.jobs.holders import Holder as Holder
from scalax.jobs.holders import holder as holder
from scalax.jobs.queue import Failed as Failed
from scalax.jobs.queue import Failure as Failure
from scalax.jobs.queue import Job as Job
from scalax.jobs.queue import drain as drain
from scalax.jobs.queue import failure as failure
from scalax.jobs.queue import note_failure as note_failure
