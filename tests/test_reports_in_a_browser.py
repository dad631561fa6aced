"""Reports as a reader opens them: no error, no request, no sideways scroll on a phone, details unfold."""

from pathlib import Path

import pytest

from scalax import launch
from tests.browser import browser, installed

ROOT = Path(__file__).parents[1]
ADAPTIVE = ["--budget-flops", "5e9", "--eval.points", "14", "--seeds", "0", "1", "--online"]
ADAPTIVE += ["--baselines", "linear", "logarithmic", "--data.max-train-images", "4000"]
STUDIES = {
    "adaptive": [str(ROOT / "configs" / "quickstart.py"), *ADAPTIVE],
    "sweep": [str(ROOT / "configs" / "sweep.py"), "--budget-flops", "4e8", "--eval.points", "6"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_report(name, tmp_path):
    if (program := installed()) is None:
        pytest.skip("needs Chromium or Chrome, and none is installed")
    assert launch.main([*STUDIES[name], "--out", str(tmp_path / "out")]) == 0
    page = tmp_path / "out" / "report.html"
    with browser(program, tmp_path / "profile") as tab:
        for width in (400, 1280):
            tab.open(page, width)
            assert tab.value("document.documentElement.scrollWidth") <= width
            for details in range(tab.value("document.querySelectorAll('details').length")):
                one = f"document.querySelectorAll('details')[{details}]"
                folded = tab.value(f"{one}.getBoundingClientRect().height")
                tab.value(f"{one}.querySelector('summary').click()")
                assert tab.value(f"{one}.open")
                assert tab.value(f"{one}.getBoundingClientRect().height") > folded
            assert tab.value("document.documentElement.scrollWidth") <= width
            pictures = tab.value("[...document.images].map(i => [i.alt, i.complete, i.naturalWidth])")
            assert pictures
            assert all(alt and complete and size for alt, complete, size in pictures)
            requested = [event["request"]["url"] for event in tab.told("Network.requestWillBeSent")]
            assert [url for url in requested if not url.startswith("data:")] == [page.resolve().as_uri()]
            for errors in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
                assert not tab.told(errors)
