"""Bad inputs, drawn: state files, schedules, archives, weights, folders, images, tables, command lines.

Each is read as it was meant, or refused in one line; nothing hangs, and nothing is written elsewhere. What
is refused and why is in scalax/SECURITY.md; pinned cases are in the tests of each reader.
"""

import contextlib
import io
import json
import math
import os
import shutil
import typing
import zipfile
from pathlib import Path

import numpy as np
import pytest
from etils import epath
from hypothesis import strategies as st
from PIL import Image

from scalax import cli, data, jobs, laws, overrides, records, studies
from scalax.archive import Archive
from scalax.config import DataConfig
from scalax.data.kinds.folder import KIND
from scalax.errors import UserError
from scalax.models.weights.files import read_arrays
from scalax.records.scores import read_scores, read_scores_of, write_scores
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import settled
from scalax.train import group, population, saved, trackers
from scalax.transfer.read import read_models
from tests import bad_inputs as bad
from tests.bad_inputs import counts, draw, ran, read_or_refused
from tests.curve_files import offline_run, tensor_events
from tests.rejects import rejects
from tests.small_study import KINDS, config_of_study, small_study
from tests.test_convert import write_safetensors

CONFIGS = {path.stem: str(path) for path in (Path(__file__).parents[1] / "configs").glob("*.py")}


# State files


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return small_study(tmp_path_factory.mktemp("state") / "study")


COMMANDS = {
    "run": ("status", "plan"),
    "records": ("status", "plan"),
    "failure": ("status",),
    "claim": ("status",),
    "study": ("report",),
}


@counts(5, 600)
@pytest.mark.parametrize("kind", KINDS)
def test_commands_on_damaged_state_files(study, tmp_path, kind, count):
    """Other runs are shown as they are, and only the results of the commands are written."""

    def check(raw: bytes) -> None:
        place = tmp_path / "place"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(study, place / "study")
        (place / "study" / KINDS[kind]).write_bytes(raw)
        before = bad.files_in(place)
        for command in COMMANDS[kind]:
            more = ["--out", place / "out" / "plan.json", "--resamples", 0] if command == "plan" else []
            code, out, _ = ran(cli.main, [command, place / "study", *more])
            if command == "status":
                rows = [line.split() for line in out.splitlines()]
                assert code == (2 if any(row[1:2] == ["damaged"] for row in rows[1:5]) else 0)
                assert (rows[2][:2], rows[4][:2]) == (["b", "finished"], ["d", "waiting"])
        after = bad.files_in(place)
        results = {path for path in after if path.parts[0] == "out" or path.name == "report.html"}
        results |= {path for path in after if path.parts[:2] == ("study", "figures")}
        assert {path: after[path] for path in after if path not in results} == before

    draw(count, check, raw=bad.json_damages((study / KINDS[kind]).read_bytes()))


READERS = {
    "run": lambda path: records.read_info(path.parent),
    "records": lambda path: records.read_run(path.parent),
    "failure": lambda path: jobs.failure(path.parent),
    "claim": lambda path: jobs.holder(path.parent),
    "study": lambda path: studies.load(path.parent),
    "group": group._FILE.read,
    "trial": lambda path: population._read(epath.Path(path)),
    "wandb": lambda path: trackers.id_in(Path(path)),
    "settled": lambda path: settled.runs_of(config_of_study(), path.parent),
    "progress": lambda path: saved.read_saved(json.loads(path.read_bytes()), 2, 0),
}
WHOLE = {  # of files that the small study does not have
    "group": group._FILE.text(group.Ended(["a", "b"], {"compile_s": 1.0})).encode(),
    "wandb": b"123456789012",
    "trial": population._FILE.text(population.Trial(1.0, 0.5)).encode(),
    "progress": json.dumps(
        saved.Saved(
            {"next_index": 3}, Schedule((Stage(Shape(4, 16, 2), 1e9),)), failed={"1": "loss"}
        ).to_json()
    ).encode(),
}


@counts(90, 3000)
@pytest.mark.parametrize("kind", READERS)
def test_readers_of_state_files(study, tmp_path, kind, count):
    place = Path(shutil.copytree(study, tmp_path / "study"))
    path = place / (".settled.json" if kind == "settled" else KINDS.get(kind, "file.json"))
    raw = WHOLE.get(kind) or path.read_bytes()
    few = count if kind != "settled" else count // 4  # it reads all of scalax, too

    def check(raw: bytes) -> None:
        path.write_bytes(raw)
        if kind == "progress":  # which Orbax has read as JSON
            with contextlib.suppress(ValueError, RecursionError):
                json.loads(raw)
                read_or_refused(lambda: READERS[kind](path))
            return
        read_or_refused(lambda: READERS[kind](path))

    draw(few, check, raw=bad.json_damages(raw))


