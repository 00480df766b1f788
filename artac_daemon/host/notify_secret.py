"""The secret that posts are signed with: where it is, and who else could read it; never shown."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind
from .config_text import closing, exposed

# Name of the systemd credential (LoadCredential=, LoadCredentialEncrypted=).
CREDENTIAL = "notify-secret"
SHORTEST = 16  # bytes; what is shorter can be guessed from one signature
_LARGEST = 4096


def place(file: str, environ: Mapping[str, str]) -> Path | None:
    """Where the secret is to be; None where nobody has given one."""
    if file:
        return Path(file)
    directory = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(directory, CREDENTIAL) if directory else None
    return path if path is not None and path.exists() else None


def read(file: str, environ: Mapping[str, str]) -> bytes:
    """The secret. ArtacError(CONFIG) for none, a short one, and one that others can read."""
    path = place(file, environ)
    if path is None:
        raise _refused(
            "notify_url needs a secret to sign with: set notify_secret_file, "
            f"or give the service a credential {CREDENTIAL}"
        )
    try:
        with open(path, "rb", opener=_open_at_once) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _refused(f"{path}: is not a regular file")
            secret = stream.read(_LARGEST + 1).strip()
    except OSError as error:
        raise _refused(f"{path}: cannot be read: {error.strerror}") from None
    # systemd gives credentials to the account by an ACL, which shows as the group's rights.
    if file and exposed(path, status):
        mode = stat.S_IMODE(status.st_mode)
        mend = closing(path, status)
        raise _refused(f"{path}: mode {mode:04o} lets other users read it; run: {mend}")
    if not SHORTEST <= len(secret) <= _LARGEST:
        raise _refused(f"{path}: a secret of {SHORTEST} to {_LARGEST} bytes is needed")
    return secret


def _open_at_once(path: str, flags: int) -> int:
    # Opening a FIFO would otherwise wait until somebody wrote to it.
    return os.open(path, flags | os.O_NONBLOCK)


def _refused(message: str) -> ArtacError:
    return ArtacError(ErrorKind.CONFIG, message)
