from __future__ import annotations

import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from gdexp.tracking.context import context_tags, environment_text, git_tags, git_trees


def commit(folder: Path, *before: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (before, ["add", "."], [*identity, "commit", "-qm", "all"]):
        if arguments:
            subprocess.run(["git", *arguments], cwd=folder, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "__init__.py").write_text("")
    commit(tmp_path, "init", "-q")
    return tmp_path


def test_a_checkout_has_a_commit_and_is_clean(repository: Path) -> None:
    tags = git_tags(repository)
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert tags["mlflow.source.git.dirty"] == "false"


def test_a_change_makes_a_checkout_dirty(repository: Path) -> None:
    (repository / "__init__.py").write_text("changed")
    assert git_tags(repository)["mlflow.source.git.dirty"] == "true"


def test_a_package_installed_inside_somebody_elses_repository_has_no_commit(repository: Path) -> None:
    package = repository / "site-packages"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert git_tags(package) == {}


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert git_tags(tmp_path) == {}


def test_a_machine_without_git_has_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_tags(repository) == {}


def test_a_checkout_is_told_by_two_questions(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    run = subprocess.run

    def count(command: list[str], **settings: Any) -> subprocess.CompletedProcess[bytes]:
        asked.append(command)
        return run(command, **settings)

    monkeypatch.setattr(subprocess, "run", count)
    git_tags(repository)
    assert len(asked) <= 2


def test_user_source_and_version_are_tags() -> None:
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type", "gdexp.version"} <= context_tags().keys()


def test_the_environment_lists_python_and_every_package() -> None:
    text = environment_text()
    assert text.startswith("# Python 3.")
    assert "\nmlflow==" in text


def test_the_environment_is_what_the_metadata_of_the_distributions_say() -> None:
    installed = {f"{found.metadata['Name'].lower()}=={found.version}" for found in metadata.distributions()}
    assert installed == {line for line in environment_text().splitlines() if not line.startswith("#")}


def test_what_an_uninstallation_left_behind_is_not_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone-1.0.dist-info").mkdir()
    (tmp_path / "here-1.0.dist-info").mkdir()
    (tmp_path / "here-1.0.dist-info" / "METADATA").write_text("Name: Here_it.is\nVersion: 2.0\n\nName: other\n")
    monkeypatch.syspath_prepend(tmp_path)
    environment_text.cache_clear()
    lines = environment_text().splitlines()
    environment_text.cache_clear()
    assert "here_it.is==2.0" in lines
    assert not any(line.startswith(("gone", "other")) for line in lines)


def test_the_trees_of_program_and_configuration_outlast_a_commit_of_anything_else(tmp_path: Path) -> None:
    for name in ("gdexp/__init__.py", "conf/config.yaml", "report.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("first")
    commit(tmp_path, "init", "-q")
    first = git_trees(tmp_path / "gdexp")
    assert first is not None
    assert re.fullmatch(r"gdexp/ [0-9a-f]{40}, conf/ [0-9a-f]{40}", first)
    (tmp_path / "report.md").write_text("changed")
    assert git_trees(tmp_path / "gdexp") == first
    commit(tmp_path)
    assert git_trees(tmp_path / "gdexp") == first
    (tmp_path / "conf" / "config.yaml").write_text("changed")
    assert git_trees(tmp_path / "gdexp") == f"{first}, with uncommitted changes"
    commit(tmp_path)
    assert git_trees(tmp_path / "gdexp") != first


def test_trees_below_the_top_of_a_repository_differ_by_their_own_files_alone(tmp_path: Path) -> None:
    for name in ("a folder/gdexp/__init__.py", "a folder/conf/config.yaml", "gdexp/other.py", "conf/other.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first")
    commit(tmp_path, "init", "-q")
    package = tmp_path / "a folder" / "gdexp"
    trees = git_trees(package)
    assert trees is not None
    (tmp_path / "gdexp" / "other.py").write_text("changed")
    (tmp_path / "conf" / "other.yaml").write_text("changed")
    assert git_trees(package) == trees
    (package / "å new module.py").write_text("")
    assert git_trees(package) == f"{trees}, with uncommitted changes"


def test_a_file_that_moved_out_of_the_program_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "gdexp").mkdir()
    for name in ("__init__.py", "module.py"):
        (tmp_path / "gdexp" / name).write_text(f"# {name}, long enough to be told apart")
    commit(tmp_path, "init", "-q")
    subprocess.run(["git", "mv", "gdexp/module.py", "module.py"], cwd=tmp_path, check=True)
    trees = git_trees(tmp_path / "gdexp")
    assert trees is not None
    assert re.fullmatch(r"gdexp/ [0-9a-f]{40}, with uncommitted changes", trees)


def test_a_program_outside_a_repository_has_no_trees(tmp_path: Path) -> None:
    (tmp_path / "gdexp").mkdir()
    assert git_trees(tmp_path / "gdexp") is None