@pytest.mark.parametrize("kind", [kind for kind in READERS if kind != "progress"])
def test_no_state_file_hangs_its_reader(study, tmp_path, kind):
    place = Path(shutil.copytree(study, tmp_path / "study"))
    path = place / (".settled.json" if kind == "settled" else KINDS.get(kind, "file.json"))
    for _ in bad.no_files(path):
        read_or_refused(lambda: READERS[kind](path))


# Schedules

GOOD = {"patch": 4, "width": 16, "depth": 2, "until_flops": 1e9}
KEYS = st.sampled_from([*GOOD, "family", "patches", "batch_size", "lr", "weight_decay"])
SCHEDULE = Schedule((Stage(Shape(4, 16, 2), 1e9), Stage(Shape(2, 16, 2), 3e9)))
STAGES = st.lists(st.dictionaries(KEYS, bad.JUNK, max_size=3), min_size=1, max_size=3)


@counts(250, 5000)
def test_schedules(tmp_path, count):
    """What is read is itself again when it is written."""
    path = tmp_path / "s.json"

    def check(raw: bytes) -> None:
        path.write_bytes(raw)
        schedule = read_or_refused(lambda: Schedule.load(path))
        if schedule is None:
            return
        for stage in schedule.stages:
            assert all(type(value) is int for value in stage.shape[:3])
            assert 0 < stage.until_flops < math.inf
        assert Schedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule

    stages = STAGES.map(lambda changes: {"stages": [{**GOOD, **each} for each in changes]})
    raw = json.dumps(SCHEDULE.to_json()).encode()
    texts = (bad.JUNK | stages).map(lambda junk: json.dumps(junk).encode())
    draw(count, check, raw=texts | bad.json_damages(raw) | bad.DAMAGE.map(lambda d: bad.damaged(raw, d)))


# Archives

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 4), np.uint8)
LABELS = np.arange(12) % 3


def saved_by(save, **arrays) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


@counts(150, 10_000)
def test_damaged_archives(tmp_path, count):
    """No damage changes an image or a label in silence."""
    whole = [saved_by(save, images=IMAGES, labels=LABELS) for save in (np.savez, np.savez_compressed)]
    path = tmp_path / "damaged.npz"
    config = DataConfig("arrays", dir=str(path), image_size=4)

    def check(compressed: bool, damage: list) -> None:
        path.write_bytes(bad.damaged(whole[compressed], damage))
        if (splits := read_or_refused(lambda: data.load(config))) is None:
            return
        for found in (splits.train, splits.validation):
            np.testing.assert_array_equal(found.arrays["image"][..., 0], IMAGES[found.source.rows])
            np.testing.assert_array_equal(found.labels(), LABELS[found.source.rows])

    draw(count, check, compressed=st.booleans(), damage=bad.DAMAGE)


@counts(120, 5000)
def test_any_claim_of_an_archive(tmp_path, count):
    path = tmp_path / "claims.npz"

    def check(header: tuple, content: bytes, method: int, member: str) -> None:
        text = (bad.HEADER % header).encode()
        bad.zipped(path, {member: bad.npy(text, content)}, compression=method)

        def read() -> None:
            with Archive(path, "claims") as opened:
                for name in opened.names:
                    assert opened.read(name).tobytes() == content

        read_or_refused(read, "claims")

    methods = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    content = st.binary(max_size=200)
    draw(
        count,
        check,
        header=bad.HEADERS,
        content=content,
        method=methods,
        member=st.sampled_from(bad.MEMBERS),
    )
    assert [each.name for each in tmp_path.iterdir()] == ["claims.npz"]


@counts(60, 3000)
def test_damaged_scores(tmp_path, count):
    write_scores(tmp_path, 7, {"right": np.arange(9) % 2 == 0, "loss": np.arange(9.0)})
    whole, [path] = read_scores(tmp_path, 7), (tmp_path / "scores").iterdir()
    raw = path.read_bytes()

    def check(damage: list) -> None:
        path.write_bytes(bad.damaged(raw, damage))
        if (found := read_or_refused(lambda: read_scores(tmp_path, 7), path)) is not None:
            assert found.keys() == whole.keys()
            assert all((found[name] == whole[name]).all() for name in whole)

    draw(count, check, damage=bad.DAMAGE)


