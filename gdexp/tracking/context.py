"""Where a run came from: user, source, commit and installed versions."""

from __future__ import annotations

import getpass
import platform
import subprocess
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


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
    return {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": str(bool(changes)).lower()}


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
