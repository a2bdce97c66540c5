"""The real MLflow UI in a real browser: what a user sees of a run, of a small sweep and of a large one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from selenium.webdriver.common.by import By

from tests.integration.browser import DESKTOP, PHONE, Browser, chromium
from tests.integration.conftest import Folder, clean_environment
from tests.integration.server import mlflow_server

MANY = 300
"""Runs of the large sweep: more than an address can name."""
LARGE_SWEEP = ("-m", "hydra/launcher=vectorized", f"seed=range({MANY})", "init=near_zero", "stopping.max_iterations=20")

# A curve is a visible line that goes somewhere. Colours can be told apart where values are grouped, and names where
# runs are overlaid, several of which may get the same colour by chance; the page draws some curves twice.
CHARTS = """
const visible = line => line.getTotalLength() > 50 && line.style.strokeOpacity !== "0" && line.style.stroke !== "none";
const lines = trace => [...trace.querySelectorAll("path.js-line")].filter(visible);
const traces = plot => [...plot.querySelectorAll(".scatterlayer .trace")].filter(trace => lines(trace).length);
return [...document.querySelectorAll(".js-plotly-plot")].map(plot => ({
    name: plot.closest("[data-testid=experiment-view-compare-runs-card]")?.querySelector("h4")?.textContent ?? "",
    curves: new Set(traces(plot).flatMap(lines).map(line => line.style.stroke)).size,
    names: new Set(traces(plot).map(trace => trace.__data__[0].trace.name)).size,
    bars: plot.querySelectorAll(".barlayer .point path").length,
}));
"""
PARALLEL_COORDINATES = """
const painted = canvas => {
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const context = copy.getContext("2d");
    context.drawImage(canvas, 0, 0);
    return context.getImageData(0, 0, copy.width, copy.height).data.some(value => value > 0);
};
const canvases = [...document.querySelectorAll(".js-plotly-plot canvas")].filter(one => one.width && one.height);
const titles = [...document.querySelectorAll(".parcoords .axis-title")].map(title => title.textContent);
return canvases.some(painted) ? titles : [];
"""
# The assistant opens by itself at the first visit; a user closes it once, and the browser remembers.
CLOSE_THE_ASSISTANT = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""


@dataclass(frozen=True)
class Chart:
    """A chart of the UI: the metric that it shows, its curves by colour and by name, and its bars."""

    name: str
    curves: int
    bars: int
    names: int = field(default=0, compare=False)


def charts(browser: Browser) -> list[Chart]:
    return [Chart(**chart) for chart in browser.script(CHARTS)]


def drawn_curves(browser: Browser, count: int) -> list[Chart]:
    """Wait until the chart of the loss shows this many curves; return all charts."""

    def answer() -> list[Chart]:
        found = charts(browser)
        return found if any(chart.name == "mse" and count in (chart.curves, chart.names) for chart in found) else []

    return browser.until(answer, f"{count} curves of mse")


def fold_the_menu(browser: Browser, width: int) -> None:
    """Do what a user of a phone does first."""
    if width == PHONE:
        browser.driver.find_element(By.CSS_SELECTOR, "[aria-label='Toggle sidebar']").click()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as window:
        yield window


@dataclass(frozen=True)
class Site:
    """A UI on a store, the links that a sweep of three runs printed, and a large sweep that is still under way."""

    address: str
    folder: Folder
    links: dict[str, str]
    large: subprocess.Popen[str]

    def run_page(self, name: str) -> str:
        """The address of the page of the run of that name; as a user comes to it from the list of runs."""
        (run,) = (run for run in self.folder.runs() if run.info.run_name == name)
        return f"{self.address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def links(output: str, address: str) -> dict[str, str]:
    """Return what a sweep printed under "To look", with the UI's real address."""
    found = re.findall(r"^  ([^:]+): http://127\.0\.0\.1:5000(/\S+)$", output, flags=re.MULTILINE)
    return {label: address + page for label, page in found}


