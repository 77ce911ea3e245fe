"""The page of the steps in a real browser: headless, driven by its own protocol's driver."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, viz
from minigrad.core.declare import REGISTRY, Elementwise
from minigrad.core.expr import symbol
from minigrad.kernels.emit.expressions import evaluate
from minigrad.nn import functional as F
from minigrad.viz.stepping.formulas import derivative, formula, javascript
from minigrad.viz.stepping.values import fill

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("there is no chromium with its chromedriver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def leaf(value):
    return mg.tensor(value, requires_grad=True, dtype=mg.float64)


def compute(w, x, b):
    y = mg.tanh(w * x + b)
    return (y - 0.25) ** 2 + 0.1 * w * w


def neuron():
    leaves = {"w": leaf(0.5), "x": leaf(2.0), "b": leaf(-1.5)}
    with viz.record() as tape:
        loss = compute(**leaves)
        loss.backward()
    return viz.steps(loss, params=leaves, tape=tape), leaves


def open_page(browser, shown, folder: Path, width=1280, height=900):
    path = shown.save(folder / "steps.html")
    browser.set_window_size(width, height)
    browser.get(path.as_uri())
    return path


def errors(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def at(browser):
    return browser.execute_script("return at")


def value(browser, key):
    return browser.execute_script("return scalar(arguments[0])", key)


def ids(shown):
    return {n["name"]: n["id"] for n in shown.data["nodes"]}


def test_to_the_end_by_key_button_and_slider(browser, tmp_path):
    shown, leaves = neuron()
    open_page(browser, shown, tmp_path)
    last = len(shown) - 1
    body = browser.find_element("tag name", "body")
    for i in range(last):
        assert at(browser) == i
        body.send_keys("\ue014")  # right arrow
    assert at(browser) == last
    assert not browser.find_element("id", "next").is_enabled()
    for name, t in leaves.items():
        text = browser.find_element("id", f"gradient-{ids(shown)[name]}").text
        assert float(text) == pytest.approx(t.grad.item(), rel=1e-3)
        assert value(browser, f"g:{ids(shown)[name]}") == t.grad.item()
    body.send_keys("\ue011")  # home
    assert at(browser) == 0
    browser.find_element("id", "next").click()
    browser.find_element("id", "next").click()
    browser.find_element("id", "back").click()
    assert at(browser) == 1
    slider = browser.find_element("id", "slider")
    slider.send_keys("\ue014")
    assert at(browser) == 2
    slider.send_keys("\ue010")  # end
    assert at(browser) == last
    assert errors(browser) == []


def test_play_and_pause(browser, tmp_path):
    open_page(browser, neuron()[0], tmp_path)
    button = browser.find_element("id", "play")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    browser.execute_script("go(LAST)")
    assert button.get_attribute("aria-pressed") == "false"


def test_every_step_says_what_python_says(browser, tmp_path):
    shown, _ = neuron()
    open_page(browser, shown, tmp_path)
    for i, step in enumerate(shown.data["steps"]):
        browser.execute_script("go(arguments[0])", i)
        said = [li.text for li in browser.find_elements("css selector", "#card li")]
        assert said == [fill(line, shown.data["values"]) for line in step["lines"]]
        status = browser.find_element("id", "status").get_attribute("textContent")
        assert status.startswith(step["title"])
        assert len(browser.find_elements("css selector", "#graph .now.node")) == bool(step["node"])
        assert len(browser.find_elements("css selector", "#graph .now.edge")) == len(step["edges"])


@pytest.mark.parametrize(("name", "new"), [("w", -1.25), ("x", 0.0), ("b", 3.5)])
def test_changed_leaves_give_what_autograd_gives(browser, tmp_path, name, new):
    shown, _ = neuron()
    open_page(browser, shown, tmp_path)
    field = browser.find_element("id", f"edit-{ids(shown)[name]}")
    field.clear()
    field.send_keys(str(new))
    leaves = {"w": leaf(0.5), "x": leaf(2.0), "b": leaf(-1.5)} | {name: leaf(new)}
    loss = compute(**leaves)
    loss.backward()
    assert value(browser, f"v:{shown.data['root']}") == pytest.approx(loss.item(), rel=1e-12)
    for n, t in leaves.items():
        assert value(browser, f"g:{ids(shown)[n]}") == pytest.approx(t.grad.item(), rel=1e-12)
    browser.find_element("id", "reset").click()
    assert value(browser, f"v:{ids(shown)[name]}") == shown.data["values"][
        f"v:{ids(shown)[name]}"
    ]["elements"]  # fmt: skip
    assert errors(browser) == []


def test_a_network_with_pictures(browser, tmp_path):
    mg.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 10))
    images, labels = mg.randn(6, 1, 12, 12), mg.randint(0, 10, (6,))
    with viz.record() as tape:
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
    shown = viz.steps(loss, model, tape=tape)
    open_page(browser, shown, tmp_path)
    canvases = 0
    for i in range(len(shown)):
        browser.execute_script("go(arguments[0])", i)
        found = browser.find_elements("css selector", "#card canvas")
        assert all(c.get_attribute("aria-label") for c in found)
        canvases += len(found)
    assert canvases > 20
    assert not browser.find_elements("css selector", "#variables input")
    assert errors(browser) == []


def test_dark_and_narrow(browser, tmp_path):
    shown, _ = neuron()
    colours = []
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
        )
        open_page(browser, shown, tmp_path)
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= 360  # nothing sticks out to the right
        colours.append(
            browser.find_element("tag name", "body").value_of_css_property("background-color")
        )
        for button in browser.find_elements("css selector", "#controls button"):
            assert button.size["height"] >= 44
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert colours[0] != colours[1]
    assert errors(browser) == []


def test_inside_of_a_notebook(browser, tmp_path):
    """A notebook shows the page in a frame that has its text as an attribute."""
    shown, _ = neuron()
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{shown._repr_html_()}", encoding="utf-8")
    browser.get(path.as_uri())
    browser.switch_to.frame(browser.find_element("tag name", "iframe"))
    browser.find_element("id", "next").click()
    assert at(browser) == 1
    browser.switch_to.default_content()
    assert errors(browser) == []


FORMULAS = sorted(name for name, op in REGISTRY.items() if isinstance(op, Elementwise))


def test_all_formulas_in_javascript(browser, tmp_path):
    """Every declared formula and derivative, against numpy, at some points."""
    open_page(browser, neuron()[0], tmp_path)
    points = [[0.3, 0.7, 0.45, 0.2], [-1.3, 0.4, 2.1, 0.9], [2.6, -1.7, 0.6, -0.4]]
    wrong, tried = [], 0
    for name in FORMULAS:
        op = REGISTRY[name]
        params = tuple(op.defaults)
        roots = [formula(op, params)]
        slopes = [derivative(op, i, params, symbol("g")) for i in range(len(op.rules))]
        roots += [s for s in slopes if s is not None]
        for point in points:
            known = dict(zip(op.names[: op.arity], point))
            for flag in op.names[: op.flags]:
                known[flag] = known[flag] > 0
            arrays = [np.array(v) for v in known.values()]
            with np.errstate(all="ignore"):
                y = op.formula(*arrays, *params)
            values = {**known, "g": 1.5, "y": y.item()}
            for root in roots:
                wrong += difference(browser, name, javascript(root), root, values)
                tried += 1
    assert tried > 200
    assert wrong == []


def difference(browser, name, script, root, values):
    arrays = {k: np.array(v) for k, v in values.items()}
    with np.errstate(all="ignore"):
        (expected,) = evaluate([root], arrays, np.array)
    usable = {k: v for k, v in values.items() if isinstance(v, bool) or np.isfinite(v)}
    if len(usable) < len(values):
        return []
    names = ", ".join(values)
    got = browser.execute_script(
        f"return String(Number((({names}) => {script})(...arguments)))", *values.values()
    )
    number = float(got.replace("Infinity", "inf"))
    same = np.isclose(number, float(expected), rtol=1e-9, atol=1e-12, equal_nan=True)
    return (
        [] if same else [(name, script, json.dumps(values, default=str), number, float(expected))]
    )
