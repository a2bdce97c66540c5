"""Where a run came from: user, source, commit and installed versions."""

from __future__ import annotations

import getpass
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
TREES = "gdexp.git_trees"
"""The tag with the git trees that decide the numbers: the program's and its configuration's."""
_FIELD = re.compile(r"^(Name|Version):\s*(.*?)\s*$", re.MULTILINE)


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
    checkout = _checkout(package)
    if checkout is None:
        return {}
    dirty = str(bool(checkout.changes)).lower()
    tags = {"mlflow.source.git.commit": checkout.commit, "mlflow.source.git.dirty": dirty}
    return tags | {TREES: trees} if (trees := checkout.described) else tags


def git_trees(package: Path) -> str | None:
    """Return the git trees of `package` and of the configuration beside it, and whether files differ from them.

    Unlike a commit they stay the same when anything else in the repository changes, a report for instance.
    """
    checkout = _checkout(package)
    return None if checkout is None else checkout.described


@dataclass(frozen=True)
class _Checkout:
    """A commit, the `trees` of its folders by their path in the repository, and the paths that differ from it."""

    commit: str
    trees: Mapping[str, str]
    changes: Sequence[str]

    @property
    def described(self) -> str | None:
        texts = [f"{Path(folder).name}/ {tree}" for folder, tree in self.trees.items()]
        if texts and any(path.startswith(tuple(self.trees)) for path in self.changes):
            texts.append("with uncommitted changes")
        return ", ".join(texts) or None


def _checkout(package: Path) -> _Checkout | None:
    """Return what git says of `package` and the configuration beside it: one question for names, one for changes."""
    # An installed package may lie inside somebody else's repository: only a tracked one has a commit.
    asked = ["--show-prefix", "HEAD", ":./__init__.py", "HEAD:./", "HEAD:../conf"]
    # Git answers in order, up to the first name that it does not know, which it repeats.
    known = [line for line in _git(package, "rev-parse", *asked).split("\n")[:-1] if line not in asked]
    prefix, commit, tracked, *trees = [*known, "", "", ""]
    if not tracked:
        return None
    folders = prefix, f"{Path(prefix).parent}/conf/".removeprefix("./")
    changes = _git(package, "--no-optional-locks", "status", "--porcelain", "-z", "--no-renames")
    return _Checkout(
        commit,
        {folder: tree for folder, tree in zip(folders, trees, strict=False) if tree},
        [entry[3:] for entry in changes.split("\0") if entry],
    )


def typed_command() -> str:
    """Return the command line of this process as it was typed, from `python -m` on."""
    return shlex.join(["python", "-m", "gdexp", *typed_arguments()])


def typed_arguments() -> list[str]:
    """Return the arguments of this process as they were typed."""
    return sys.orig_argv[len(sys.orig_argv) - len(sys.argv) + 1 :]


def _git(folder: Path, *arguments: str) -> str:
    """Return what git answers, as far as it came before it failed."""
    try:
        answer = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=False)
    except OSError:
        return ""
    return answer.stdout.decode(errors="surrogateescape")


@lru_cache(maxsize=1)
def environment_text() -> str:
    """Return the Python version, the platform and every installed distribution with its version, a line each."""
    installed = sorted(filter(None, map(_named, metadata.distributions())))
    lines = [f"{name}=={version}" for name, version in installed]
    return "\n".join([f"# Python {sys.version.split()[0]}", f"# {platform.platform()}", *dict.fromkeys(lines), ""])


def _named(found: metadata.Distribution) -> tuple[str, str] | None:
    """Return a distribution's name and version; None for what an uninstallation left behind."""
    # The metadata property parses the whole file, ten times as long.
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    fields = dict(_FIELD.findall(text.partition("\n\n")[0]))
    return (fields["Name"].lower(), fields["Version"]) if fields.keys() >= {"Name", "Version"} else None
