"""A real browser without a window, spoken to over a pipe (Chrome DevTools Protocol)."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]


def installed() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page of the browser, with every event that it has told of."""

    def __init__(self, read: Any, write: Any):
        self._read, self._write, self._sent = read, write, 0
        self._session: dict[str, str] = {}
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict:
        """The result of a method; raises AssertionError where it fails."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params, **self._session}
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while (answer := self._next()).get("id") != self._sent:
            self.events.append(answer)
        assert "result" in answer, answer
        return answer["result"]

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Load a file into a window of so many pixels, and wait until it is drawn."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """Of JavaScript."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def told(self, method: str) -> list[dict]:
        """What events of that name said since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def _next(self) -> dict:
        message = b""
        while (byte := self._read.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        return json.loads(message)


@contextlib.contextmanager
def browser(program: str, profile: Path) -> Iterator[Tab]:
    """A tab of a browser of its own. profile: an empty directory for what it keeps."""
    (its_in, our_out), (our_in, its_out) = os.pipe(), os.pipe()
    command = shlex.join([program, *FLAGS, f"--user-data-dir={profile}"])
    shell = f"exec {command} 3<&{its_in} 4>&{its_out}"
    with (
        subprocess.Popen(["bash", "-c", shell], pass_fds=(its_in, its_out), stderr=subprocess.DEVNULL) as run,
        os.fdopen(our_in, "rb") as read,
        os.fdopen(our_out, "wb") as write,
    ):
        os.close(its_in)
        os.close(its_out)
        try:
            yield Tab(read, write)
        finally:
            run.terminate()
