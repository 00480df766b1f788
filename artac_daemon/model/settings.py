"""The settings: the one table that says everything about each of them."""

# ruff: noqa: RUF009  (`_row` makes a dataclass field)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from .limit_kinds import Amount, CpuQuota, CpuWeight, MemoryBound, Percent, TaskBound, TimeBound
from .listen_address import LoopbackAddress
from .notification import Occasion
from .notify_kinds import Choices, Desktop, Program, WebhookUrl
from .permission import PermissionMode
from .policy import Policy
from .policy_kinds import Policies
from .setting_kinds import (
    AbsolutePath,
    AccountName,
    Choice,
    Duration,
    Flag,
    HiddenValues,
    Mask,
    PathList,
    Raw,
    Size,
    TerminalSize,
    ValueKind,
    Variables,
    Whole,
    Words,
)
from .share_kinds import Share, SizeOrShare

T = TypeVar("T")


class PlacementPolicy(StrEnum):
    """How the placement of new sessions is chosen."""

    AUTO = "auto"
    DETACHED = "detached"


class LogLevel(StrEnum):
    """The least severe message that is still logged."""

    DEBUG = "debug"
    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


class Reload(Enum):
    """When a changed setting counts: at a reload, or after a restart of the daemon."""

    LIVE = "live"
    RESTART = "restart"


LIVE, RESTART = Reload.LIVE, Reload.RESTART


@dataclass(frozen=True)
class Setting:
    """One row of the table. `env_name` is None where no environment variable can hold it."""

    key: str
    kind: ValueKind[Any]
    default: Raw
    reload: Reload
    doc: str
    env_name: str | None


def _row(
    kind: ValueKind[T],
    default: Raw,
    reload: Reload,
    doc: str,
    *,
    env: str | None = "ARTAC_{KEY}",
) -> T:
    row = {"kind": kind, "default": default, "reload": reload, "doc": doc, "env": env}
    return field(default_factory=lambda: kind.parse(default), metadata=row)


