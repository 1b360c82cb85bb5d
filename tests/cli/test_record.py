from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest

from feed.cli import record
from feed.cli.main import parser
from feed.client.events import Gap, Snapshot
from feed.recorder import Recorder
from feed.tape.recording import segments_under
from tests.integration.running import command, environment, run, serving, wait_for
from tests.server.local import eventually

MARKET = ("--simulate", "AAPL,MSFT", "--rate", "1000", "--seed", "3")


def test_a_feed_is_recorded_until_there_are_enough_ticks(tmp_path: Path) -> None:
    with serving(tmp_path, *MARKET) as feed:
        out = tmp_path / "tapes"
        result = run("record", feed.url, "--symbols", "AAPL", "--out", str(out), "--count", "200")
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("recorded 2")
    segments = segments_under(out)
    assert sum(own.rows for own in segments) >= 200
    assert not any(own.grows for own in segments)
    assert all(list(own.read("MSFT")) == [] for own in segments)


def test_a_recording_that_is_interrupted_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "tapes"
    with serving(tmp_path, *MARKET) as feed:
        process = subprocess.Popen(
            command("record", feed.url, "--out", str(out)),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: segments_under(out, "quotes"), "the first segment")
        process.send_signal(signal.SIGINT)
        told, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert told.endswith(f"into {out}\n")
    assert not any(own.grows for own in segments_under(out))


def test_no_symbol_that_the_feed_has_is_a_failure(tmp_path: Path) -> None:
    with serving(tmp_path, *MARKET) as feed:
        out = ("--out", str(tmp_path / "tapes"))
        result = run("record", feed.url, "--symbols", "NOPE", *out)
    assert result.returncode == 1
    assert "no source publishes NOPE" in result.stderr


def test_a_recorder_that_cannot_go_on_ends_the_command_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(own: Recorder) -> None:
        await eventually(lambda: own.queued > 0)
        raise ValueError("odd data")

    monkeypatch.setattr(Recorder, "run", fail)
    with serving(tmp_path, *MARKET) as feed:
        arguments = ["record", feed.url, "--out", str(tmp_path / "tapes"), "--count", "2000"]
        with pytest.raises(ValueError, match="odd data"):
            asyncio.run(record._record(parser().parse_args(arguments)))


@pytest.mark.parametrize("arguments", [(), ("--out", "x", "--channels", "books")])
def test_arguments_are_checked(arguments: tuple[str, ...]) -> None:
    result = run("record", *arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_what_will_not_come_any_more_is_written_down(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, lambda: "a")
    record._note(Snapshot("A", {}), recorder)
    assert recorder.done.missing == 0
    record._note(Gap("quotes", "A", 3, 7), recorder)
    assert recorder.done.missing == 5
