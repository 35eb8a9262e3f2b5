"""For every test: where CI is set, a test that was skipped has failed (an expected failure is none of these).

Examples of hypothesis have no time limit of their own: on a busy machine it measures the neighbours. In CI they are the
same at every run. A property is shown few of them while one works, more by ``make test`` (profile ``long``), and
thousands by ``make fuzz``.
"""

import os
from collections.abc import Generator

import hypothesis
import pytest

STRICT = os.environ.get("CI", "").lower() not in {"", "0", "false"}
hypothesis.settings.register_profile("house", deadline=None, derandomize=STRICT, max_examples=25)
hypothesis.settings.register_profile("long", deadline=None, derandomize=STRICT, max_examples=100)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=3_000)
hypothesis.settings.load_profile("house")


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if STRICT and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: must not be skipped where CI is set: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the report of a skipped test into that of a failed one."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the report of a skipped module into that of a failed one."""
    report = yield
    _fail_if_skipped(report)
    return report