@dataclass(frozen=True)
class Settings:
    """Every setting's parsed value: bytes as int, seconds as float. `Settings()` is the defaults.

    This is the table: the field's name is the key in YAML, its row says the rest.
    """

    persist_claude_sessions: bool = _row(
        Flag(), "false", LIVE,
        "new sessions live on when the daemon stops, crashes or is restarted",
        env="PERSIST_CLAUDE_SESSIONS",
    )  # fmt: skip
    claude_code_path: str = _row(
        AbsolutePath(), "", LIVE,
        'the Claude Code program; "" looks up `claude` in PATH',
        env="CLAUDE_CODE_PATH",
    )  # fmt: skip
    claude_args: tuple[str, ...] = _row(
        Words(), [], LIVE, "arguments appended to every session's command line"
    )
    permission_mode: PermissionMode = _row(
        Choice(PermissionMode), "default", LIVE, "what sessions may do without asking"
    )
    policies: tuple[Policy, ...] = _row(
        Policies(), [], LIVE,
        "what sessions may do in some directories, where their start does not say otherwise",
        env=None,
    )  # fmt: skip
    placement: PlacementPolicy = _row(
        Choice(PlacementPolicy), "auto", RESTART,
        "where sessions live; auto: under systemd, or detached on a machine without it",
    )  # fmt: skip
    state_directory: str = _row(
        AbsolutePath(), "", RESTART,
        'sessions and their output; "" is $STATE_DIRECTORY, else $XDG_STATE_HOME/artac',
    )  # fmt: skip
    socket: str = _row(
        AbsolutePath(), "", RESTART,
        'the API\'s socket; "" is $RUNTIME_DIRECTORY/artac.sock, else $XDG_RUNTIME_DIR/artac/',
    )  # fmt: skip
    api_group: str = _row(AccountName(), "", RESTART, "system group whose members may use the API")
    metrics_listen: str = _row(
        LoopbackAddress(), "", RESTART,
        "loopback address for Prometheus, which every local user may then read; none: no TCP",
    )  # fmt: skip
    allowed_roots: tuple[str, ...] = _row(
        PathList(), [], LIVE, "directories that sessions must work under; none: anywhere"
    )
    trusted_directories: tuple[str, ...] = _row(
        PathList(), [], LIVE,
        "directories for which Claude's trust dialog is answered; those below too",
    )  # fmt: skip
    max_sessions: int = _row(Whole(1, 10_000), "100", LIVE, "sessions that may run at once")
    min_memory_available: int | Percent = _row(
        SizeOrShare("64T"), "5%", LIVE,
        "memory that has to be available for a new session; a percentage is of the machine's",
    )  # fmt: skip
    max_memory_pressure: float = _row(
        Share(), "20%", LIVE,
        "time of the last 10 s that all processes may have lost waiting for memory"
        " when a session starts",
    )  # fmt: skip
    max_queue: int = _row(
        Whole(0, 10_000), "100", LIVE, "requests that may wait for a session to be let in"
    )
    max_readers: int = _row(
        Whole(1, 100_000), "256", LIVE, "clients that may follow output at once"
    )
    max_request: int = _row(Size("4K", "1G"), "16M", RESTART, "largest API request accepted")
    restart_attempts: int = _row(
        Whole(0, 1000), "5", LIVE,
        "how often a session is resumed by its restart policy within restart_window; 0: never",
    )  # fmt: skip
    restart_window: float = _row(
        Duration("1s", "30d"), "10min", LIVE, "the time in which restart_attempts count"
    )
    restart_backoff: float = _row(
        Duration("100ms", "5min"), "5s", LIVE,
        "time before a failed session is resumed; it doubles with each attempt, up to 5min",
    )  # fmt: skip
    restart_stagger: float = _row(
        Duration("0", "10min"), "2s", LIVE,
        "time between two sessions that are resumed after a boot",
    )  # fmt: skip
    output_max: int = _row(
        Size("1M", "1T"), "256M", LIVE,
        "disk a new session's output may hold; older output is dropped, offsets stay",
    )  # fmt: skip
    keep_ended: int = _row(
        Whole(0, 100_000), "200", LIVE, "ended sessions kept; older ones are removed"
    )
    stop_grace: float = _row(
        Duration("100ms", "1h"), "10s", LIVE, "time a session gets to end before it is killed"
    )
    start_timeout: float = _row(
        Duration("1s", "10min"), "30s", LIVE, "time a session gets to start"
    )
    memory_high: Amount = _row(
        MemoryBound("16M"), "infinity", LIVE,
        "memory above which a new session is slowed down and made to give back",
    )  # fmt: skip
    memory_max: Amount = _row(
        MemoryBound("16M"), "50%", LIVE,
        "memory of a new session at which the kernel kills one of its processes",
    )  # fmt: skip
    memory_swap_max: Amount = _row(
        MemoryBound("0"), "512M", LIVE, "swap space that a new session may fill"
    )
    tasks_max: Amount = _row(
        TaskBound(16), "2048", LIVE, "processes and threads that a new session may have"
    )
    cpu_weight: int = _row(
        CpuWeight(), "100", LIVE, "a new session's share of busy CPUs, among sessions"
    )
    cpu_quota: Percent | None = _row(
        CpuQuota(), "infinity", LIVE, "CPU time that a new session may use in each second"
    )
    runtime_max: float | None = _row(
        TimeBound("1s", "3650d"), "infinity", LIVE,
        "how long a new session may run before it is ended",
    )  # fmt: skip
    idle_timeout: float | None = _row(
        TimeBound("1s", "3650d"), "infinity", LIVE,
        "how long a new session may do nothing before it is ended; persistent ones only if asked",
    )  # fmt: skip
    total_memory_high: Amount = _row(
        MemoryBound("16M"), "infinity", LIVE,
        "memory above which all sessions together are slowed down",
    )  # fmt: skip
    total_memory_max: Amount = _row(
        MemoryBound("16M"), "80%", LIVE,
        "memory of all sessions together at which the kernel kills one of their processes",
    )  # fmt: skip
    total_memory_swap_max: Amount = _row(
        MemoryBound("0"), "10%", LIVE, "swap space that all sessions together may fill"
    )
    total_tasks_max: Amount = _row(
        TaskBound(16), "8192", LIVE, "processes and threads of all sessions together"
    )
    total_cpu_weight: int = _row(
        CpuWeight(), "50", LIVE, "the share of busy CPUs that all sessions together have"
    )
    total_cpu_quota: Percent | None = _row(
        CpuQuota(), "infinity", LIVE, "CPU time that all sessions together may use in each second"
    )
    session_umask: int = _row(Mask(), "0022", LIVE, "file mode mask of sessions")
    session_env: HiddenValues = _row(
        Variables(), {}, LIVE, "environment variables added to every session", env=None
    )
    terminal_size: tuple[int, int] = _row(
        TerminalSize(), "80x24", LIVE, "columns and rows of a terminal no client has sized"
    )
    notify_on: tuple[Occasion, ...] = _row(
        Choices(Occasion), [], LIVE, "what of a session is told to those below; none: nothing"
    )
    notify_after: float = _row(
        Duration("100ms", "1h"), "2s", LIVE,
        "how long a session has to be in a state before that is told",
    )  # fmt: skip
    notify_command: tuple[str, ...] = _row(
        Program(), [], LIVE, "program that is run to tell, with the event as JSON on its input"
    )
    notify_url: str = _row(WebhookUrl(), "", LIVE, "where events are posted as JSON, signed")
    notify_secret_file: str = _row(
        AbsolutePath(), "", LIVE,
        'file with what posts are signed with; "" is the systemd credential notify-secret',
    )  # fmt: skip
    notify_timeout: float = _row(
        Duration("1s", "10min"), "30s", LIVE,
        "time that the program, or one try to post, may take",
    )  # fmt: skip
    notify_retry: float = _row(
        Duration("1s", "1h"), "10min", LIVE, "how long a post that failed is tried again"
    )
    notify_desktop: Desktop = _row(
        Choice(Desktop), "auto", LIVE,
        "tell the account's desktop; auto: a user's own service with a session bus",
    )  # fmt: skip
    log_level: LogLevel = _row(
        Choice(LogLevel), "info", LIVE, "least severe message that is logged"
    )
    enable_linger: bool = _row(
        Flag(), "true", RESTART,
        "ask logind to keep this account's user manager running without a login,"
        " which persistent sessions need",
    )  # fmt: skip


def _setting(key: str, row: Mapping[str, Any]) -> Setting:
    env: str | None = row["env"]
    env_name = env.format(KEY=key.upper()) if env else None
    return Setting(key, row["kind"], row["default"], row["reload"], row["doc"], env_name)


SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType(
    {row.name: _setting(row.name, row.metadata) for row in fields(Settings)}
)
ENV_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {setting.env_name: key for key, setting in SETTINGS.items() if setting.env_name}
)


def changed(old: Settings, new: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys whose values differ: those that count at once, those that need a restart."""
    keys = [key for key in SETTINGS if getattr(old, key) != getattr(new, key)]
    live = tuple(key for key in keys if SETTINGS[key].reload is LIVE)
    return live, tuple(key for key in keys if key not in live)
