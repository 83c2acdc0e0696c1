"""A headless Chromium over its debugging pipe: what a page does once its scripts have run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PATIENCE = 600.0
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Tab:
    """One page; ``errors`` holds what its console and its scripts complained of."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = os.fdopen(to_browser, "wb", 0), os.fdopen(from_browser, "rb")
        self._sent, self._session = 0, ""
        self.errors: list[str] = []
        self._events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and wait for its answer."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while (found := self._next()).get("id") != self._sent:
            pass
        assert "error" not in found, found
        return dict(found["result"])

    def open(self, page: Path, width: int = 1280, dark: bool = False) -> None:
        """Load a page in a window of a width, in light or dark colours, until its scripts have run."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[theme])
        self._events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        self._wait("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; waits for promises."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def download(self, folder: Path, script: str) -> Path:
        """The file that an expression makes the page save, once it is whole."""
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=True)
        self._events.clear()
        self.run(script)
        begun = self._wait("Browser.downloadWillBegin")
        while self._wait("Browser.downloadProgress")["state"] != "completed":
            pass
        return folder / str(begun["suggestedFilename"])

    def _wait(self, event: str) -> dict[str, Any]:
        """What the first event of a name says, of those not waited for yet."""
        while not (heard := [one for one in self._events if one["method"] == event]):
            self._next()
        self._events.remove(heard[0])
        return dict(heard[0].get("params", {}))

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (letter := self._in.read(1)) != b"\0":
            assert letter, "the browser has gone"
            text += letter
        found: dict[str, Any] = json.loads(text)
        told = found.get("params", {})
        if "method" in found:
            self._events.append(found)
        if found.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(told))
        if found.get("method") == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.errors.append(json.dumps(told["args"]))
        if found.get("method") == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        return found


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A browser with a profile of its own and no network, ended after the block."""
    assert CHROMIUM is not None
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    # The browser reads commands from descriptor 3 and answers on 4; the shell sets them up, whatever ours are.
    flags = "--headless=new --remote-debugging-pipe --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run"
    command = (
        f'exec "$0" {flags} --host-resolver-rules="MAP * ~NOTFOUND" --user-data-dir="$1" 3<&{their_in} 4>&{their_out}'
    )
    process = subprocess.Popen(
        ["/bin/bash", "-c", command, CHROMIUM, str(profile)],
        pass_fds=(their_in, their_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(their_in)
    os.close(their_out)
    # A browser that hangs would hang the suite: ended, it fails whoever waits for it.
    patience = threading.Timer(PATIENCE, process.kill)
    patience.start()
    try:
        yield Tab(our_out, our_in)
    finally:
        patience.cancel()
        process.terminate()
        process.wait(30)