@pytest.fixture(scope="module")
def site(browser: Browser, shared_folder: Folder) -> Iterator[Site]:
    small = shared_folder.gdexp("-m", "lr=0.001,0.01,0.1")
    assert small.returncode == 0, small.stderr
    place = shared_folder.path
    store = ("--backend-store-uri", f"sqlite:///{place / 'mlflow.db'}")
    with (place / "large.txt").open("w") as faults, mlflow_server(place, *store) as address:
        # The large sweep goes on beside the tests of the small one.
        large = subprocess.Popen(
            [sys.executable, "-m", "gdexp", *LARGE_SWEEP],
            cwd=place,
            env=clean_environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=faults,
        )
        try:
            browser.open(address)
            browser.script(CLOSE_THE_ASSISTANT)
            yield Site(address, shared_folder, links(small.stdout, address), large)
        finally:
            large.terminate()
            large.communicate(timeout=30)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_the_page_of_a_run_tells_its_outcome_and_its_settings_in_words(
    browser: Browser, site: Site, width: int
) -> None:
    browser.open(site.run_page("lr=0.01"), width)
    outcome = "The maximum number of iterations was reached. The loss is 10.3205 above the minimum"
    browser.until(lambda: outcome in browser.text(), "the outcome in words")
    fold_the_menu(browser, width)
    browser.script("document.querySelector('[aria-label=\"Expand description\"]')?.click()")  # cut off where narrow
    browser.script("document.querySelector('[aria-label=\"Edit description\"]').scrollIntoView()")
    assert (
        "Settings: data.name=seven_cars, data.scaling=none, engine=spectral, init.name=zero, lr=0.01" in browser.text()
    )
    browser.keep("run")
    assert browser.errors() == []


def test_the_loss_is_the_first_chart_of_a_run(browser: Browser, site: Site) -> None:
    browser.open(f"{site.run_page('lr=0.01')}/model-metrics")
    found = drawn_curves(browser, 1)
    assert found[0] == Chart("mse", curves=1, bars=0)
    assert found[1] == Chart("mse_final", curves=0, bars=1)
    browser.keep("run-charts")
    assert browser.errors() == []


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_the_link_to_overlaid_curves_draws_every_run(browser: Browser, site: Site, width: int) -> None:
    browser.open(site.links["curves overlaid"], width)
    drawn_curves(browser, 3)
    fold_the_menu(browser, width)
    drawn_curves(browser, 3)
    assert all(name in browser.text() for name in ("lr=0.001 (mse)", "lr=0.01 (mse)", "lr=0.1 (mse)"))
    browser.keep("curves")
    assert browser.errors() == []


def test_the_link_to_compared_runs_draws_what_was_swept_against_the_loss(browser: Browser, site: Site) -> None:
    browser.open(site.links["runs compared"])
    assert browser.until(lambda: browser.script(PARALLEL_COORDINATES), "parallel coordinates") == ["lr", "mse"]
    browser.keep("compared")
    assert browser.errors() == []


def test_the_link_to_groups_draws_a_curve_and_bars_for_each_value(browser: Browser, site: Site) -> None:
    browser.open(site.links["grouped by lr"])
    found = drawn_curves(browser, 3)
    assert found[0].name == "mse"
    assert found[1] == Chart("mse_final", curves=0, bars=3)
    browser.keep("grouped")
    assert browser.errors() == []


def test_the_page_of_a_sweep_shows_its_table_and_links(browser: Browser, site: Site) -> None:
    browser.open(site.run_page("sweep of lr (3 runs)"))
    more = browser.until(lambda: browser.driver.find_elements(By.XPATH, "//button[.='Show more']"), "the description")
    more[0].click()
    rows = browser.until(
        lambda: browser.script("return [...document.querySelectorAll('table tr')].map(row => row.innerText)"), "a table"
    )
    shown = [row.split() for row in rows]
    assert ["0.01", "max_iterations", "yes", "1000", "11.7902", "10.3205", "-", "10324"] in shown
    assert all(browser.driver.find_elements(By.LINK_TEXT, label) for label in site.links)
    browser.script("document.querySelector('table').scrollIntoView()")
    browser.keep("sweep")
    assert browser.errors() == []


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_a_report_opens_offline_with_its_figures_drawn_and_fits_the_screen(
    browser: Browser, site: Site, width: int
) -> None:
    (parent,) = (run for run in site.folder.runs() if run.info.run_name == "sweep of lr (3 runs)")
    done = site.folder.python("-m", "gdexp.report", parent.info.run_id, "--out", "report")
    assert done.returncode == 0, done.stderr
    browser.open((site.folder.path / "report" / "report.html").as_uri(), width)
    figures = browser.script("return [...document.images].map(image => [image.naturalWidth, image.clientWidth])")
    assert len(figures) == 5
    assert all(natural > 1000 and shown <= width for natural, shown in figures)
    assert browser.script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert "3 runs: 2 max_iterations, 1 diverged." in browser.text()
    browser.keep("report")
    assert browser.errors() == []


def test_the_link_of_a_large_sweep_draws_curves_too(browser: Browser, site: Site) -> None:
    output, _ = site.large.communicate(timeout=180)
    assert site.large.returncode == 0, (site.folder.path / "large.txt").read_text()
    printed = links(output, site.address)
    assert list(printed) == ["grouped by seed"]
    browser.open(printed["grouped by seed"])
    # The page draws the first ten groups; a click shows more.
    found = drawn_curves(browser, 10)
    assert found[1] == Chart("mse_final", curves=0, bars=10)
    browser.keep("large")
    assert browser.errors() == []
