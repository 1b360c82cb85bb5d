from __future__ import annotations

import gc
import sys
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from feed.client.outputs import keep_weakly


class Shown:
    """What a cell shows."""


class Events:
    def __init__(self) -> None:
        self.registered: list[Any] = []

    def register(self, name: str, call: Any) -> None:
        assert name == "post_run_cell"
        self.registered.append(call)


class Shell:
    """As much of IPython's shell as keeps outputs."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {"_oh": {}}
        self.user_ns_hidden: dict[str, Any] = {}
        self.displayhook = SimpleNamespace(_="", __="", ___="")
        self.events = Events()

    def show(self, value: object) -> Any:
        self.user_ns |= {"_": value, "_7": value}
        self.user_ns["_oh"][7] = value
        self.user_ns_hidden |= {"_": value, "_7": value}
        self.displayhook._ = value
        outcome = SimpleNamespace(result=value)
        for call in self.events.registered:
            call(outcome)
        return outcome


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    keep_weakly(Shown)
    return shell


def test_what_is_only_shown_is_let_go(shell: Shell) -> None:
    value = Shown()
    shell.user_ns["mine"] = value
    kept, outcome = weakref.ref(value), shell.show(value)
    del value
    gc.collect()
    assert shell.user_ns["_oh"][7].__class__ is Shown
    assert shell.user_ns["_"] is shell.user_ns_hidden["_"] is shell.displayhook._
    del shell.user_ns["mine"]
    gc.collect()
    assert kept() is None
    del outcome


def test_other_outputs_stay(shell: Shell) -> None:
    value = object()
    shell.show(value)
    assert shell.user_ns["_7"] is value


def test_it_is_registered_once(shell: Shell) -> None:
    keep_weakly(Shown)
    assert len(shell.events.registered) == 1


def test_outside_of_ipython_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    keep_weakly(Shown)
    monkeypatch.delitem(sys.modules, "IPython")
    keep_weakly(Shown)
