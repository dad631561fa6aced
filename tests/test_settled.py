"""When a finished study has nothing to do."""

import dataclasses

from scalax.config import DataConfig, RunConfig
from scalax.studies import settled
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
