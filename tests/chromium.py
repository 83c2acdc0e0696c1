"""Pages as a reader has them: opened from their files in headless Chromium, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Longer than anything takes on a busy machine: what does not end by then hangs.
MILLISECONDS = 120_000


@contextmanager
def opened(chromium: Browser, path: Path, **context: Any) -> Iterator[Page]:
    """A page that has loaded a file and drawn its figures; a complaint, or a word to a network, fails the test."""
    with chromium.new_context(offline=True, **context) as place:
        page = place.new_page()
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: troubles.append(request.url) if is_remote(request.url) else None)
        page.set_default_timeout(MILLISECONDS)
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        for plot in page.locator(".plot").all():
            plot.locator("svg.main-svg").first.wait_for(state="attached")
        yield page
        assert troubles == []


def is_remote(url: str) -> bool:
    """Whether an address is neither a file nor what the page holds itself."""
    return not url.startswith(("file:", "data:", "blob:"))


def saved(page: Page, button: Locator, folder: Path) -> Path:
    """The file that a button makes the page save."""
    with page.expect_download() as coming:
        button.click()
    path = folder / coming.value.suggested_filename
    coming.value.save_as(path)
    return path
