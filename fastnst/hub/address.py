"""Addresses of styles on the hub: `hf://user/name` or `hf://user/name@revision`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastnst.errors import ConfigError

PREFIX = "hf://"
# The hub's own rules for names, so that none can leave the cache's folder: a letter or digit first, no path, no "..".
_NAME = r"(?!.*(?:\.\.|--))[A-Za-z0-9][\w.-]{0,94}[A-Za-z0-9_]|[A-Za-z0-9]"
_REVISION = r"(?!.*\.\.)[A-Za-z0-9][\w./-]{0,199}"
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubAddress:
    """A repository on the hub and which state of it.

    Attributes:
        user: who owns it, a user or an organization.
        name: the repository's name.
        revision: a branch, a tag, or a commit (40 hexadecimal digits), which never changes.
    """

    user: str
    name: str
    revision: str = "main"

    @property
    def repository(self) -> str:
        """`user/name`, as the hub writes it."""
        return f"{self.user}/{self.name}"

    @property
    def is_pinned(self) -> bool:
        """True if the revision is a commit."""
        return _COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + ("" if self.revision == "main" else f"@{self.revision}")


def is_hub_address(text: str) -> bool:
    """True if a style is named by an address of the hub."""
    return text.startswith(PREFIX)


def parse_hub_address(text: str) -> HubAddress:
    """The address in `hf://user/name[@revision]`, or in `user/name[@revision]`.

    Raises `ConfigError` for anything that is not the name of a repository.
    """
    path, _, revision = text.removeprefix(PREFIX).partition("@")
    user, _, name = path.partition("/")
    address = HubAddress(user, name, revision or "main")
    if not (re.fullmatch(_NAME, user) and re.fullmatch(_NAME, name) and re.fullmatch(_REVISION, address.revision)):
        raise ConfigError(f"'{text}' is not the address of a style on the hub: write it as hf://user/name[@revision].")
    return address
