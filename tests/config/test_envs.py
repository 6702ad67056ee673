from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from copaw.config.envs import MAX_VALUE_BYTES, EnvFile
from copaw.errors import BadInput, ConfigFileError, NotFound


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "home.secret"


@pytest.fixture
def envs(directory: Path) -> EnvFile:
    return EnvFile(directory)


def test_without_a_file_there_are_none(envs: EnvFile, directory: Path) -> None:
    assert envs.load() == {}
    assert not directory.exists()


def test_variables_are_set_listed_and_deleted(envs: EnvFile) -> None:
    assert envs.set("B", "2") == {"B": "2"}
    assert envs.set("A", "") == {"B": "2", "A": ""}
    assert list(envs.load()) == ["B", "A"]
    assert envs.delete("B") == {"A": ""}
    assert envs.load() == {"A": ""}
    with pytest.raises(NotFound, match=r"'B'.*Known: A"):
        envs.delete("B")


def test_the_file_is_that_of_1_0_2_and_only_its_owner_reads_it(envs: EnvFile, directory: Path) -> None:
    envs.save({"TOKEN": "geheim", "UMLAUT": "äöü"})
    path = directory / "envs.json"
    assert json.loads(path.read_text("utf-8")) == {"TOKEN": "geheim", "UMLAUT": "äöü"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_save_replaces_everything(envs: EnvFile) -> None:
    envs.save({"A": "1", "B": "2"})
    assert envs.save({"C": "3"}) == {"C": "3"}
    assert envs.load() == {"C": "3"}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("", "x", "letters"),
        ("1A", "x", "letters"),
        ("A-B", "x", "letters"),
        ("A=B", "x", "letters"),
        ("A\n", "x", "letters"),
        ("COPAW_WORKING_DIR", "/elsewhere", "copaw itself"),
        ("copaw_secret_dir", "/elsewhere", "copaw itself"),
        ("A", "x\0y", "NUL"),
        ("A", "x" * (MAX_VALUE_BYTES + 1), "KiB"),
    ],
)
def test_what_no_process_can_have_is_refused_and_nothing_changes(envs, name, value, problem) -> None:
    envs.set("KEPT", "1")
    for change in (lambda: envs.set(name, value), lambda: envs.save({"NEW": "1", name: value})):
        with pytest.raises(BadInput, match=problem) as caught:
            change()
        assert caught.value.field == name
        assert "elsewhere" not in caught.value.message
    assert envs.load() == {"KEPT": "1"}


def test_all_together_are_bounded(envs: EnvFile) -> None:
    with pytest.raises(BadInput, match="together"):
        envs.save({f"A{number}": "x" * MAX_VALUE_BYTES for number in range(9)})


def test_what_1_0_2_let_in_stays_but_no_process_gets_it(envs: EnvFile, directory: Path) -> None:
    directory.mkdir()
    found = {"COPAW_WORKING_DIR": "/old", "odd-name": "x", "GOOD": "1"}
    (directory / "envs.json").write_text(json.dumps(found))
    assert envs.load() == found
    assert envs.for_children() == {"GOOD": "1"}
    assert envs.save({**found, "GOOD": "2"})["COPAW_WORKING_DIR"] == "/old"
    with pytest.raises(BadInput):
        envs.save({**found, "COPAW_WORKING_DIR": "/new"})


@pytest.mark.parametrize("content", ["[]", '{"A": "1"', "", '{"A": {"secret": "s3cret"}}', '{"A": null}'])
def test_a_file_that_cannot_be_used_is_reported_and_left_alone(envs: EnvFile, directory: Path, content: str) -> None:
    directory.mkdir()
    (directory / "envs.json").write_text(content)
    for act in (envs.load, lambda: envs.set("B", "1"), lambda: envs.save({}), lambda: envs.delete("A")):
        with pytest.raises(ConfigFileError) as caught:
            act()
        assert "envs.json" in caught.value.message
        assert "s3cret" not in caught.value.message
    assert (directory / "envs.json").read_text() == content


def test_two_who_change_at_the_same_time_both_count(directory: Path) -> None:
    def add(start: int) -> None:
        for number in range(start, start + 20):
            EnvFile(directory).set(f"A{number}", "x")

    threads = [threading.Thread(target=add, args=(start,)) for start in (0, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(EnvFile(directory).load()) == 40
