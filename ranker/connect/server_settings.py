"""What the settings of each kind of server have alike: the variables of a prefix, TLS, and how they are printed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Self

from ranker.connect.tls import TlsFiles
from ranker.service.endpoints import shown


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Each field is a variable: PREFIX_NAME. Secrets are in files, and nowhere in this object.

    `ADDRESS` is the field that may hold a password by mistake, so that only `shown` prints it.
    """

    PREFIX: ClassVar[str]
    ADDRESS: ClassVar[str] = "url"

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = field(default=None, repr=False)  # somebody may have written the key itself there
    key_password_file: str | None = field(default=None, repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Those of the variables, with defaults, unchecked: see `faults`."""
        given = {each.name: environ.get(f"{cls.PREFIX}_{each.name.upper()}") for each in fields(cls)}
        return cls(**{name: value for name, value in given.items() if value})

    @property
    def tls(self) -> TlsFiles:
        return TlsFiles(self.ca_file, self.cert_file, self.key_file, self.key_password_file)

    def shown(self) -> dict[str, str]:
        """All that is set, by the names of the environment, for printing."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        given[self.ADDRESS] = given[self.ADDRESS] and shown(given[self.ADDRESS])
        return {f"{self.PREFIX}_{name.upper()}": value for name, value in given.items() if value}
