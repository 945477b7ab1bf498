"""The daemon's settings: mtgate.toml, MTGATE_* and flags.

In charge of: names, defaults, bounds, the order of authority (flag, environment, file, default) and the
refusal of what is not known. Must not know: who uses them.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from mtgate.paths import Paths, locate
from mtgate.tenantdir.complaint import Complaint, InvalidFile, findings
from mtgate.tenantdir.schema import Count, Seconds, Strict, TenantConfig

DEFAULT_LISTEN = "127.0.0.1:9000"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """``host:port`` or ``[v6]:port``."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """``unix:PATH``."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress

_TCP = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]/\s]+)):(?P<port>[0-9]{1,5})")


def parse_address(text: str) -> Address:
    """A listener's address; ValueError says what is accepted."""
    if text.startswith("unix:") and len(text) > 5 and "\0" not in text:
        return UnixAddress(text[5:])
    match = _TCP.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f'"{text}" is not an address: host:port, [v6]:port or unix:PATH')
    return TcpAddress(match["v6"] or match["host"], int(match["port"]))


class Tls(Strict):
    """A certificate; the server name decides which one a client gets, the first is the default."""

    certificate: str
    """File with the certificate chain (PEM)."""
    key: str
    """File with the private key (PEM)."""
    names: list[str] = Field(default_factory=list)
    """Server names; those of the certificate when empty."""


class ServerSettings(Strict):
    """``[server]``: the public side."""

    listen: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: [DEFAULT_LISTEN])
    """Addresses: ``host:port``, ``[v6]:port``, ``unix:PATH``."""
    processes: Annotated[int, Field(ge=1, le=256)] | None = None
    """Proxy processes; one for each processor when not set."""
    header_timeout_seconds: Seconds = 10.0
    """For a whole request head, from its first byte."""
    body_timeout_seconds: Seconds = 30.0
    """Between two pieces of a request body."""
    write_timeout_seconds: Seconds = 30.0
    """For a client that takes nothing of an answer."""
    idle_timeout_seconds: Seconds = 60.0
    """For a connection between two requests."""
    upstream_timeout_seconds: Seconds = 60.0
    """To the first byte of a tenant's answer, and between two pieces of it."""
    connect_timeout_seconds: Seconds = 2.0
    """To connect to a tenant's socket."""
    max_request_line_bytes: Annotated[int, Field(ge=256)] = 8 * 1024
    """Longer: 414."""
    max_head_bytes: Annotated[int, Field(ge=1024)] = 32 * 1024
    """Larger: 431."""
    max_headers: Count = 100
    """More fields: 431."""
    max_body_bytes: Count | None = 10 * 1024 * 1024
    """Larger: 413; a tenant's ``limits`` may say otherwise."""
    max_connections: Count = 2000
    """Client connections of each proxy process."""
    max_requests_per_connection: Count = 10_000
    """A connection is closed after so many."""
    trusted_proxies: list[str] = Field(default_factory=list)
    """Addresses or networks whose ``X-Forwarded-*`` are believed; ``unix`` for Unix listeners."""
    proxy_protocol: bool = False
    """Expect the PROXY protocol (v1 or v2) on every listener."""
    server_timing: bool = True
    """Say in ``Server-Timing`` how long the tenant took."""
    error_pages: str | None = None
    """Folder with ``404.html``, ``503.html``, … and ``default.html`` for the gateway's own answers to
    browsers.
    """
    tls: list[Tls] = Field(default_factory=list)
    """Certificates; with at least one, TCP listeners speak TLS."""

    @field_validator("listen")
    @classmethod
    def _listen_are_addresses(cls, listen: list[str]) -> list[str]:
        return [str(parse_address(text)) for text in listen]

    @field_validator("trusted_proxies")
    @classmethod
    def _trusted_are_networks(cls, trusted: list[str]) -> list[str]:
        for text in trusted:
            if text != "unix":
                ipaddress.ip_network(text, strict=False)
        return trusted

    @property
    def addresses(self) -> list[Address]:
        """``listen``, parsed."""
        return [parse_address(text) for text in self.listen]


class SupervisorSettings(Strict):
    """``[supervisor]``: the tenants' processes."""

    max_parallel_starts: Count | None = None
    """Tenants that start at once; the number of processors, at least 2, when not set."""
    zygote: bool = True
    """Fork workers from a preloaded process; ``false`` executes a new interpreter for each."""
    isolation: Literal["auto", "strong", "reduced", "weak"] = "auto"
    """Least isolation that is accepted; ``auto`` takes what the machine offers."""
    uid_base: Annotated[int, Field(ge=1000)] = 200_000
    """As root, first of the user ids that tenants get."""
    uid_count: Annotated[int, Field(ge=2)] = 1_000_000
    """How many user ids there are for them; the first is the proxies', none is used twice."""
    orphans: Literal["adopt", "stop"] = "adopt"
    """What becomes of workers when the daemon dies: the next one takes them over, or they end with it."""
    watch_tenants: bool = True
    """Notice folders that appear in or vanish from ``tenants/``."""
    shutdown_timeout_seconds: Seconds = 45.0
    """For all tenants to end when the daemon stops."""


class LogSettings(Strict):
    """``[log]``: the daemon's own log and the access log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important messages that are written."""
    format: Literal["text", "json"] = "text"
    """Form of the daemon's log."""
    access: Literal["off", "combined", "json"] = "combined"
    """Form of the access log, ``log/access.log``."""
    max_bytes: Count = 10 * 1024 * 1024
    """Size at which ``mtgate.log`` and ``access.log`` are rotated."""
    keep: Count = 5
    """Rotated files that are kept."""


