"""How every client reaches Redis: the address, encryption and login, as the environment has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from ranker.connect import redis_address, secret_file
from ranker.connect.redis_address import Address, AddressError
from ranker.connect.server_settings import ServerSettings

PREFIX = "RANKER_REDIS"


@dataclass(frozen=True)
class RedisSettings(ServerSettings):
    """Secrets are in the files that are named here, or in the URL, which is only to be printed as `shown` has it.

    Passwords are read at each new connection, renewed certificates as well. `username` and `password_file` are those of
    Redis; Sentinels have their own, or none.
    """

    PREFIX: ClassVar[str] = PREFIX

    url: str = field(default=redis_address.DEFAULT, repr=False)
    username: str | None = None
    password_file: str | None = None
    sentinel_username: str | None = None
    sentinel_password_file: str | None = None

    def address(self) -> Address:
        """Raises AddressError."""
        return redis_address.parsed(self.url)

    def faults(self) -> Iterator[str]:
        """What is wrong, as sentences that name the variable and the fix, without secrets."""
        try:
            address = self.address()
        except AddressError as error:
            yield f"{PREFIX}_URL: {error}"
            return
        yield from self._unneeded(address)
        yield from self._login_faults(address)
        for name, path in (
            ("PASSWORD_FILE", self.password_file),
            ("SENTINEL_PASSWORD_FILE", self.sentinel_password_file),
        ):
            if path and (fault := secret_file.secret_fault(f"{PREFIX}_{name}", path)):
                yield fault
        if address.has_tls:
            yield from self.tls.faults(PREFIX)

    def _unneeded(self, address: Address) -> Iterator[str]:
        """What is set and would have no effect: somebody relies on it."""
        for variable in self.shown():
            name = variable.removeprefix(f"{PREFIX}_")
            if name.startswith("SENTINEL") and not address.has_sentinels:
                yield (
                    f"{PREFIX}_{name}: has no effect, since {PREFIX}_URL names no Sentinels; "
                    f"write redis+sentinel://… there, or remove this"
                )
            elif name in self.tls.named() and not address.has_tls:
                secure = "rediss://" if address.path else address.scheme.replace("redis", "rediss", 1) + "://"
                yield (
                    f"{PREFIX}_{name}: has no effect, since {address.scheme}:// is not encrypted; "
                    f"write {secure}… in {PREFIX}_URL, or remove this"
                )
        if self.tls.named() and (both := sorted(name for name in address.options if name.startswith("ssl_"))):
            twice = f"{PREFIX}_{next(iter(self.tls.named()))}"
            yield f"{PREFIX}_URL: {both[0]} is the same as {twice} and others; write all of them as variables"

    def _login_faults(self, address: Address) -> Iterator[str]:
        if self.username and address.username:
            yield f"{PREFIX}_USERNAME: {PREFIX}_URL names a user, too; keep one of them"
        if self.password_file and address.password:
            yield f"{PREFIX}_PASSWORD_FILE: {PREFIX}_URL holds a password, too; keep the file"
        if self.username and not (self.password_file or address.password):
            yield f"{PREFIX}_USERNAME: needs {PREFIX}_PASSWORD_FILE beside it; set it, or remove {PREFIX}_USERNAME"
        if self.sentinel_username and not self.sentinel_password_file:
            name = f"{PREFIX}_SENTINEL"
            yield f"{name}_USERNAME: needs {name}_PASSWORD_FILE beside it; set it, or remove {name}_USERNAME"
