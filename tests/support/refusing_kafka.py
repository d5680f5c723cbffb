"""A broker that lets in nobody who is not right, on listeners that are wrong each in one way; and what is said there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.local.ports import HOST, free_port
from ranker.connect.kafka import KafkaSettings
from tests.support.certificates import LONG_AGO, Authority
from tests.support.secured_kafka import PASSWORD, SCRAM, SecuredKafka, token

USER = "engine"
USERS = (USER, "ranker")
WRONG = "schlüssel-hush"
"""What is no password of anybody."""


@dataclass(frozen=True)
class Refused:
    """Settings that do not work, and what the sentence about them holds."""

    name: str
    settings: KafkaSettings
    said: str


class RefusingKafka(SecuredKafka):
    """More listeners: EXPIRED and ELSEWHERE by their certificates (SSL), SCRAM_ONLY by its mechanism (SASL_PLAINTEXT),
    MISLEADING by the address that it names.

    `files` has secrets and certificates of clients.
    """

    def __init__(self, directory: Path) -> None:
        everything = (*USERS, *(f"CN={user},OU=certificates,O=tests" for user in USERS))
        rights = {"super.users": ";".join(f"User:{principal}" for principal in ("ANONYMOUS", *everything))}
        super().__init__(directory, USERS, rights)
        for name, certificate in (
            ("EXPIRED", self.authority.expired("server-expired")),
            ("ELSEWHERE", self.authority.elsewhere()),
        ):
            self._listen(name, "SSL", **{"ssl.keystore.location": str(certificate.both)})
        scram = {"sasl.enabled.mechanisms": "SCRAM-SHA-512", "scram-sha-512.sasl.jaas.config": SCRAM}
        self._listen("SCRAM_ONLY", "SASL_PLAINTEXT", **scram)
        self._listen("MISLEADING", "PLAINTEXT")
        advertised = f"MISLEADING://{HOST}:"
        before, _, _ = self.settings["advertised.listeners"].partition(advertised)
        self.settings["advertised.listeners"] = f"{before}{advertised}{free_port()}"
        self.files = directory / "clients"
        self.files.mkdir()
        self.other = Authority(directory / "other")
        self.password = self._file("password", PASSWORD)
        self.wrong_password = self._file("wrong-password", WRONG)
        self.token = self._file("token", token(USER, 3600.0))
        self.old_token = self._file("old-token", token(USER, -60.0))
        self.client = self.authority.client()

    def _listen(self, name: str, protocol: str, **settings: str) -> None:
        port = self.ports[name] = free_port()
        for setting in ("listeners", "advertised.listeners"):
            self.settings[setting] += f",{name}://{HOST}:{port}"
        self.settings["listener.security.protocol.map"] += f",{name}:{protocol}"
        self.settings |= {f"listener.name.{name.lower()}.{key}": value for key, value in settings.items()}

    def _file(self, name: str, secret: str) -> str:
        file = self.files / name
        file.write_text(secret)
        return str(file)

    def login(self, protocol: str = "SASL_SSL", mechanism: str = "SCRAM-SHA-512") -> KafkaSettings:
        """As USER with PASSWORD."""
        ca = str(self.authority.ca) if protocol.endswith("SSL") else None
        return KafkaSettings(self.at(protocol), protocol, mechanism, USER, self.password, ca_file=ca)

    def by_token(self) -> KafkaSettings:
        """As USER with a token."""
        return KafkaSettings(
            self.at("SASL_SSL"), "SASL_SSL", "OAUTHBEARER", token_file=self.token, ca_file=str(self.authority.ca)
        )

    def by_certificate(self) -> KafkaSettings:
        """As `client`."""
        cert, key, ca = map(str, (self.client.cert, self.client.key, self.authority.ca))
        return KafkaSettings(self.at("SSL"), "SSL", ca_file=ca, cert_file=cert, key_file=key)

    def refused(self) -> Iterator[Refused]:
        """Each way not to be let in, by its name."""
        yield from self._logins()
        yield from self._certificates()
        yield from self._protocols()

    def _logins(self) -> Iterator[Refused]:
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            right = self.login("SASL_SSL", mechanism)
            for what, wrong in (
                ("password", replace(right, password_file=self.wrong_password)),
                ("user", replace(right, username="nobody")),
            ):
                said = (
                    f"refuses user {wrong.username!r} or the password; correct RANKER_KAFKA_USERNAME, or what "
                    "RANKER_KAFKA_PASSWORD_FILE holds"
                )
                yield Refused(f"{mechanism}, wrong {what}", wrong, said)
        only = replace(self.login("SASL_PLAINTEXT", "PLAIN"), bootstrap=self.at("SCRAM_ONLY"))
        said = (
            "does not take PLAIN on this port; set RANKER_KAFKA_SASL_MECHANISM to one of the broker's sasl.enabled.mec"
        )
        yield Refused("mechanism", only, said)
        said = "refuses the token in RANKER_KAFKA_TOKEN_FILE; let the program that writes it renew it"
        yield Refused("old token", replace(self.by_token(), token_file=self.old_token), said)
        no_token = replace(self.by_token(), token_file=self.wrong_password)
        yield Refused("no token", no_token, said)

    def _certificates(self) -> Iterator[Refused]:
        right, other = self.by_certificate(), self.other.client()
        unknown = "is from an unknown CA; set RANKER_KAFKA_CA_FILE to the file with that CA's own"
        yield Refused("unknown CA", replace(self.login(), ca_file=str(self.other.ca)), unknown)
        yield Refused("system's CAs", replace(self.login(), ca_file=None), unknown)
        expired = replace(right, bootstrap=self.at("EXPIRED"))
        yield Refused(
            "expired broker", expired, f"the certificate of Kafka at {expired.bootstrap} has expired; renew it there"
        )
        elsewhere = replace(right, bootstrap=self.at("ELSEWHERE"))
        yield Refused(
            "other name", elsewhere, "is not for this name (IP address mismatch, certificate is not valid for"
        )
        foreign = replace(right, cert_file=str(other.cert), key_file=str(other.key))
        refused = (
            "refuses the certificate in RANKER_KAFKA_CERT_FILE (certificate_unknown): it has expired, or its CA is"
        )
        yield Refused("foreign client", foreign, refused.replace("_u", " u"))
        ended = self.authority.issue("ended", not_after=LONG_AGO)
        expired_client = replace(right, cert_file=str(ended.cert), key_file=str(ended.key))
        yield Refused("expired client", expired_client, "refuses the certificate in RANKER_KAFKA_CERT_FILE (")
        yield Refused(
            "no client certificate",
            replace(right, cert_file=None, key_file=None),
            "requires a client's certificate; set RANKER_KAFKA_CERT_FILE and RANKER_KAFKA_KEY_FILE",
        )

    def _protocols(self) -> Iterator[Refused]:
        """Every protocol on the ports of the others."""
        ours = {
            "PLAINTEXT": KafkaSettings(),
            "SSL": self.by_certificate(),
            "SASL_PLAINTEXT": self.login("SASL_PLAINTEXT"),
            "SASL_SSL": self.login(),
        }
        places = {name: self.at(name) for name in ("SSL", "SASL_PLAINTEXT", "SASL_SSL")} | {"PLAINTEXT": self.bootstrap}
        for name, settings in ours.items():
            for port, place in places.items():
                if name != port:
                    said = f"Kafka at {place} {_wrong_protocol(name, port)}"
                    yield Refused(f"{name} on {port}", replace(settings, bootstrap=place), said)


def _wrong_protocol(ours: str, port: str) -> str:
    variable = "RANKER_KAFKA_SECURITY_PROTOCOL"
    if not ours.endswith("SSL") and port.endswith("SSL"):
        return f"expects TLS on this port; set {variable} to {'SASL_SSL' if 'SASL' in ours else 'SSL or SASL_SSL'}"
    if ours.endswith("SSL") and not port.endswith("SSL"):
        instead = ours.replace("SSL", "PLAINTEXT")
        return f"ends the connection: it has no TLS on this port, or is not up; use the port that has, or, if nobody can listen, set {variable} to {instead}"
    if not ours.startswith("SASL"):
        return f"ends the connection: it requires a login on this port, or is not up; set {variable} to SASL_{ours}, or start it"
    if port == "SSL":
        return "requires a client's certificate; set RANKER_KAFKA_CERT_FILE and RANKER_KAFKA_KEY_FILE"
    return f"takes no login on this port; use the one that does, or set {variable} to PLAINTEXT"
