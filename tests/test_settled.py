"""When a finished study has nothing to do."""

import dataclasses
import json

from scalax.config import DataConfig, RunConfig
from scalax.studies import settled
from tests.rejects import rejects
from tests.small_study import config_of_study, small_study


def test_a_study_is_to_be_done_again_when_files_of_its_data_come_or_go(tmp_path):
    study, folder = small_study(tmp_path / "study"), tmp_path / "images"
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "a.png").write_bytes(b"")
    data = DataConfig(source="folder", dir=str(folder))
    config = dataclasses.replace(config_of_study(), run=dataclasses.replace(RunConfig(), data=data))
    settled.keep(config, study)
    assert settled.runs_of(config, study) == 2
    (folder / "cats" / "b.png").write_bytes(b"")
    assert settled.runs_of(config, study) is None
    (folder / "cats" / "a.png").unlink()
    assert settled.runs_of(config, study) is None
    (folder / "cats" / "b.png").rename(folder / "cats" / "a.png")
    assert settled.runs_of(config, study) == 2


def test_a_study_is_to_be_done_again_when_a_file_of_a_run_is_another(tmp_path):
    study, config = small_study(tmp_path / "study"), config_of_study()
    assert settled.runs_of(config, study) == 2
    for path in ("runs/a/run.json", "runs/a/metrics.jsonl", "study.json"):
        whole = (study / path).read_bytes()
        (study / path).write_bytes(whole.replace(b"9", b"8", 1))
        assert settled.runs_of(config, study) is None
        (study / path).write_bytes(whole)
        assert settled.runs_of(config, study) == 2


def test_its_own_file_is_believed_only_where_it_is_right(tmp_path):
    study, config = small_study(tmp_path / "study"), config_of_study()
    mark = json.loads((study / settled.MARK).read_text())
    for other in ({**mark, "runs": 3}, {**mark, "runs": "2"}, {}, None, [], 2):
        (study / settled.MARK).write_text(json.dumps(other))
        assert settled.runs_of(config, study) is None
    (study / settled.MARK).write_text(json.dumps({**mark, "runs": 2.0}))
    assert type(settled.runs_of(config, study)) is int
    (study / settled.MARK).unlink()
    (study / settled.MARK).mkdir()
    assert settled.runs_of(config, study) is None
    with rejects(study / settled.MARK):
        settled.keep(config, study)