@pytest.mark.parametrize(
    "scores",
    [
        {"wrong": [0, 1, 1, 1], "loss": [1, 2, 3, 4]},  # of another error, loss, number, kind
        {"wrong": [0, 1, 0, 1], "loss": [1, 2, 3, 5]},
        {"wrong": [0, 1], "loss": [2, 3]},
        {"wrong": [0, 1, 0, 1], "other": [1, 2, 3, 4]},
        {"wrong": [[0, 1, 0, 1]], "loss": [1, 2, 3, 4]},
    ],
)
def test_scores_of_another_run(tmp_path, scores):
    def metrics(scores):
        return {"val_error": scores["wrong"].mean(), "val_loss": scores["loss"].mean()}

    record = records.RunRecord("a", 7, 8, 1.0, 1.0, 1.0, 4, 16, 1, {"val_error": 0.5, "val_loss": 2.5})
    own = {"wrong": np.array([0, 1, 0, 1]), "loss": np.arange(1.0, 5.0)}
    write_scores(tmp_path, 7, own)
    found = read_scores_of(tmp_path, record, 4, metrics)
    assert {name: values.tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in own.items()
    }
    write_scores(tmp_path, 7, {name: np.array(values, float) for name, values in scores.items()})
    with rejects(tmp_path / "scores" / "00000007.npz"):
        read_scores_of(tmp_path, record, 4, metrics)


# Weights

WEIGHTS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.ones(4, np.float32)}


@counts(150, 10_000)
def test_damaged_weights(tmp_path, count):
    """An archive has checksums, a file of safetensors none: there, what is read is finite."""
    write_safetensors(tmp_path / "whole", WEIGHTS)
    whole = {save: saved_by(save, **WEIGHTS) for save in (np.savez, np.savez_compressed)}
    whole[None] = (tmp_path / "whole").read_bytes()
    path = tmp_path / "damaged"

    def check(kind, damage: list) -> None:
        path.write_bytes(bad.damaged(whole[kind], damage))
        if (found := read_or_refused(lambda: read_arrays(path), path)) is None:
            return
        assert all(np.isfinite(x).all() for x in found.values())
        if kind is not None:
            assert found.keys() == WEIGHTS.keys()
            for name, x in found.items():
                np.testing.assert_array_equal(x, WEIGHTS[name], strict=True)

    draw(count, check, kind=st.sampled_from(list(whole)), damage=bad.DAMAGE)


@counts(100, 5000)
def test_any_header_of_weights(tmp_path, count):
    path = tmp_path / "any.safetensors"

    def check(header) -> None:
        bad.safetensors(path, header)
        found = read_or_refused(lambda: read_arrays(path), path)
        assert found is None or found

    headers = st.dictionaries(st.text(max_size=4), bad.ENTRIES | bad.JUNK, max_size=3) | bad.JUNK
    draw(count, check, header=headers)


# Folders and images


@counts(60, 2000)
def test_trees_of_folders(tmp_path, count):
    """Each regular file is read once at most."""
    places = iter(tmp_path / str(i) for i in range(10**6))

    def check(tree: dict, split: str, allow: bool) -> None:
        root = next(places)
        bad.grown(root, tree, root)
        fields = {"validation_split": split, "allow_empty_classes": allow}
        config = DataConfig(source="folder", dir=str(root), image_size=4, **fields)
        if (source := read_or_refused(lambda: KIND.open(config, "train"))) is None:
            return
        real = [os.path.realpath(path) for path, _ in source.records]
        assert len(real) == len(set(real))
        assert all(os.path.isfile(path) for path in real)
        for row in range(len(source)):
            image = read_or_refused(lambda row=row: source[row]["image"])
            assert image is None or image.shape == (4, 4, 3)

    draw(count, check, tree=bad.TREES, split=st.sampled_from(["", "b"]), allow=st.booleans())


@counts(150, 10_000)
def test_damaged_images(tmp_path, count):
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    whole = {}
    for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, name)
        whole[name] = buffer.getvalue()
    buffer = io.BytesIO()
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")
    whole["deep"] = buffer.getvalue()

    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "whole.png").write_bytes(whole["PNG"])
    path = tmp_path / "a" / "damaged.png"  # what it holds decides, not its name
    config = DataConfig(source="folder", dir=str(tmp_path), image_size=6)

    def check(kind: str, damage: list) -> None:
        path.write_bytes(bad.damaged(whole[kind], damage))
        found = read_or_refused(lambda: KIND.open(config, "train")[0]["image"], path)
        assert found is None or (found.shape, found.dtype) == ((6, 6, 3), np.uint8)

    draw(count, check, kind=st.sampled_from(list(whole)), damage=bad.DAMAGE)


