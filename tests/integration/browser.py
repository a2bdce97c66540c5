"""The browser in which tests open pages: headless Chromium with its driver, both from PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

SCREENSHOTS = Path(__file__).resolve().parents[2] / ".screenshots"
DESKTOP, PHONE = 1400, 400
HEIGHTS = {DESKTOP: 1000, PHONE: 850}
"""The widths in pixels at which pages are looked at, with the heights that go with them."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root, as in most containers, gets none
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HARMLESS = (
    # What every page of a server without accounts says, whatever was recorded.
    "ajax-api/2.0/mlflow/users/current - Failed to load resource: the server responded with a status of 404",
    # A page that is slow to lay out: what was not done in one frame is done in the next.
    "ResizeObserver loop completed with undelivered notifications",
)
"""What the console calls an error and what is no fault of a page."""

T = TypeVar("T")


@dataclass(frozen=True)
class Browser:
    """One window of Chromium."""

    driver: Chrome

    def open(self, address: str, width: int = DESKTOP) -> None:
        """Load a page, of http:// or file://, in a window of the given width."""
        # Addresses of the UI differ behind the # only, which alone loads nothing anew.
        self.driver.get("about:blank")
        self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        size = {"width": width, "height": HEIGHTS[width], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(address)

    def script(self, text: str) -> Any:
        """Return what a script answers in the page."""
        return self.driver.execute_script(text)

    def text(self) -> str:
        """Return the text of the page as it is shown."""
        return str(self.script("return document.body.innerText"))

    def until(self, answer: Callable[[], T], what: str, seconds: float = 90) -> T:
        """Return the first answer that is true, or fail with what was expected and a screenshot of what is there."""
        try:
            return WebDriverWait(self.driver, seconds, poll_frequency=0.2).until(lambda _: answer())
        except TimeoutException:
            kept = self.keep("failed")
            pytest.fail(f"{what}: not within {seconds} s on {self.driver.current_url}; see {kept}\n{self.text()}")

    def errors(self) -> list[str]:
        """Return the errors of the console since the page was opened, but for those that are no fault of a page."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        errors = [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
        return [message for message in errors if not any(harmless in message for harmless in HARMLESS)]

    def keep(self, name: str) -> Path:
        """Keep a picture of the window, named after the page and the width, and return where."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}-{self.script('return window.innerWidth')}.png"
        self.driver.save_screenshot(str(path))
        return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium and end it; skip the tests without it, or fail where GDEXP_BROWSER=required."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        give_up = pytest.fail if os.environ.get("GDEXP_BROWSER") == "required" else pytest.skip
        give_up("Chromium and its driver are not installed: `make browser` installs them for the tests of the UI")
    options = ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With both paths given nothing is looked for, so nothing is downloaded.
    window = Chrome(options=options, service=Service(driver))
    try:
        yield Browser(window)
    finally:
        window.quit()
