from __future__ import annotations

import re
import subprocess
from pathlib import Path

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


def test_user_source_and_version_are_tags() -> None:
    assert {"mlflow.user", "mlflow.source.name", "mlflow.source.type", "gdexp.version"} <= context_tags().keys()


def test_the_environment_lists_python_and_every_package() -> None:
    text = environment_text()
    assert text.startswith("# Python 3.")
    assert "\nmlflow==" in text


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


def test_a_program_outside_a_repository_has_no_trees(tmp_path: Path) -> None:
    (tmp_path / "gdexp").mkdir()
    assert git_trees(tmp_path / "gdexp") is None