# Tables


def table_of(sep: str) -> bytes:
    rows = [
        ["run", "step", "loss"],
        *([f"r{i % 2}", str(100 * i), f"{2 + 30 / i:.4f}"] for i in range(1, 13)),
    ]
    return "\n".join(sep.join(row) for row in rows).encode()


CURVES = {
    "a.csv": table_of(","),
    "a.tsv": table_of("\t"),
    "a.jsonl": b"\n".join(b'{"step": %d, "loss": %f}' % (i, 3 / i) for i in range(1, 13)),
    "a.tfevents.1": tensor_events([3 / i for i in range(1, 13)]),
    "a.wandb": offline_run([{"_step": i, "loss": 3 / i} for i in range(1, 13)]),
    "a.json": json.dumps({"log_history": [{"step": i, "loss": 3 / i} for i in range(1, 13)]}).encode(),
}


@counts(150, 5000)
def test_damaged_curves(tmp_path, count):
    def check(name: str, damage: list) -> None:
        (tmp_path / name).write_bytes(bad.damaged(CURVES[name], damage))
        for curve in read_or_refused(lambda: laws.read_curves(tmp_path / name)) or ():
            assert np.isfinite(curve.x).all() & np.isfinite(curve.y).all()
            assert (curve.x > 0).all() & (curve.y > 0).all()

    draw(count, check, name=st.sampled_from(list(CURVES)), damage=bad.DAMAGE)


@counts(80, 5000)
def test_damaged_tables_of_models(tmp_path, count):
    rows = [
        "model,size,imagenet,cifar,pets",
        *(f"m{i},{2**i},0.{60 + i},0.{70 + i},0.8{i}" for i in range(9)),
    ]
    path = tmp_path / "models.csv"

    def check(damage: list) -> None:
        path.write_bytes(bad.damaged("\n".join(rows).encode(), damage))
        read_or_refused(lambda: read_models(path, "imagenet", size=["size"]))

    draw(count, check, damage=bad.DAMAGE)


# Command lines


@counts(25, 5000)
def test_words_for_settings(count):
    """Any word for any setting of any config is taken, or refused in one line."""
    loaded = {name: overrides.load(path) for name, path in CONFIGS.items()}
    keys = [(name, key) for name, config in loaded.items() for key in overrides.keys(config)]

    def check(key: tuple[str, str], words: list[str]) -> None:
        if {"-h", "--help"} & {*words}:
            return  # that asks for the help
        given = [overrides.flag_of(key[1]), *words]
        read_or_refused(lambda: overrides.override(loaded[key[0]], given, "the test"))

    words = st.lists(bad.WORDS, min_size=1, max_size=3)
    draw(count, check, key=st.sampled_from(keys), words=words)


def numeric(config) -> list[str]:
    """Keys of a config that hold one number, or numbers."""
    of = {key: (kind, *typing.get_args(kind)) for key, kind in overrides.keys(config).items()}
    return [key for key, found in of.items() if {int, float} & set(found)]


@counts(25, 2000)
def test_absurd_numbers_for_settings(count):
    loaded = {name: overrides.load(path) for name, path in CONFIGS.items() if "imagenet21k" not in name}
    keys = [(name, key) for name, config in loaded.items() for key in numeric(config)]

    def check(key: tuple[str, str], number: str) -> None:
        given = [overrides.flag_of(key[1]), number]
        with pytest.raises(UserError):
            overrides.override(loaded[key[0]], given, "the test")

    draw(count, check, key=st.sampled_from(keys), number=st.sampled_from(bad.NUMBERS))


@counts(40, 2000)
def test_words_for_commands(tmp_path, monkeypatch, count):
    """Nothing is trained: what is asked for is refused before."""
    monkeypatch.chdir(tmp_path)

    def check(command: list[str], words: list[str]) -> None:
        ran(cli.main, [*command, *words])
        assert not list(tmp_path.iterdir())

    commands = [["status"], ["report"], ["plan"], ["fit"], ["forecast"], ["transfer"], ["convert"], ["cost"]]
    commands += [["train", CONFIGS["sweep"], "--plan-only"], ["train"], ["probe", "--set", "a=b"], ["watch"]]
    draw(count, check, command=st.sampled_from(commands), words=st.lists(bad.WORDS, min_size=1, max_size=2))
