"""How all tests run: what JAX compiles is kept, two workers share the files, `quick` ones are marked.

Child processes of tests inherit the environment that is set here, so that numbers compare bit for bit. Those
of laws need not: their programs are compiled otherwise within a test's own process (_laws_run_fast).
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.xla_flags import known_to_xla

TESTS = Path(__file__).parent
CACHE = Path(os.environ.get("SCALAX_TEST_CACHE", TESTS.parent / ".cache" / "jax"))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Without LLVM's optimisation and with XLA's older emitters a step compiles in a quarter of the time; tests
# run about as fast. In one part instead of up to 32, a small program compiles in three quarters of the time.
# With XLA_FLAGS= in the environment, tests compile as users do.
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = known_to_xla(
        backend_optimization_level=0, cpu_use_fusion_emitters="false", cpu_parallel_codegen_split_count=1
    )
os.environ.setdefault("MPLBACKEND", "agg")
# Each worker and its child processes have their own share of the cores: XLA's threads, which are as many as
# a process has cores, need not wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) % workers
    if cores := sorted(os.sched_getaffinity(0))[number::workers]:
        os.sched_setaffinity(0, cores)
gc.set_threshold(50_000, 20, 50)  # a hundred modules and programs stay: seldom look whether they are garbage

SHARED = TESTS.parents[1] / "shared" / "data"

# Files of more than a few seconds, the longest first: in this order workers take them, after all other files,
# whose tests are all quick. Of these files the functions that are named here are quick.
LONG = {
    "test_laws_forecast.py": [],  # compiles what test_laws_commands.py and test_laws_odd.py take later
    "test_parallel.py": ["test_a_program_is_made_once_for_all_threads"],
    "test_resume.py": [],
    "test_morph.py": [],
    "test_launch.py": [],
    "test_published_numbers.py": [],
    "test_models.py": [],
    "test_groups.py": [],
    "test_train.py": [],
    "test_transfer_study.py": [],
    "test_configs.py": [],
    "test_notebooks.py": [],
    "test_returns.py": ["test_settings_that_make_no_study", "test_settings_of_the_run_that_do_not_apply"],
    "test_laws_commands.py": [],
    "test_damaged_runs.py": [],
    "test_bad_inputs.py": [],
    "test_laws_annealing.py": [
        "test_sums_are_those_of_the_paper",
        "test_schedules_in_words_are_read_or_rejected",
        "test_a_column_says_what_words_do",
        "test_validation_rows_have_the_rate_of_their_neighbours",
    ],
    "test_files_of_other_runs.py": [],
    "test_tasks.py": [],
    "test_resolution.py": [],
    "test_sizes.py": [],
    "test_cost.py": [],
    "test_laws_properties.py": [],
    "test_throughput.py": [],
    "test_plan_command.py": [],
    "test_studies.py": [],
    "test_cooled.py": ["test_savings_of_cooled_runs", "test_changes_that_are_shifted", "test_settings"],
    "test_plan_carried.py": [],
    "test_jobs.py": [],
    "test_plan_online.py": [],
    "test_fewer_shapes.py": [
        "test_the_first_and_the_last_are_always_there",
        "test_settings",
        "test_plans_that_are_alike_are_trained_once",
    ],
    "test_laws_formats.py": [],
    "test_branches.py": ["test_a_cooldown_needs_a_step"],
    "test_laws_registered.py": [],
    "test_laws_joint.py": [],
    "test_weights.py": [],
    "test_plan_joint.py": [],
    "test_extensions.py": [],
    "test_docs.py": [],
    "test_probes.py": [],
    "test_laws_limit.py": [],
    "test_bootstrapped.py": [
        "test_curves_that_coincide_until_one_is_overfitted",
        "test_curves_that_part_at_their_first_repeat",
        "test_verdicts",
        "test_settings_are_checked",
    ],
    "test_names.py": [],
    "test_laws_segments.py": [],
    "test_overrides.py": [],
    "test_weights_files.py": [],
    "test_widths.py": [],
    "test_laws_fit.py": [],
    "test_laws_odd.py": [],
    "test_families.py": [],
    "test_state_files.py": [],
    "test_returns_statistics.py": [],
    "test_transfer_command.py": [],
    "test_laws_exponents.py": [],
    "test_signals.py": [],
    "test_signals_processes.py": [],
    "test_laws_speedup.py": [],
    "test_evals.py": [],
    "test_launch_scripts.py": [],
    "test_photographs.py": [],
    "test_halfspace.py": [],
    "test_adaptive.py": [],
    "test_transfer.py": [],
    "test_double_descent.py": [],
    "test_image_files.py": [],
    "test_laws_pooling.py": ["test_groups", "test_few_rows_widen_bands"],
    "test_laws_checked_first.py": [],
    "test_image_folders.py": [],
    "test_archives.py": [],
    "test_out.py": [],
}


def pytest_collection_finish() -> None:
    gc.freeze()  # what was imported stays


def pytest_sessionfinish() -> None:
    gc.freeze()  # pytest looks for garbage twice more, through all that JAX has kept


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if absent := [name for name in LONG if not (TESTS / name).exists()]:
        raise pytest.UsageError(f"tests/conftest.py: LONG names files that are gone: {', '.join(absent)}")
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, -1))
    for item in items:
        named = LONG.get(item.path.name)
        is_quick = named is None or item.name.partition("[")[0] in named
        if is_quick and not item.get_closest_marker("slow"):
            item.add_marker("quick")


@pytest.fixture
def shared_data() -> Path:
    """The real images and curves that lie beside a checkout of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"needs {SHARED}, which is absent")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _laws_run_fast() -> None:
    """Programs of laws run long: LLVM's first level doubles their speed."""
    from scalax.laws import batches  # imports JAX, which reads what is set above

    if "xla_backend_optimization_level=0" in os.environ["XLA_FLAGS"]:
        batches.XLA_OPTIONS["xla_backend_optimization_level"] = 1


@pytest.fixture(scope="module", autouse=True)
def _registered_by_one_file_alone() -> Iterator[None]:
    """What a file of tests registers is gone after it, whichever file its worker takes next."""
    from tests.registries import restored  # imports JAX

    with restored():
        yield
