"""Where a run came from: user, source, commit and installed versions."""

from __future__ import annotations

import getpass
import platform
import shlex
import subprocess
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
TREES = "gdexp.git_trees"
"""The tag with the git trees that decide the numbers: the program's and its configuration's."""


@lru_cache(maxsize=1)
def context_tags() -> dict[str, str]:
    """Return the tags that MLflow's fluent interface would set, and its client does not."""
    tags = {
        "mlflow.source.name": "gdexp",
        "mlflow.source.type": "LOCAL",
        "gdexp.version": metadata.version("gdexp"),
    }
    try:
        tags["mlflow.user"] = getpass.getuser()
    except (OSError, KeyError):
        tags["mlflow.user"] = "unknown"
    return tags | git_tags(PACKAGE)


def git_tags(package: Path) -> dict[str, str]:
    """Return the commit that `package` is at and whether files differ from it; nothing outside a checkout of it."""
    # An installed package may lie inside somebody else's repository: only a tracked one has a commit.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {}
    commit, changes = _git(package, "rev-parse", "HEAD"), _git(package, "status", "--porcelain")
    if commit is None or changes is None:
        return {}
    tags = {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": str(bool(changes)).lower()}
    return tags | {TREES: trees} if (trees := git_trees(package)) else tags


def git_trees(package: Path) -> str | None:
    """Return the git trees of `package` and of the configuration beside it, and whether files differ from them.

    Unlike a commit they stay the same when anything else in the repository changes, a report for instance.
    """
    root = package.parent
    folders = [name for name in (package.name, "conf") if (root / name).is_dir()]
    trees = [(name, _git(root, "rev-parse", f"HEAD:./{name}")) for name in folders]
    texts = [f"{name}/ {tree}" for name, tree in trees if tree]
    if texts and _git(root, "status", "--porcelain", "--", *folders):
        texts.append("with uncommitted changes")
    return ", ".join(texts) or None


def typed_command() -> str:
    """Return the command line of this process as it was typed, from `python -m` on."""
    count = len(sys.argv) - 1
    return shlex.join(["python", "-m", "gdexp", *sys.orig_argv[len(sys.orig_argv) - count :]])


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


@lru_cache(maxsize=1)
def environment_text() -> str:
    """Return the Python version, the platform and every installed distribution with its version, a line each."""
    installed = {(found.metadata["Name"].lower(), found.version) for found in metadata.distributions()}
    lines = [f"{name}=={version}" for name, version in sorted(installed)]
    return "\n".join([f"# Python {sys.version.split()[0]}", f"# {platform.platform()}", *lines, ""])
