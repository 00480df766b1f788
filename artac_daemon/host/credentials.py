"""A login or key for Claude Code: where one comes from, and what is wrong with it; never shown."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind

# As Claude Code 2.1.330 prefers them: keys before an apiKeyHelper, that before a token of a
# subscription, that before a login on disk. Of the first two it sends both.
_KEYS = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")
_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"
_PROVIDERS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_LARGEST = 1 << 20

# How each begins. One under the other's name is refused by the API with no word on why.
_FORMS = {"ANTHROPIC_API_KEY": "sk-ant-api", _TOKEN: "sk-ant-oat"}

# Names of systemd credentials (LoadCredential=, LoadCredentialEncrypted=, SetCredential=) that
# sessions get, each as the variable that Claude Code reads.
CREDENTIALS = {
    "anthropic-api-key": "ANTHROPIC_API_KEY",
    "anthropic-auth-token": "ANTHROPIC_AUTH_TOKEN",
    "claude-code-oauth-token": _TOKEN,
}


@dataclass(frozen=True)
class Source:
    """One login or key. `problem` is "" where none is seen; whether it is valid is not tried."""

    what: str
    where: str
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.what} from {self.where}"


def given_by_systemd(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Variables for sessions in the service's credentials: name → value and where it is from.

    ArtacError(CONFIG) for one that no key can be.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY")
    found = {}
    for name, variable in CREDENTIALS.items() if directory else ():
        place = f"systemd credential {name}"
        try:
            text = Path(directory or "", name).read_bytes()[:_LARGEST].decode().strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ArtacError(ErrorKind.CONFIG, f"{place}: cannot be read: {why}") from None
        if not text or not text.isprintable() or " " in text:
            raise ArtacError(
                ErrorKind.CONFIG, f"{place}: it is empty or has more than one word: give the key"
            )
        found[variable] = (text, place)
    return found


def sources(environ: Mapping[str, str], places: Mapping[str, str]) -> list[Source]:
    """Every login and key that sessions have, the one that Claude Code uses first.

    `environ` is a session's environment, `places` tells of some variables where they come from.
    """
    found = [
        Source(name, places.get(name, "the environment"))
        for name in _PROVIDERS
        if environ.get(name, "").lower() not in ("", "0", "false")
    ]
    found += [_variable(name, environ, places) for name in _KEYS if environ.get(name)]
    directory = claude_directory(environ)
    settings = {} if directory is None else _settings(directory)
    for place, content in settings.items():
        if content.get("apiKeyHelper"):
            found.append(Source("apiKeyHelper", place))
        given = content.get("env")
        if isinstance(given, dict):
            names = (*_KEYS, *_PROVIDERS, _TOKEN)
            found += [Source(name, place) for name in names if given.get(name)]
    if environ.get(_TOKEN):
        found.append(_variable(_TOKEN, environ, places))
    if directory is not None:
        found += _login(directory / ".credentials.json")
    return found


def claude_directory(environ: Mapping[str, str]) -> Path | None:
    """Claude Code's own directory; None when there is no home to have it in."""
    if configured := environ.get("CLAUDE_CONFIG_DIR"):
        return Path(configured)
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return Path(home) / ".claude"
    try:
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".claude"
    except KeyError:
        return None


def _variable(name: str, environ: Mapping[str, str], places: Mapping[str, str]) -> Source:
    return Source(name, places.get(name, "the environment"), _misnamed(name, environ[name]))


def _misnamed(name: str, value: str) -> str:
    if value != value.strip() or value[:1] in "\"'":
        return "there are blanks or quotes around it"
    for other, beginning in _FORMS.items():
        if name in _FORMS and other != name and value.startswith(beginning):
            return f"it looks like a value for {other}"
    return ""


def _login(path: Path) -> list[Source]:
    content = _object(path)
    if not any(content.values()):
        return []
    where, problem = str(path), ""
    login = content.get("claudeAiOauth")
    if isinstance(login, dict):
        expires = login.get("expiresAt")
        if (
            isinstance(expires, (int, float))
            and expires / 1000 < time.time()
            and not login.get("refreshToken")
        ):
            problem = "it has expired and cannot be renewed: log in again"
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            problem = problem or f"others can read it: chmod 600 {path}"
    except OSError:
        return []
    return [Source("login", where, problem)]


def _settings(directory: Path) -> dict[str, dict[str, object]]:
    paths = [directory / name for name in ("settings.json", "settings.local.json")]
    return {str(path): _object(path) for path in paths}


def _object(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
