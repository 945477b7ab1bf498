"""Settings: names, order of authority, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtgate.paths import MAX_SOCKET_PATH_BYTES, locate
from mtgate.settings import Flags, Settings, TcpAddress, UnixAddress, combine, load, parse_address
from mtgate.tenantdir.complaint import InvalidFile


def settings(text: str = "", environ: dict[str, str] | None = None, **flags: object) -> Settings:
    paths = locate({}, 1000, root="/r")
    return combine(text, paths, environ or {}, Flags(**flags))  # type: ignore[arg-type]


def test_nothing_configured_listens_locally() -> None:
    assert settings().server.listen == ["127.0.0.1:9000"]


def test_flag_wins_over_environment_over_file() -> None:
    text = '[server]\nlisten = ["127.0.0.1:1"]\n'
    assert settings(text).server.listen == ["127.0.0.1:1"]
    environ = {"MTGATE_LISTEN": "127.0.0.1:2, unix:/s"}
    assert settings(text, environ).server.listen == ["127.0.0.1:2", "unix:/s"]
    assert settings(text, environ, listen=("[::1]:3",)).server.listen == ["[::1]:3"]


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("MTGATE_SERVER_MAX_BODY_BYTES", "5", lambda s: s.server.max_body_bytes),
        ("MTGATE_SUPERVISOR_MAX_PARALLEL_STARTS", "5", lambda s: s.supervisor.max_parallel_starts),
        ("MTGATE_SERVER_IDLE_TIMEOUT_SECONDS", "5", lambda s: s.server.idle_timeout_seconds),
    ],
)
def test_every_scalar_has_a_name_in_the_environment(name: str, text: str, read: object) -> None:
    assert read(settings(environ={name: text})) == 5  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[server]\nlisten_on = 1", '/r/mtgate.toml:2: [server] listen_on: unknown key "listen_on". Did'),
        ("[sever]\n", '/r/mtgate.toml:1: [sever]: unknown key "sever". Did you mean "server"?'),
        ("[server]\n\nmax_head_bytes = 3", "/r/mtgate.toml:3: [server] max_head_bytes: input should be"),
        ('[server]\nlisten = ["x"]', '"x" is not an address'),
        ("[defaults.limits]\nmemory = 3", 'Did you mean "memory_bytes"?'),
        ("[server\n", "/r/mtgate.toml:1: not valid TOML"),
        ("[[server.tls]]\ncertificate = 3", "server"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        settings(text)
    assert complaint in str(caught.value)


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(InvalidFile, match="environment MTGATE_LOG_LEVEL"):
        settings(environ={"MTGATE_LOG_LEVEL": "loud"})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    assert load(Flags(root=str(tmp_path)), {}, 1000).paths.tenants == tmp_path / "tenants"
    with pytest.raises(InvalidFile, match="no such file"):
        load(Flags(config=str(tmp_path / "x.toml")), {}, 1000)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", TcpAddress("127.0.0.1", 80)),
        ("[::1]:80", TcpAddress("::1", 80)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("unix:/run/x.sock", UnixAddress("/run/x.sock")),
    ],
)
def test_addresses(text: str, address: object) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "9000", ":9000", "::1:9000", "h:99999", "unix:", "http://x:1"])
def test_what_is_not_an_address(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_address(text)


def test_where_things_are() -> None:
    assert str(locate({}, 0).control) == "/run/mtgate/control.sock"
    user = locate({"HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/7"}, 7)
    assert str(user.control) == "/run/user/7/mtgate/control.sock"
    assert str(user.tenants) == "/h/.local/share/mtgate/tenants"
    assert str(locate({"HOME": "/h"}, 7).run) == "/h/.local/state/mtgate/run"
    assert str(locate({"MTGATE_ROOT": "/a"}, 0, root="/b").tenants) == "/b/tenants"
    assert str(locate({}, 0, root="/b", control="/c.sock").control) == "/c.sock"


def test_a_long_socket_path_is_shortened() -> None:
    paths = locate({}, 7, root="/" + "r" * 60)
    assert paths.tenant_socket("foo").name == "foo.sock"
    long = paths.tenant_socket("t" * 63)
    assert len(bytes(long)) <= MAX_SOCKET_PATH_BYTES
    assert long != paths.tenant_socket("u" * 63)
