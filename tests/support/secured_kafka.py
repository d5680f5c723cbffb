"""Apache Kafka as companies have it: TLS, logins and rights; each listener under its protocol's name."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from tests.support.certificates import Authority, Certificate

LISTENERS = ("SSL", "SASL_SSL", "SASL_PLAINTEXT")
PASSWORD = "mot de passe@ici/é%20"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
TOKENS = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
    'unsecuredLoginStringClaim_sub="broker" unsecuredValidatorAllowableClockSkewMs="1000";'
)


class SecuredKafka(ApacheKafka):
    """`bootstrap` is an open listener whose clients may do everything, for arrangements; `at` has the others.

    Users log in with PASSWORD by SCRAM and PLAIN, as any name with a token, and with certificates of `authority` by SSL.
    Without rights they may do nothing.
    """

    def __init__(
        self,
        directory: Path,
        users: tuple[str, ...] = ("engine",),
        settings: Mapping[str, str] | None = None,
        *,
        certificate: Certificate | None = None,
    ) -> None:
        """Take the broker's `certificate` if it is not to be a good one."""
        super().__init__(directory, starts_soon=True)
        self.authority = Authority(directory / "certificates")
        self.users = users
        self.ports = {name: free_port() for name in LISTENERS}
        own = certificate or self.authority.server()
        escaped = "".join(letter if letter.isascii() else f"\\u{ord(letter):04x}" for letter in PASSWORD)
        known = " ".join(f'user_{user}="{escaped}"' for user in users)
        self.settings = {
            "listeners": ",".join(
                (
                    f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self.controller_port}",
                    *(f"{name}://{HOST}:{port}" for name, port in self.ports.items()),
                )
            ),
            "advertised.listeners": ",".join(
                (f"PLAINTEXT://{self.bootstrap}", *(f"{name}://{HOST}:{port}" for name, port in self.ports.items()))
            ),
            "listener.security.protocol.map": ",".join(
                ("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", *(f"{name}:{name}" for name in LISTENERS))
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(own.both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.ca),
            "listener.name.ssl.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            **{
                f"listener.name.{name.lower()}.{key}": value
                for name in ("SASL_SSL", "SASL_PLAINTEXT")
                for key, value in {
                    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
                    "plain.sasl.jaas.config": f"{PLAIN} {known};",
                    "scram-sha-256.sasl.jaas.config": SCRAM,
                    "scram-sha-512.sasl.jaas.config": SCRAM,
                    "oauthbearer.sasl.jaas.config": TOKENS,
                }.items()
            },
            **(settings or {}),
        }

    def at(self, protocol: str) -> str:
        """The bootstrap address of the listener with this protocol."""
        return f"{HOST}:{self.ports[protocol]}"

    def format_options(self) -> list[str]:
        return [
            f"--add-scram={mechanism}=[name={user},password={PASSWORD}]"
            for user in self.users
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]


def token(user: str, lives_s: float = 60.0) -> str:
    """A token of this user that the broker takes: a JSON Web Token without a signature."""
    now_s = time.time()
    claims = {"sub": user, "iat": now_s, "exp": now_s + lives_s}
    return ".".join(
        (
            *(
                base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
                for part in ({"alg": "none"}, claims)
            ),
            "",
        )
    )
