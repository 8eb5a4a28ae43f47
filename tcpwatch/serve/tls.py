"""How is TLS spoken? Makes OpenSSL's context of what a web configuration says."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from tcpwatch.errors import UsageError
from tcpwatch.serve.webfile import Pem, Tls

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def context(said: Tls) -> ssl.SSLContext:
    """Raises UsageError where a file cannot be read or is not what it should be."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = _VERSIONS[said.lowest], _VERSIONS[said.highest]
    if said.prefers_own:
        made.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if said.ciphers:
        made.set_ciphers(":".join(said.ciphers))
    if said.curve:
        made.set_ecdh_curve(said.curve)
    with _file(said.certificate, "cert_file") as certificate, _file(said.key, "key_file") as key:
        try:
            # without a password OpenSSL would ask for one, on the terminal, which may be nobody's
            made.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as error:
            raise UsageError(
                f"the certificate {_name(said.certificate)} with the key {_name(said.key)}: {_why(error)}"
            ) from error
    if said.client_ca:
        with _file(said.client_ca, "client_ca_file") as authorities:
            try:
                made.load_verify_locations(authorities)
            except (OSError, ValueError) as error:
                raise UsageError(f"the client_ca_file {_name(said.client_ca)}: {_why(error)}") from error
        made.verify_mode = _VERIFY[said.client_auth]
    return made


@contextmanager
def _file(pem: Pem, word: str) -> Iterator[str]:
    """A name under which OpenSSL can open it."""
    if pem.path is not None:
        try:
            pem.path.open("rb").close()  # OpenSSL would not say which one it could not read
        except OSError as error:
            raise UsageError(f"{word} {pem.path}: {error.strerror}") from error
        yield str(pem.path)
        return
    memory = os.memfd_create("tcpwatch-pem", os.MFD_CLOEXEC)  # on no disk
    try:
        with open(memory, "w", closefd=False) as file:
            file.write(pem.inline)
        yield f"/proc/self/fd/{memory}"
    finally:
        os.close(memory)


def _name(pem: Pem) -> str:
    return str(pem.path) if pem.path is not None else "in the file"


def _why(error: Exception) -> str:
    """OpenSSL's reason without the lines of its source."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (error.strerror if isinstance(error, OSError) else None) or "this is no PEM"
