"""Messages of libraries, word for word (those of commands: test_messages_printed.py).

This is the one place for the wording: other tests compare the names and values in a message (rejects.py).
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from scalax import data, jobs, laws, models, plan, records, studies, tasks, transfer
from scalax.config import (
    DataConfig,
    EvalConfig,
    ModelConfig,
    MorphConfig,
    OptimConfig,
    RunConfig,
    StartConfig,
)
from scalax.cost.model import model_cost
from scalax.data.named import named_set
from scalax.errors import UserError
from scalax.evals import ridge
from scalax.jobs.status import survey
from scalax.models.weights.files import read_arrays
from scalax.morph.depth import block_order
from scalax.plan import Online
from scalax.schedule import Schedule
from scalax.studies import finetune
from scalax.studies.adaptive import AdaptiveConfig
from scalax.studies.halfspace import HalfspaceConfig
from scalax.studies.returns import ReturnsConfig, planning
from scalax.studies.transfer import HeadConfig, TransferConfig
from scalax.throughput import timm_models
from scalax.throughput.spec import Spec
from scalax.train import distributed, rundir
from scalax.train.group import Group, Member
from scalax.train.health import Health
from scalax.train.monitors import monitors
from scalax.train.step import check_layers
from tests.plan_laws import CROSSING, LARGE, SMALL, PowerLaw, record

X, FLOPS = np.geomspace(1e3, 1e6, 12), np.geomspace(1e7, 1e10, 10)
CURVE = laws.Curve(X, 1 / X)
MODELS = transfer.model_table("up", np.linspace(0.1, 0.5, 9), {"down": np.linspace(0.2, 0.6, 9)})
OWN = replace(laws.FAMILIES["m3"], name="own", prior=laws.FAMILIES["m1"].prior)
RUN, COST = (FLOPS, CROSSING[LARGE].predict(FLOPS)), {LARGE: 1.0, SMALL: 4.0}
IMAGES = np.zeros((4, 8, 8), np.uint8)
JOINT = RunConfig(model=ModelConfig(names=("V16-1", "V32-1")))
ONLINE = Online([LARGE, SMALL], COST, 1e9)
BRIEF = ReturnsConfig(
    run=RunConfig(data=DataConfig(image_size=8), model=ModelConfig(base_patch=8, base_grid=1)),
    patches=(8,),
    channels=1,
    base_flops=(1e3,),
)
GROUP = Group((Member("runs/V64-4", 0),), (OptimConfig(lr=0.1),), [])


class Job(NamedTuple):
    name: str
    directory: Path

    def finished(self) -> bool:
        return False


def refuse(job: Job, claim: jobs.Claim) -> None:
    raise UserError("no luck")


def claim(directory: Path) -> None:
    with jobs.claim(directory):
        pass


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def arrays(tmp: Path, **arrays: np.ndarray) -> DataConfig:
    np.savez(tmp / "set.npz", **arrays)
    return DataConfig(source="arrays", dir=str(tmp / "set.npz"))


def with_run(**changes: Any) -> AdaptiveConfig:
    return AdaptiveConfig(run=RunConfig(**changes))


# What is called with a new directory -> its message, in which TMP is the directory.
LIBRARIES = [
    # configs
    (lambda tmp: OptimConfig(lr=0.0), "optim.lr must be positive, got 0.0"),
    (lambda tmp: OptimConfig(name="sgd", b1=0.8), "optim.b1 does not apply to optim.name sgd; leave it out"),
    (lambda tmp: ModelConfig(dropout=1.0), "model.dropout must be at least 0 and below 1, got 1.0"),
    (
        lambda tmp: ModelConfig(names=("vit",)),
        (
            "model.names: 'vit' is no model; want a letter, the width, the depth, e.g. V64-4 (ViT), M64-4"
            " (Mixer), R64-18 (ResNet) or D64-4 (decoder)"
        ),
    ),
    (lambda tmp: MorphConfig(width="zeros"), "morph.width: 'zeros' is unknown (did you mean 'zero'?)"),
    (
        lambda tmp: StartConfig(weights="a", run="b"),
        "start.weights and start.run are both given; a run begins from one, so leave one out",
    ),
    (
        lambda tmp: DataConfig(validation_split="train"),
        (
            "data.validation_split 'train' is the training split; name another, or leave it empty to hold"
            " out data.validation_share"
        ),
    ),
    # studies
    (
        lambda tmp: AdaptiveConfig(patches=(4,)),
        "V64-4: a ladder needs two shapes or more; add patches or resolutions, or set joint and add models",
    ),
    (lambda tmp: AdaptiveConfig(seeds=(0, 1000)), "seeds must lie between 0 and 999, got (0, 1000)"),
    (
        lambda tmp: AdaptiveConfig(metric="val_eror"),
        "metric 'val_eror' is unknown (did you mean 'val_error'?)",
    ),
    (
        lambda tmp: with_run(data=DataConfig(image_size=6)),
        "patches: 4 does not divide data.image_size 6; choose from [1, 2, 3, 6]",
    ),
    (
        lambda tmp: with_run(eval=EvalConfig(points=4)),
        (
            "eval.points 4: about 2.5 evaluations of val_error lie after law_first_share 0.02, and a law"
            " needs 6; raise eval.points"
        ),
    ),
    (
        lambda tmp: AdaptiveConfig(run=JOINT, joint=True, online=True),
        "online changes along one axis; choose one model, patch size or resolution, or set joint to False",
    ),
    (
        lambda tmp: ReturnsConfig(ratios=(1.0,)),
        "ratios (1.0,): returns need two budgets or more; add one",
    ),
    (
        lambda tmp: ReturnsConfig(task_classes=(5,)),
        "task_classes: returns need two tasks or more; add one",
    ),
    (
        lambda tmp: ReturnsConfig(base_flops=(1.0, 2.0)),
        "base_flops has 2 values, model.names 1; give one for each",
    ),
    (
        lambda tmp: ReturnsConfig(train_images=20),
        "train_images 20 are fewer than the 30 classes; raise it",
    ),
    (
        lambda tmp: ReturnsConfig(run=RunConfig(budget_flops=1e9)),
        "budget_flops does not apply: budgets are base_flops times ratios",
    ),
    (
        lambda tmp: ReturnsConfig(run=RunConfig(start=StartConfig(weights="a"))),
        "start does not apply: give a file for each architecture in weights",
    ),
    (
        lambda tmp: ReturnsConfig(run=RunConfig(data=DataConfig(draw_classes=2))),
        "data.draw_classes does not apply: tasks have classes and images of their own",
    ),
    (
        lambda tmp: ReturnsConfig(classes=("ant", "bee")),
        "classes names 2, and task_classes asks for 30; name more",
    ),
    (
        lambda tmp: ReturnsConfig(sets=("a", "b"), set_classes=(2,)),
        "set_classes has 1 values, sets 2; give one for each",
    ),
    (
        lambda tmp: planning.cells(BRIEF, BRIEF.tasks()[0], planning.architectures(BRIEF)[0]),
        ("base_flops: 1000 FLOPs buy 0 steps of V64-4/8 on task '5classes' (1.538e+08 each); raise it"),
    ),
    (
        lambda tmp: records.read_scores(tmp, 7),
        (
            "TMP/scores/00000007.npz: cannot read it (No such file or directory);"
            " remove the run's directory and make the run again"
        ),
    ),
    (lambda tmp: HalfspaceConfig(largest=20), "largest must be 16 times smallest (16) or more, got 20"),
    (
        lambda tmp: studies.of(RunConfig()),
        "no study has a config of class RunConfig; register one (studies.register)",
    ),
    (
        lambda tmp: studies.load(write(tmp / "study.json", '{"study": "toyy"}').parent),
        ("TMP/study.json: study 'toyy' is unknown; name the file that registers it: scalax --import FILE"),
    ),
    # records and schedules
    (
        lambda tmp: records.read(write(tmp / "metrics.jsonl", '{"loss": 3}\n')),
        "TMP/metrics.jsonl, line 1: no record of a run: no 'run' in it; restore the file, or remove the run's"
        " directory and make it again",
    ),
    (lambda tmp: records.read_info(tmp), "TMP/run.json: no such file; name the directory of a run"),
    (
        lambda tmp: Schedule.load(write(tmp / "plan.json", "{")),
        "schedule TMP/plan.json: not JSON; name a file that scalax plan wrote",
    ),
    # data, tasks, evaluations, metrics
    (
        lambda tmp: data.load(DataConfig(source="fodler")),
        "data source 'fodler' is unknown (did you mean 'folder'?)",
    ),
    (
        lambda tmp: data.load(DataConfig(source="folder", dir=str(tmp / "none"))),
        "data.dir TMP/none: no such directory; give one with a folder of images per class",
    ),
    (
        lambda tmp: data.load(DataConfig(source="tfds", dir=str(tmp))),
        "data.dir TMP: no dataset_info.json in it; give the version's directory",
    ),
    (
        lambda tmp: data.load(DataConfig(classes=("3", "33"))),
        "data.classes: digits has no class '33' (did you mean '3'?)",
    ),
    (
        lambda tmp: data.load(DataConfig(classes=("3", "four"))),
        "data.classes: digits has no class 'four' (one of 0, 1, 2, 3, 4, 5 and 4 more)",
    ),
    (
        lambda tmp: data.load(DataConfig(draw_classes=11)),
        "data.draw_classes 11: digits has 10 classes; lower it",
    ),
    (
        lambda tmp: data.load(DataConfig(classes=("3", "4"), train_per_class=900)),
        ("data.train_per_class 900: class '3' of digits has 134 images; lower it, or leave the class out"),
    ),
    (
        lambda tmp: DataConfig(classes=("3", "4"), draw_classes=2),
        "data.classes and data.draw_classes are both given; leave one out",
    ),
    (
        lambda tmp: data.load(arrays(tmp, images=IMAGES.astype(float), labels=np.arange(4))),
        "set.npz: images must be uint8 [N, H, W] or [N, H, W, C] with C up to 4, got float64 [4, 8, 8]",
    ),
    (
        lambda tmp: data.load(arrays(tmp, images=IMAGES, labels=np.array([0, 1, -2, 1]))),
        "set.npz: labels of 3 classes must be 0..2, got -2..1; renumber them",
    ),
    (
        lambda tmp: data.feed(data.load(DataConfig(max_train_images=32)).train, 64, seed=0),
        "batch_size 64 exceeds the 32 training examples; lower it",
    ),
    (
        lambda tmp: tasks.open_task(RunConfig(task="next_tokn"), data.load(DataConfig())),
        "task 'next_tokn' is unknown (did you mean 'next_token'?)",
    ),
    (
        lambda tmp: tasks.open_task(RunConfig(task="next_token"), data.load(DataConfig())),
        "task next_token needs tokens; data.source 'digits' has image, label",
    ),
    (
        lambda tmp: ridge.draw_shots(np.array([0] * 20 + [1] * 2), 2, shots=10, draws=1),
        "eval.shots 10: class 1 has 2 training images; lower it",
    ),
    (
        lambda tmp: check_layers(["block07"], ["block00", "pre_logits"]),
        "the model has no layer 'block07'; it has 'block00', 'pre_logits'",
    ),
    (
        lambda tmp: named_set("pet", 8),
        (
            "image set 'pet' is no downstream task (did you mean 'pets'?); for files of your own give"
            " NAME=PATH"
        ),
    ),
    (lambda tmp: named_set("a/b=x", 8), "image set 'a/b=x': want NAME=PATH, the name without / and @"),
    (lambda tmp: named_set(f"x={tmp}/no", 8), "image set 'x=TMP/no': no such file or directory"),
    (
        lambda tmp: data.check(DataConfig(source="downstream", name="dtd", validation_split="val")),
        "data.validation_split 'val': a downstream task has the splits train and test",
    ),
    (
        lambda tmp: TransferConfig(best_shots=3),
        "best_shots 3 is not one of shots, (1, 5, 10, 20)",
    ),
    (
        lambda tmp: TransferConfig(shares=()),
        "shares and head.decays are both empty; name some of one of them",
    ),
    (lambda tmp: HeadConfig(decays=(0.0,)), "head.decays: want none, or three and more, got (0.0,)"),
    (
        lambda tmp: finetune.plan(finetune.FinetuneConfig()),
        "start.run is empty; name the directory of a finished run to fine-tune",
    ),
    # models, their weights and cost, changes of shape
    (
        lambda tmp: models.build("vit-ti/16x", 10, image_size=16),
        (
            "unknown model 'vit-ti/16x' (did you mean 'vit-ti/16'? families: bit-r50x1, D128-4, mixer-b/16,"
            " M64-4/8, resnet50, R64-50, vit-b/16, V192-12/8)"
        ),
    ),
    (
        lambda tmp: models.build("V16-3/4@", 10, image_size=32),
        (
            "unknown model 'V16-3/4@' (did you mean 'V16-3/4'? families: bit-r50x1, D128-4, mixer-b/16,"
            " M64-4/8, resnet50, R64-50, vit-b/16, V192-12/8)"
        ),
    ),
    (
        lambda tmp: models.build("V16-3/4@24", 10, image_size=32),
        (
            "model 'V16-3/4@24': a resolution is of a shape, not of a model; leave out @24, and give V16-3/4"
            " images of 24 px"
        ),
    ),
    (
        lambda tmp: models.build("V64-4/7", 10, image_size=16),
        "model 'V64-4/7': patch 7 does not divide the image of 16 px; try 8",
    ),
    (
        lambda tmp: models.build("V64-4/4", 10, image_size=16, pol="gap"),
        "model 'V64-4/4' has no option 'pol' (did you mean 'pool'?)",
    ),
    (
        lambda tmp: models.build("R64-20", 10, image_size=16),
        "model 'R64-20': depth 20 of a ResNet is none of 18, 34, 50, 101, 152",
    ),
    (
        lambda tmp: read_arrays(tmp / "none.npz"),
        "weights TMP/none.npz: cannot read it (No such file or directory)",
    ),
    (
        lambda tmp: read_arrays(write(tmp / "a.npz", b"PK torn")),
        ("weights TMP/a.npz: neither .npz nor a whole .safetensors file (ValueError its header: empty)"),
    ),
    (
        lambda tmp: model_cost("resnet18", image=32, patch=8),
        "model 'resnet18' has no flexible patch: leave patch out, or choose a ViT",
    ),
    (
        lambda tmp: block_order((1,), (2,), 1, MorphConfig(blocks="copy")),
        "depth: a stage of 1 block(s) has no block that can be copied; use morph.blocks identity",
    ),
    # training
    (
        lambda tmp: distributed.start(None, 2, 0),
        (
            "`coordinator` missing for a run of several processes; give `coordinator` HOST:PORT, `processes`"
            " N and `process` I"
        ),
    ),
    (lambda tmp: distributed.start("host:1", 2, 2), "`process` must be in 0..1 for 2 processes, got 2"),
    (
        lambda tmp: monitors(tmp, profile="5:5"),
        "`profile` 5:5: want START:STOP in steps with START < STOP, e.g. 10:20",
    ),
    (
        lambda tmp: monitors("gs://bucket/study", wandb=True),
        "`wandb` needs a local directory, got gs://bucket/study",
    ),
    (
        lambda tmp: Health(GROUP, "stop", lambda: 3).check(0, "loss", float("nan"), LARGE, 4),
        "V64-4: loss is nan at step 4 (V64-4/8); lower optim.lr 0.1 (the checkpoint of step 3 is good)",
    ),
    (
        lambda tmp: rundir.optimizers(
            RunConfig(), [Member("a", 0, OptimConfig(clip_norm=2.0)), Member("b", 0)]
        ),
        "runs that train together differ in optim.clip_norm (here 2.0, there 1.0); train them apart",
    ),
    # jobs
    (
        lambda tmp: claim(write(tmp / "file", "") / "run"),
        "cannot write in TMP/file/run (Not a directory); choose another `out`",
    ),
    (
        lambda tmp: claim(write(tmp / ".claim-4.json", "").parent),
        "TMP is in use by an unknown host, process 0, since WHEN; wait for it, or choose another `out`",
    ),
    (
        lambda tmp: jobs.drain([Job("job00", tmp)], refuse),
        "1 of 1 failed: job00: no luck; the same command tries them again",
    ),
    (lambda tmp: survey(tmp), "TMP: no runs here; name the directory of a study, or of one run"),
    # laws
    (lambda tmp: laws.fit([CURVE], ["m33"]), "law 'm33' is unknown (did you mean 'm3'?)"),
    (
        lambda tmp: laws.forecast([laws.Curve(X[:4], 1 / X[:4], "short")]),
        "curve 'short': needs 5 rows of different x to forecast, got 4",
    ),
    (
        lambda tmp: laws.forecast([CURVE], members=[OWN]),
        "law 'own': its prior is about 1 numbers, want 2: all but its height",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "steps,loss\n1,2\n2,1\n"), x="step", y="loss"),
        "TMP/c.csv, row 1: no column 'step' (did you mean 'steps'?)",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "x,y\n1,two\n")),
        "TMP/c.csv, row 2, column 'y': 'two' is not a number",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "a,b\n1,2\n3,4\n")),
        "TMP/c.csv, row 1: say which columns to use, e.g. `x`='a' `y`='b'; the file has 'a', 'b'",
    ),
    *(
        (lambda tmp, text=text: laws.read_curves(write(tmp / "c.csv", text)), line)
        for text, line in (
            ("a,b\n1,2\n", "TMP/c.csv: it has one row, and a curve needs more; add rows"),
            (
                "flops,val_error\n1e9,0.5\n",
                "TMP/c.csv, column 'val_error': no curve has 2 usable rows to fit with different x, the"
                " longest has 1; add rows",
            ),
        )
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", b"x,y\n1,\x002\n")),
        "TMP/c.csv, row 2, column 1: holds a null byte; give a CSV or JSONL file, a log, or TensorBoard's"
        " events",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "step;loss\n1;3,125\n2;2,125\n")),
        "TMP/c.csv, row 2, column 'loss': '3,125' may be 3.125 or 3125; say which by `decimal`=',' or"
        " `decimal`='.'",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "time,loss\n1700000060,3\n1700000120,2\n")),
        "TMP/c.csv, column 'time': x spans 3.5e-08 of itself (1700000060 to 1700000120), and laws need a"
        " begin; subtract where training began, e.g. `x`='time-1700000000'",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "step,score\n1,0.1\n2,0.2\n3,0.3\n")),
        "TMP/c.csv, column 'score': rises with x, and its name does not say which way is better; give"
        " `bound`, the value that it tends to at best, e.g. `bound`=1, or `bound`=0 to take y as it is",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "x,y\n3,1\n1,2\n3,2\n1,3\n2,2\n1,4\n")),
        "TMP/c.csv, row 7, curve 'c': x 1 occurs 3 times, and rows are in no order; name the column of a run"
        " in `by`, or give `repeats` if these are repeats of one curve",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "step,acc_pct\n1,0.1\n2,0.2\n3,0.3\n")),
        "TMP/c.csv, column 'acc_pct': is named in per cent and no value is over 1 (0.3); say which it is:"
        " `bound`=1 for shares, `bound`=100 for per cent",
    ),
    (
        lambda tmp: laws.read_curves(write(tmp / "c.csv", "x,y\n1,-3\n2,-2\n3,-1\n")),
        "TMP/c.csv, column 'y': all values are negative and rise; give `bound`=0 to fit laws to -y, or the"
        " value that y tends to",
    ),
    # plans
    (
        lambda tmp: plan.fit_laws({LARGE: [RUN]}, 1e9),
        (
            "V64-4/8: a law needs 5 evaluations, and there are 4 after the first 1e+09 FLOPs; evaluate more"
            " often, or leave out less of the runs"
        ),
    ),
    (
        lambda tmp: plan.check_measured({LARGE: [RUN]}, budget_flops=1e12),
        (
            "a budget of 1e+12 FLOPs is past the static runs, which end at 1e+10; train them longer, or set"
            " `extrapolate`"
        ),
    ),
    (
        lambda tmp: plan.steepest_descent(CROSSING, None, 1e8, target=0.01),
        (
            "target 0.01 does not lie between the end of the laws (0.02) and their begin (0.7403); choose"
            " one that does"
        ),
    ),
    (
        lambda tmp: plan.steepest_descent(CROSSING, None, 1e8, target=0.5),
        (
            "target 0.5 is reached at fewer FLOPs than the first that the laws were fitted to (100 MFLOP);"
            " choose a lower target"
        ),
    ),
    (
        lambda tmp: plan.steepest_descent({LARGE: PowerLaw(1e-9, 0.1, 0.5)}, 1e6, 1e6),
        "no law falls between 1 MFLOP and 1 MFLOP; train the static runs longer",
    ),
    (
        lambda tmp: plan.baseline("linaer", [LARGE, SMALL], 1e9, 1e6),
        "baseline 'linaer' is unknown (did you mean 'linear'?)",
    ),
    (
        lambda tmp: Online([SMALL, LARGE], {SMALL: 4.0, LARGE: 1.0}, 1e9),
        "online shapes must go from the cheapest to the dearest, got [4.0, 1.0] FLOPs",
    ),
    (
        lambda tmp: Online([LARGE, SMALL], COST, 1e9, law="m3"),
        (
            "`law` 'm3' has no form a (C + d)^-b + c, by which online plans decide; choose one of m1, m2,"
            " shifted_power"
        ),
    ),
    (
        lambda tmp: ONLINE.observe(record("run", SMALL, 1e8, val_error=0.5)),
        (
            "run, step 1000: its shape is V64-4/2, and the plan decided on V64-4/8; remove the run and make"
            " it again"
        ),
    ),
    # transfer
    (
        lambda tmp: transfer.model_table("up", X[:4] / 1e6, {"down": X[:4] / 1e6}),
        "'up': a law needs 5 models or more with an upstream error, got 4",
    ),
    (
        lambda tmp: transfer.model_table("up", np.linspace(0.2, 0.9, 20_001), {"down": np.ones(20_001)}),
        "'up': 20,001 models, and the analysis takes 20,000 at most; draw some of them",
    ),
    (
        lambda tmp: transfer.model_table("up", np.full(12, 0.5), {"down": X / 1e6}),
        "`upstream` 'up': all models have the same upstream error, 0.5; choose another upstream task",
    ),
    (
        lambda tmp: transfer.model_table("up", X / 1e6, {"down": np.full(12, np.nan)}),
        "`downstream`: no task has 5 models with an upstream error; the best has 0",
    ),
    (
        lambda tmp: transfer.model_table("up", X / 1e6, {"down": X / 1e5}),
        "'down', model 'model 9': an error is a share, 0 to 1, got 1.51991",
    ),
    (
        lambda tmp: transfer.hull_of([0.2, 0.6], [0.3, 0.5]).mixture(0.7),
        "`e_us` must lie between 0.2 and 0.6, the ends of the hull, got 0.7",
    ),
    (
        lambda tmp: transfer.analyse(MODELS, resamples=5),
        "`resamples` must be at least 20 for intervals, got 5",
    ),
    (lambda tmp: transfer.analyse(MODELS, draws=0), "`draws` must be at least 1, got 0"),
    (
        lambda tmp: transfer.predict(MODELS, below=0.2),
        "`below` must lie between 0.5 and 0.9, the least and the best upstream accuracy, got 0.2",
    ),
    (
        lambda tmp: transfer.read_models(write(tmp / "m.csv", "m,up,down\na,0.5,0.4\na,0.6,0.5"), "up"),
        (
            "TMP/m.csv, row 3: model 'a' occurs twice (also in row 2); remove one, or name the columns that"
            " tell models apart by `model`"
        ),
    ),
    (
        lambda tmp: transfer.read_models(write(tmp / "m.csv", "up,down\n50,40\n60,0.5"), "up"),
        (
            "TMP/m.csv, row 3, column 'down': 0.5 beside 40 in row 2: shares and per cent mixed? write all in"
            " one unit, or say `unit` percent if they are per cent"
        ),
    ),
    (
        lambda tmp: transfer.read_models(write(tmp / "m.csv", "up,loss\n0.5,0.4"), "up", ["loss"]),
        (
            "TMP/m.csv: column 'loss' speaks of a loss; if it holds shares of wrong answers, name it in"
            " `errors`"
        ),
    ),
    (
        lambda tmp: transfer.read_models(write(tmp / "m.csv", "up,pets\n0.5,0.4"), "up", ["pet"]),
        "TMP/m.csv, row 1: no column 'pet' (did you mean 'pets'?)",
    ),
    (
        lambda tmp: transfer.read_result(write(tmp / "transfer.json", "{}")),
        "TMP/transfer.json: is not of version 1; make it again with scalax transfer",
    ),
    # speed
    (
        lambda tmp: timm_models.timm_model(Spec("R32-18", 64, 2, 10)),
        "`against` timm: timm has no model of the shape of 'R32-18'; choose another",
    ),
]


@pytest.mark.parametrize(("call", "line"), LIBRARIES, ids=[line[:50] for _, line in LIBRARIES])
def test_libraries(tmp_path, call, line):
    with pytest.raises(UserError) as caught:
        call(tmp_path)
    said = re.sub(r"since \d{4}-.*? \S+ \(last sign of life \d+ s ago\)", "since WHEN", str(caught.value))
    assert said.replace(str(tmp_path), "TMP") == line
