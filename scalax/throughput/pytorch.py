"""timm's model trained in PyTorch by a process of its own: python -m scalax.throughput.pytorch

PyTorch and JAX in one process fight over threads, so this one computes when asked to, by lines on its
standard input. The first is a JSON object (`Timm` writes it), answered by what is ready; each later one is
'VARIANT STEPS', answered by the seconds that these took.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from typing import Any

from scalax.errors import UserError
from scalax.throughput.spec import Round

RATE, DECAY = 1e-4, 1e-2


class Timm:
    """The other end: variants 'eager' and, where PyTorch finds a compiler, 'compiled'.

    - model: class of timm and its arguments, or a name and nothing.
    - image, batch, classes: side of the images in pixels, images a step, outputs.
    - precision: float32 or bfloat16.
    - gpu: train on the GPU.

    Raises UserError where the process fails.
    """

    def __init__(
        self, model: tuple[str, dict], *, image: int, batch: int, classes: int, precision: str, gpu: bool
    ):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by close)
        command = [sys.executable, "-m", "scalax.throughput.pytorch"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._process = subprocess.Popen(command, text=True, **pipes)
        try:
            wanted = {"model": model, "image": image, "batch": batch, "classes": classes}
            self._ready = self._ask(json.dumps({**wanted, "precision": precision, "gpu": gpu}))
        except BaseException:
            self.close()
            raise

    def rounds(self) -> dict[str, Round]:
        return {name: partial(self._round, name) for name in self._ready["compile_s"]}

    def about(self) -> dict:
        notes = ["{version}, {threads} threads; no clipping, no augmentation".format(**self._ready)]
        if self._ready["missing"]:
            notes.append(f"timm is not compiled: {self._ready['missing']}")
        return {"compile_s": self._ready["compile_s"], "notes": notes}

    def _round(self, name: str, steps: int) -> float:
        return self._ask(f"{name} {steps}")

    def _ask(self, line: str):
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self._process.stdin, flush=True)
        if answer := self._process.stdout.readline():
            return json.loads(answer)
        self._process.wait()
        self._errors.seek(0)
        last = (self._errors.read().strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"`against` timm: the PyTorch process ended ({last}); repair the installation, or"
            " measure without it"
        )

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def main() -> None:
    answers = sys.stdout
    wanted = json.loads(sys.stdin.readline())
    with contextlib.redirect_stdout(sys.stderr):
        variants, ready = build(**wanted)
        print(json.dumps(ready), file=answers, flush=True)
        for line in sys.stdin:
            name, steps = line.split()
            print(json.dumps(variants[name](int(steps))), file=answers, flush=True)


def make_model(name: str, fields: dict, classes: int) -> Any:
    """timm's model of a name, or of a class with our GELU.

    - name: of the model, or of a class of timm.
    - fields: arguments of the class.
    - classes: outputs.
    """
    import timm  # pyright: ignore[reportMissingImports]
    from timm.models import mlp_mixer, vision_transformer  # pyright: ignore[reportMissingImports]

    kinds = {"VisionTransformer": vision_transformer, "MlpMixer": mlp_mixer}
    if name not in kinds:
        return timm.create_model(name, num_classes=classes)
    gelu = timm.layers.get_act_layer("gelu_tanh")
    return getattr(kinds[name], name)(num_classes=classes, act_layer=gelu, **fields)


def build(
    model: tuple[str, dict], image: int, batch: int, classes: int, precision: str, gpu: bool
) -> tuple[dict[str, Round], dict[str, Any]]:
    """({variant: steps -> seconds}, what is ready).

    - model, image, batch, classes, precision, gpu: as of `Timm`.

    All of a machine's processors compute, as with JAX.
    """
    import timm  # pyright: ignore[reportMissingImports]
    import torch  # pyright: ignore[reportMissingImports]

    if gpu and not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no GPU: set JAX_PLATFORMS=cpu to compare on the CPU")
    has_affinity = hasattr(os, "sched_getaffinity")
    torch.set_num_threads(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1)
    if gpu:
        torch.set_float32_matmul_precision("high")  # as JAX has it there
    torch.manual_seed(0)
    device = torch.device("cuda" if gpu else "cpu")
    images = torch.rand(batch, 3, image, image, device=device) * 2 - 1
    labels = torch.randint(classes, (batch,), device=device)

    def rounds(compiled: bool):
        net = make_model(*model, classes).to(device).train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
        forward = torch.compile(net) if compiled else net

        def steps(count: int) -> float:
            started = time.perf_counter()
            for _ in range(count):
                optimizer.zero_grad(set_to_none=True)
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                    loss = torch.nn.functional.cross_entropy(forward(images), labels)
                loss.backward()
                optimizer.step()
            loss.item()
            return time.perf_counter() - started

        return steps

    variants, compile_s, missing = {"eager": rounds(compiled=False)}, {"eager": 0.0}, ""
    variants["eager"](2)
    try:
        compiled = rounds(compiled=True)
        started = time.perf_counter()
        compiled(2)
        variants["compiled"], compile_s["compiled"] = compiled, time.perf_counter() - started
    except Exception as e:  # no C++ compiler, or a version of Python that it does not support
        missing = f"{type(e).__name__}: {e}".splitlines()[0]
    return variants, {
        "compile_s": compile_s,
        "missing": missing,
        "threads": torch.get_num_threads(),
        "version": f"timm {timm.__version__}, PyTorch {torch.__version__}",
    }


if __name__ == "__main__":
    main()
