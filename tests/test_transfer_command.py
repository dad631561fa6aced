"""Tables of models from files, and `scalax transfer` on them: what is read, left and rejected."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from scalax import cli, transfer
from scalax.report.transfer_axes import SCALES, scale_of
from tests.rejects import check_line, rejected, rejects

N = 30
RNG = np.random.default_rng(1)
US = RNG.uniform(0.3, 0.85, N)
DOWN = 1 - (0.7 * (1 - US) ** 1.3 + 0.1 + RNG.exponential(0.02, N))
OTHER = 1 - (0.9 * (1 - US) ** 1.1 + RNG.exponential(0.02, N))
NAMES = [f"m{i}" for i in range(N)]


@pytest.fixture
def write(tmp_path):
    def write(header: list[str], rows, delimiter: str = ",") -> str:
        path = tmp_path / "models.csv"
        with path.open("w", newline="") as file:
            table = csv.writer(file, delimiter=delimiter)
            table.writerows([header, *rows])
        return str(path)

    return write


def wide(down=DOWN, us=US, names=NAMES):
    return ["model", "us", "down"], list(zip(names, us, down, strict=True))


def changed(values, at: int, value) -> list:
    return [value if i == at else v for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("us", "down", "more"),
    [
        (US, DOWN, {}),
        (100 * US, 100 * DOWN, {}),
        (100 * US, DOWN, {}),
        ([f"{100 * a}%" for a in US], [f"{100 * a} %" for a in DOWN], {}),
        (1 - US, 1 - DOWN, {"reading": transfer.Reading(errors=("all",))}),
        (
            US,
            100 - 100 * DOWN,
            {"downstream": ["down"], "reading": transfer.Reading(errors=("down",), accuracies=("us",))},
        ),
    ],
    ids=["shares", "per cent", "both", "signs", "errors", "errors of one"],
)
def test_all_ways_to_write_a_table_are_read_alike(write, us, down, more):
    table = transfer.read_models(write(*wide(down, us)), "us", **more)
    np.testing.assert_allclose(table.e_us, 1 - US)
    np.testing.assert_allclose(table.e_ds[:, 0], 1 - DOWN)
    assert (table.models, table.tasks) == (NAMES, ["down"])


def test_names_that_begin_alike_stay_apart(write):
    names = [f"{'long' * 60}{i}" for i in range(N)]
    assert transfer.read_models(write(*wide(names=names)), "us").models == names


def test_names_that_speak_of_errors_hold_errors(write):
    columns = ["err_us", "top1 error", "terrace", "ErrorOfIt", "merry"]
    path = write(["model", *columns], zip(NAMES, *[1 - US] * 5, strict=True))
    read = {c.name: (c.holds, c.why) for c in transfer.read_models(path, "err_us").columns}
    assert [read[c] for c in columns[:2]] == [("error", "name")] * 2
    assert [read[c][0] for c in columns[2:]] == ["accuracy", "error", "accuracy"]


def test_a_long_table_is_read_as_the_wide_one(write):
    rows = [
        (m, t, v)
        for m, *vs in zip(NAMES, US, DOWN, OTHER, strict=True)
        for t, v in zip("uab", vs, strict=True)
    ]
    long = transfer.read_models(write(["model", "task", "acc"], rows[:-1]), "u", task="task")
    header = ["model", "u", "a", "b"]
    short = transfer.read_models(write(header, zip(NAMES, US, DOWN, OTHER, strict=True)), "u")
    assert (long.models, long.tasks) == (short.models, short.tasks)
    np.testing.assert_array_equal(long.e_ds[:-1], short.e_ds[:-1])
    assert np.isnan(long.e_ds[-1, 1])
    with_column = [(m, u, "a", d) for m, u, d in zip(NAMES, US, DOWN, strict=True)]
    path = write(["model", "u", "task", "acc"], with_column)
    found = transfer.read_models(path, "u", task="task", value="acc")
    np.testing.assert_array_equal(found.e_us, short.e_us)


def test_the_tasks_of_a_long_table_have_one_unit_and_its_name_says_what_it_holds(write):
    hard = RNG.uniform(0.1, 0.9, N)  # per cent, as all others
    rows = [
        (m, t, v)
        for m, *vs in zip(NAMES, 100 * US, 100 * DOWN, hard, strict=True)
        for t, v in zip("uab", vs, strict=True)
    ]
    path = write(["model", "task", "error"], rows)
    with rejects("'error'", "`unit`"):
        transfer.read_models(path, "u", task="task")
    table = transfer.read_models(path, "u", task="task", reading=transfer.Reading(unit="percent"))
    np.testing.assert_allclose(table.e_ds[:, 1], hard / 100)
    assert {column.holds for column in table.columns} == {"error"}


def test_missing_cells_are_counted_and_models_without_upstream_left_out(write):
    down = ["n/a" if i % 5 == 0 else v for i, v in enumerate(DOWN)]
    us = ["" if i < 3 else v for i, v in enumerate(US)]
    table = transfer.read_models(write(*wide(down, us)), "us")
    assert (len(table.models), table.left_out) == (N - 3, 3)
    assert [c.missing for c in table.columns] == [3, 6]
    assert len(table.pairs(0)) == N - 3 - 5


def test_models_are_told_apart_by_as_few_columns_as_it_takes(write):
    rows = [("m", s, 10 * i, a, b) for i, (s, a, b) in enumerate(zip("ab" * 15, US, DOWN, strict=True))]
    table = transfer.read_models(write(["name", "tag", "side", "us", "down"], rows), "us", ["down"])
    assert table.models[1] == "m, b, 10"


def test_an_accuracy_that_is_not_asked_for_tells_no_models_apart(write):
    path = write(["model", "us", "down", "other"], zip(["m"] * N, US, DOWN, OTHER, strict=True))
    with rejects("'m'", "row 3", "`model`"):
        transfer.read_models(path, "us", ["down"])


def test_a_model_that_stands_twice_is_said_and_refused_where_the_name_is_to_tell(write, tmp_path, capsys):
    params = RNG.uniform(1, 900, N)
    header, names = ["model", "us", "down", "params"], changed(NAMES, 4, "m2")
    path = write(header, zip(names, US, DOWN, params, strict=True))
    table = transfer.read_models(path, "us")
    assert len(set(table.models)) == N
    [remark] = table.remarks
    assert (remark.kind, remark.values["model"], remark.values["where"]) == ("again", "m2", "in 2 rows")
    command = ["transfer", path, "--upstream", "us", "--resamples", "20", "--draws", "1"]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "'m2'" in line]
    check_line(said[0], path, "2 rows", "'params'", "--model")
    assert transfer.read_result(tmp_path / "out" / "transfer.json").notes == [str(remark)]
    with rejects("'m2'", "row 6", "row 4"):
        transfer.read_models(path, "us", model=["model"])
    assert not transfer.read_models(path, "us", model=["model", "params"]).remarks
    assert not transfer.read_models(write(header, zip(NAMES, US, DOWN, params, strict=True)), "us").remarks


def test_a_model_and_task_that_stand_twice_in_a_long_table(write):
    tasks = [(m, t, v) for m, *vs in zip(NAMES, US, DOWN, strict=True) for t, v in zip("ua", vs, strict=True)]
    header = ["model", "task", "acc", "note"]
    path = write(header, [*((*row, "x") for row in tasks), ("m3", "a", 0.5, "x")])
    with rejects("'m3, x'", "'a'", f"row {2 * N + 2}", "row 9", "`model`"):
        transfer.read_models(path, "u", task="task")
    path = write(header, [*((*row, "x") for row in tasks), ("m3", "a", 0.5, "y"), ("m3", "u", 0.5, "y")])
    table = transfer.read_models(path, "u", task="task")
    assert len(table.models) == N + 1
    assert [remark.values["where"] for remark in table.remarks] == ["for 2 models"]


def test_json_lines_and_utf_16_are_read_as_curves_are(write, tmp_path):
    whole = transfer.read_models(write(*wide()), "us")
    path = tmp_path / "models.jsonl"
    rows = [json.dumps({"model": m, "us": u, "down": d}) for m, u, d in zip(NAMES, US, DOWN, strict=True)]
    path.write_text("\n".join([*rows, '{"model": "m30", "us": 0.']))
    table = transfer.read_models(path, "us")
    np.testing.assert_array_equal(table.e_ds, whole.e_ds)
    assert [(remark.kind, remark.values["row"]) for remark in table.remarks] == [("torn", N + 1)]
    path.write_text("\n".join([*rows, '{"model": "m30", "us": 0.5, "us": 0.6}']))
    with rejects(path, f"row {N + 1}", "'us'"):
        transfer.read_models(path, "us")
    path.write_text("\n".join(rows))
    for source in (path, tmp_path / "models.csv"):
        source.write_bytes(source.read_text().encode("utf-16"))
        np.testing.assert_array_equal(transfer.read_models(source, "us").e_ds, whole.e_ds)
    with rejects("/dev/zero"):
        transfer.read_models("/dev/zero", "us")


@pytest.mark.parametrize("rows", [1, 3])
def test_rows_that_are_too_few_to_tell_are_said_to_be(write, rows):
    path = write(["model", "us", "down", "params"], [("m", 70, 50, 1)] * rows)
    with rejects(path, "rows" if rows > 1 else "1 row", 5):
        transfer.read_models(path, "us")


def test_sizes_and_other_columns_are_no_tasks(write):
    params = RNG.uniform(0.5, 90, N)
    header = ["model", "params", "img", "us", "down"]
    path = write(header, zip(NAMES, params, [224] * N, US, DOWN, strict=True))
    table = transfer.read_models(path, "us")
    assert table.tasks == ["down"]
    assert table.unread == ["model", "params", "img"]
    tasks = ["CLEVR count", "NYU depth", "pets@5 shots", "10 images a class"]
    every = write(["model", "us", *tasks], zip(NAMES, US, *[DOWN] * 4, strict=True))
    assert transfer.read_models(every, "us").tasks == tasks
    path = write(header, zip(NAMES, params, [224] * N, US, DOWN, strict=True))
    sized = transfer.read_models(path, "us", size=["params"])
    np.testing.assert_array_equal(sized.sizes["params"], params)


def test_images_may_be_a_number_a_column_or_by_task(write):
    header, rows = wide()
    path = write([*header, "n"], [(*row, 700) for row in rows])
    every, column, named = (
        transfer.read_models(path, "us", ["down"], images=images) for images in ("500", "n", "us=9,down=300")
    )
    assert (every.images_us[0], every.images_ds[0, 0]) == (500, 500)
    assert np.isnan(column.images_us[0])
    assert column.images_ds[0, 0] == 700
    assert (named.images_us[0], named.images_ds[0, 0]) == (9, 300)


BAD = {
    "share among per cent": (wide(changed(100 * DOWN, 4, 0.71), 100 * US), {}, ("row 6", "down", 0.71)),
    "both in one column": (
        wide([v if i % 2 else 100 * v for i, v in enumerate(DOWN)]),
        {},
        ("down", "`unit`"),
    ),
    "above 100": (wide(changed(100 * DOWN, 4, 130), 100 * US), {}, ("row 6", "down", 130)),
    "above 1": (wide(changed(DOWN, 4, 1.02)), {}, ("row 6", "down", 1.02)),
    "negative": (wide(changed(DOWN, 4, -0.2)), {}, ("row 6", "down", -0.2)),
    "text": (wide(changed(DOWN, 4, "abc")), {}, ("row 6", "down", "'abc'")),
    "some signs": (wide(changed(100 * DOWN, 4, "71%"), 100 * US), {}, ("down", "`unit`")),
    "twice": (wide(names=changed(NAMES, 4, "m2")), {}, ("row 6", "'m2'", "row 4", "`model`")),
    "constant": (wide(us=[0.5] * N), {}, ("`upstream`", 0.5)),
    "four models": ((wide()[0], wide()[1][:4]), {}, ("'us'", 4, 5)),
    "no such downstream": (wide(), {"downstream": ["dwn"]}, ("'dwn'", "'down'")),
    "no such size": (wide(), {"size": ["dwn"]}, ("'dwn'", "'down'")),
    "no such images": (wide(), {"images": "dwn"}, ("`images`", "'dwn'", "'down'")),
    "no such task": (wide(), {"images": "dwn=100"}, ("`images`", "'dwn'", "'down'")),
    "upstream again": (wide(), {"downstream": ["us"]}, ("`downstream`", "'us'")),
    "no such unit": (wide(), {"reading": transfer.Reading(unit="shares")}, ("`unit`", "'share'")),
    "no such errors": (wide(), {"reading": transfer.Reading(errors=("dwn",))}, ("`errors`", "'down'")),
    "loss": ((["model", "us", "loss"], wide()[1]), {"downstream": ["loss"]}, ("'loss'", "`errors`")),
}


@pytest.mark.parametrize(("rows", "arguments", "names"), BAD.values(), ids=BAD)
def test_bad_tables_are_rejected(write, rows, arguments, names):
    with rejects(*names):
        transfer.read_models(write(*rows), "us", **arguments)


def test_no_such_upstream(write):
    with rejects("'uss'", "'us'"):
        transfer.read_models(write(*wide()), "uss")
    with rejects("'uss'", "'us'"):
        transfer.read_models(write(["m", "t", "acc"], [("a", "us", 0.5)]), "uss", task="t")


def test_the_command_leaves_report_figures_and_numbers(write, tmp_path, capsys):
    header = ["model", "kind", "Größe, M", "us", "猫 & <b> $x$", "pets@1", "pets@5", "pets@10"]
    size = RNG.uniform(1, 900, N)
    pets = [1 - (0.5 * (1 - US) ** 1.2 + e) for e in (0.3, 0.2, 0.1)]
    kinds = [f"kind {i % 3}" for i in range(N)]
    path = write(header, zip(NAMES, kinds, size, US, DOWN, *pets, strict=True))
    out = tmp_path / "out"
    options = [
        "--upstream",
        "us",
        "--size",
        "Größe, M",
        "--group",
        "kind",
        "--images",
        "2000",
        "--axes",
        "logit",
    ]
    options += ["--at", "0.5,0.6", "--resamples", "20", "--draws", "2", "--out", str(out)]
    assert cli.main(["transfer", path, *options]) == 0
    assert "report.html" in capsys.readouterr().out
    page = (out / "report.html").read_text()
    assert "猫 &amp; &lt;b&gt; $x$" in page
    figures = {"laws", "limits", "overlay", "prediction", "shots", "sizes", "spearman"}
    assert {file.stem for file in (out / "figures").iterdir()} == figures
    assert page.count("data:image/png") == len(figures)
    tables = {"columns", "groups", "hull", "laws", "mixtures", "models", "overlay", "prediction", "reversals"}
    assert {file.stem for file in out.glob("*.csv")} == {*tables, "shots", "sizes", "spearman"}
    result = transfer.read_result(out / "transfer.json")
    with (out / "laws.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["task"], r["fit"]) for r in rows] == [(f.task, k) for f in result.fits for k in f.laws]
    assert float(rows[0]["e_ir"]) == result.fits[0].laws["hull"].e_ir.value
    with (out / "mixtures.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2 * 4


BAD_COMMANDS = [
    ([], ("--simulated",)),
    (["FILE"], ("--upstream",)),
    (["FILE", "--upstream", "us", "--laid", "dwn"], ("--laid", "'down'")),
    (["FILE", "--upstream", "us", "--axes", "lgit"], ("--axes", "'logit'")),
    (["FILE", "--upstream", "us", "--at", "0.99"], ("--at", 0.99)),
    (["FILE", "--upstream", "us", "--at", "70"], ("--at", "70")),
    (["FILE", "--upstream", "us", "--below", "0.1"], ("--below", 0.1)),
    (["FILE", "--upstream", "us", "--resamples", "3"], ("--resamples", 3)),
    (["FILE", "--upstream", "us", "--draws", "0"], ("--draws", 0)),
    (["FILE", "--simulated"], ("--simulated",)),
]


@pytest.mark.parametrize(
    ("words", "names"), BAD_COMMANDS, ids=[" ".join(w) or "none" for w, _ in BAD_COMMANDS]
)
def test_bad_arguments_are_rejected(write, tmp_path, capsys, words, names):
    path = write(*wide())
    words = [path if word == "FILE" else word for word in words]
    assert cli.main(["transfer", *words, "--out", str(tmp_path / "out")]) == 2
    rejected(capsys, *names)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", SCALES)
def test_scales_rise(name):
    values = scale_of(name)(np.linspace(0, 1, 50))
    assert np.isfinite(values).all()
    assert (np.diff(values) > 0).all()


def test_frontier_finds_the_limit_that_the_hull_overstates():
    from scalax.transfer.simulate import SCENES, recover

    scenes = {scene.name: scene for scene in SCENES}
    chosen = [scenes[name] for name in ("all on the law", "most near the law", "alpha below 1, no limit")]
    found = {(r.scene, r.fit): r for r in recover(chosen, images=[2000], models=100, tables=6, resamples=20)}
    for scene in chosen:
        hull, frontier = found[scene.name, "hull"], found[scene.name, "frontier"]
        assert hull.bias > 0.015
        assert abs(frontier.bias) < 0.5 * hull.bias
    assert found["alpha below 1, no limit", "hull"].saturates >= 0.8
    assert found["alpha below 1, no limit", "frontier"].saturates == 0
    assert abs(found["all on the law", "all"].bias) < 0.01
    assert found["most near the law", "all"].bias == pytest.approx(0.02, abs=0.015)


TABLES = {
    "clip_models.csv": ("ImageNet 1k", 121, 38, 0),
    "imagenet_models.csv": ("err_imagenet", 1555, 7, 0),
}


@pytest.mark.parametrize("name", TABLES)
def test_public_tables_are_read(shared_data, name):
    upstream, models, tasks, missing = TABLES[name]
    table = transfer.read_models(Path(shared_data) / "tables" / name, upstream)
    assert (len(table.models), len(table.tasks)) == (models, tasks)
    assert sum(column.missing for column in table.columns) == missing


def test_benchmark_curves_are_paired_by_model_and_examples_seen(shared_data):
    table = transfer.read_models(
        Path(shared_data) / "curves" / "image_classification.csv",
        "inet_10",
        task="Task",
        value="Loss",
        model=["Model", "Seen Examples"],
        reading=transfer.Reading(errors=("Loss",)),
    )
    counts = dict(zip(table.tasks, np.isfinite(table.e_ds).sum(0).tolist(), strict=True))
    assert counts == {"bird_10": 855, "c_5": 674, "c_25": 603, "cal_5": 3, "inet_25": 1259}