class ControlSettings(Strict):
    """``[control]``: who may do what on the control socket, beside root and the daemon's own user."""

    admin_uids: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list)
    """Users who may do everything."""
    operator_uids: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list)
    """Users who may look, start, stop and restart."""
    admin_group: str = "mtgate-admin"
    """Group whose members may do everything."""
    operator_group: str = "mtgate"
    """Group whose members may look, start, stop and restart; owns the control socket."""


class FileSettings(Strict):
    """The whole of ``mtgate.toml``."""

    server: ServerSettings = Field(default_factory=ServerSettings)
    supervisor: SupervisorSettings = Field(default_factory=SupervisorSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    control: ControlSettings = Field(default_factory=ControlSettings)
    defaults: TenantConfig = Field(default_factory=TenantConfig)


class Settings(FileSettings):
    """All settings and the paths."""

    paths: Paths


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says; None or empty: nothing."""

    root: str | None = None
    config: str | None = None
    control: str | None = None
    listen: tuple[str, ...] = ()


def load(flags: Flags, environ: Mapping[str, str], uid: int) -> Settings:
    """Settings from the file, the environment and the flags; raises InvalidFile.

    A missing file is an empty one, unless a flag or MTGATE_CONFIG named it.
    """
    paths = locate(environ, uid, root=flags.root, config=flags.config, control=flags.control)
    named = bool(flags.config or environ.get("MTGATE_CONFIG"))
    text = _read(paths.config, required=named)
    return combine(text, paths, environ, flags)


def _read(path: Path, *, required: bool) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        if required:
            raise InvalidFile(Complaint("there is no such file", str(path))) from None
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidFile(Complaint(f"cannot be read: {reason}", str(path))) from None


def combine(text: str, paths: Paths, environ: Mapping[str, str], flags: Flags) -> Settings:
    """Settings from the text of mtgate.toml with environment and flags laid over it; raises InvalidFile."""
    document = _parse_toml(text, str(paths.config))
    _validated(document, lambda path: (str(paths.config), _toml_line(text, path)))
    overlaid = _with_environment(document, environ)
    if flags.listen:
        overlaid.setdefault("server", {})["listen"] = list(flags.listen)
    settings = _validated(overlaid, lambda path: (_origin(path, flags), None))
    return Settings(paths=paths, **dict(settings))


def _parse_toml(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(match[1]) if match else None
        raise InvalidFile(Complaint(f"not valid TOML: {error}", file, "", line)) from None


def _validated(
    document: dict[str, Any], place: Callable[[tuple[str | int, ...]], tuple[str, int | None]]
) -> FileSettings:
    """The settings; ``place`` tells file and line of a path that InvalidFile complains about."""
    try:
        return FileSettings.model_validate(document)
    except ValidationError as error:
        complaints = []
        for path, message in findings(error, FileSettings):
            file, line = place(path)
            complaints.append(Complaint(f"{_dotted(path)}: {message}", file, "", line))
        raise InvalidFile(*complaints) from None


def _dotted(path: tuple[str | int, ...]) -> str:
    section, *rest = path
    return f"[{section}] {'.'.join(map(str, rest))}" if rest else f"[{section}]"


def _origin(path: tuple[str | int, ...], flags: Flags) -> str:
    if path[:2] == ("server", "listen") and flags.listen:
        return "--listen"
    return "environment MTGATE_" + "_".join(str(part).upper() for part in path[:2])


def _toml_line(text: str, path: tuple[str | int, ...]) -> int | None:
    """The line of a key in a file of ordinary shape: its table's header, then ``key =``. A guess, or None."""
    names = [part for part in path if isinstance(part, str)]
    section, found = "", None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]\s]+)\s*\]", line)
        if header:
            section = header[1]
            if section == ".".join(names):
                found = number
        key = re.match(r"\s*([A-Za-z0-9_\-\"']+)\s*=", line)
        if key and names and [*section.split("."), key[1].strip("\"'")] == names:
            return number
    return found


#: Names in the environment that are shorter than MTGATE_<SECTION>_<KEY>.
_SHORT = {"MTGATE_LISTEN": ("server", "listen"), "MTGATE_ISOLATION": ("supervisor", "isolation")}


def _with_environment(document: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The document with ``MTGATE_<SECTION>_<KEY>`` laid over it; lists are comma-separated."""
    overlaid = {section: dict(table) for section, table in document.items()}
    for name, (section, key) in {**_environment_names(), **_SHORT}.items():
        text = environ.get(name)
        if text is not None:
            overlaid.setdefault(section, {})[key] = _typed(section, key, text)
    return overlaid


def _environment_names() -> dict[str, tuple[str, str]]:
    return {
        f"MTGATE_{section}_{key}".upper(): (section, key)
        for section, field in FileSettings.model_fields.items()
        if section != "defaults" and isinstance(field.annotation, type)
        for key, inner in field.annotation.model_fields.items()
        if "Tls" not in str(inner.annotation)
    }


def _typed(section: str, key: str, text: str) -> Any:
    """Lists are split at commas; everything else pydantic converts from text."""
    model = FileSettings.model_fields[section].annotation
    annotation = str(model.model_fields[key].annotation) if model else ""
    return [item.strip() for item in text.split(",") if item.strip()] if "list[" in annotation else text
