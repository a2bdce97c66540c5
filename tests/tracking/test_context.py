from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gdexp.tracking.context import context_tags, environment_text, git_tags


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "__init__.py").write_text("")
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
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
