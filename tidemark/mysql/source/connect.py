"""Connecting to a source: by TCP, encrypted as the configuration asks for, as a source of the right flavour."""

from __future__ import annotations

from typing import Any

from tidemark.errors import SourceDenied, SourceError, SourceUnfit, SourceUnreachable
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.session import LOST, Session
from tidemark.mysql.source.base import Source
from tidemark.mysql.source.handshake import offers_encryption
from tidemark.mysql.source.mariadb import MariaDBSource
from tidemark.mysql.source.mysql import MySQLSource

CONNECT_TIMEOUT = 10
"""Seconds until a source counts as unreachable."""
ANSWER_TIMEOUT = 60
"""Seconds that one of our short questions may take."""

UNREACHABLE = LOST | {1040, 1053, 1129, 1159, 1161, 1205, 2002, 2003, 2005, 2012}
"""Error numbers of a server that is down, full, starting, blocking us or gone."""
DENIED = frozenset(
    {1044, 1045, 1130, 1132, 1142, 1143, 1227, 1251, 1370, 1396, 1410, 1698, 1820, 1862, 3118, 3878, 4151}
)
"""Error numbers of an account, a password or a right that is refused."""
TLS = frozenset({2026, 3159})
"""Error numbers of an encryption that the two ends do not agree on."""
_CUT_OFF = ("unexpected eof", "reset by peer", "Broken pipe", "system error", "Connection was closed")
"""Words of a TLS error that tells of a server which died in the middle of the handshake."""


def connect(endpoint: Endpoint, flavour: str = "auto") -> Source:
    """Connects within 10 seconds. Raises ``SourceUnreachable``, ``SourceDenied``, or ``SourceUnfit`` for a server of
    another flavour or without the encryption that is asked for."""
    session = open_session(endpoint)
    try:
        version = session.value("SELECT @@GLOBAL.version")
        kind: type[Source] = MariaDBSource if "mariadb" in version.lower() else MySQLSource
        if flavour not in {"auto", kind.flavour}:
            raise SourceUnfit(
                f"{endpoint} runs {kind.flavour} {version}, not {flavour}",
                'set flavour = "auto", or the right host and port',
            )
        source = kind(endpoint, session, version)
        if endpoint.tls in {"required", "verify"} and not source.encrypted:
            raise _no_tls(endpoint)
    except BaseException:
        session.close()
        raise
    return source


def open_session(endpoint: Endpoint, *, answer_timeout: int = ANSWER_TIMEOUT) -> Session:
    """A session with a source; for statements that take longer, with another time limit (seconds)."""
    arguments: dict[str, Any] = {}
    match endpoint.tls:
        case "disabled":
            arguments["ssl_mode"] = "DISABLED"
        case "verify":
            arguments |= {"ssl_mode": "VERIFY_IDENTITY", "ssl": {"ca": str(endpoint.tls_ca)} if endpoint.tls_ca else {}}
        case _:
            arguments["ssl_mode"] = "REQUIRED" if _can_encrypt(endpoint) else "DISABLED"
    return Session(
        lambda number, message: translate(endpoint, number, message),
        secrets=(endpoint.password,),
        host=endpoint.tcp_host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=answer_timeout,
        write_timeout=answer_timeout,
        **arguments,
    )


def _can_encrypt(endpoint: Endpoint) -> bool:
    try:
        offered = offers_encryption(endpoint, CONNECT_TIMEOUT)
    except OSError as error:
        raise translate(endpoint, 2003, f"cannot connect: {error.strerror or error}") from error
    if not offered and endpoint.tls == "required":
        raise _no_tls(endpoint)
    return offered


def translate(endpoint: Endpoint, number: int, message: str) -> SourceError:
    """What an error of a source means to a person."""
    seen = f"{endpoint}: {message} ({number})"
    if number in DENIED:
        return SourceDenied(seen, f"check user ({endpoint.user}) and password_file, and the account's rights and host")
    if number in TLS and not any(word in message for word in _CUT_OFF):
        return SourceUnfit(seen, f'tls is "{endpoint.tls}": set it to what the server offers, tls_ca to its authority')
    if number in UNREACHABLE | TLS:
        return SourceUnreachable(seen, "check host and port, that the server runs, and that this node may reach it")
    return SourceError(seen)


def _no_tls(endpoint: Endpoint) -> SourceUnfit:
    return SourceUnfit(
        f'{endpoint} offers no encryption, and tls is "{endpoint.tls}"',
        'give the server a certificate, or set tls = "preferred"',
    )
