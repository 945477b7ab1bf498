"""``mtgate`` and ``mtctl`` as commands: foreground, background, refusals, exit codes."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mtgate import notify_socket
from tests.end_to_end.harness import ROOT, Gateway, alive, wait_for


def test_foreground_runs_until_term(own_gateway: Gateway) -> None:
    own_gateway.start()
    own_gateway.ctl("add", "foo")
    pids = own_gateway.pids("foo")
    assert own_gateway.stop() == 0
    assert not any(map(alive, pids))


def test_no_configuration_at_all_runs_in_any_folder(own_gateway: Gateway) -> None:
    home = own_gateway.root
    own_gateway.environ |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}
    if os.geteuid() == 0:
        own_gateway.environ["MTGATE_ROOT"] = str(home)  # root's own folders are the machine's
    process = subprocess.Popen(
        [sys.executable, "-m", "mtgate.cli", "--foreground", "--listen", f"unix:{home}/public.sock"],
        cwd=home,
        env=own_gateway.environ,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for("the public socket is there", (home / "public.sock").exists)
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()


def test_a_strict_umask_closes_no_socket(own_gateway: Gateway) -> None:
    """systemd's unit has one, and the proxies are another user."""
    own_gateway.wrapper = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    own_gateway.start()
    own_gateway.ctl("add", "foo")
    assert own_gateway.get("/foo/").status == 200


def test_a_second_daemon_says_who_has_the_root(own_gateway: Gateway) -> None:
    own_gateway.start()
    assert own_gateway.process is not None
    ran = own_gateway.gate("--foreground", "--listen", "127.0.0.1:0", code=69)
    assert f"pid {own_gateway.process.pid}" in ran.errors


def test_several_listeners(own_gateway: Gateway) -> None:
    path = own_gateway.root / "public.sock"
    own_gateway.start("--listen", f"unix:{path}", "--listen", "[::1]:0")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_socket_activation(own_gateway: Gateway) -> None:
    """As systemd does it: the socket is bound before the daemon starts, and is descriptor 3."""
    with socket.socket() as public:
        public.bind(("127.0.0.1", 0))
        public.listen()
        port = public.getsockname()[1]
        give = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
        give += "os.execv(sys.executable, [sys.executable, '-m', 'mtgate.cli', *sys.argv[2:]])"
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                give,
                str(public.fileno()),
                "--foreground",
                "--root",
                str(own_gateway.root),
            ],
            env={**own_gateway.environ, "LISTEN_FDS": "1"},
            pass_fds=(public.fileno(),),
        )
    try:
        own_gateway.port = port
        assert own_gateway.get("/").status == 200  # waits in the socket's queue until the daemon is there
        wait_for("the control socket answers", lambda: own_gateway.ctl("ping", code=None).code == 0)
        assert f"127.0.0.1:{port}" in own_gateway.ctl("ping").output
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_descriptor_store(own_gateway: Gateway, tmp_path: Path) -> None:
    """As systemd does it: the daemon is killed with all that is its, and what waits is served by the next."""
    give = "import os, sys; numbers = sys.argv[1].split(','); os.environ['LISTEN_PID'] = str(os.getpid()); "
    give += "[os.dup2(int(number), 3 + index) for index, number in enumerate(numbers) if number]; "
    give += "os.execv(sys.executable, [sys.executable, '-m', 'mtgate.cli', *sys.argv[2:]])"
    kept: dict[str, int] = {}
    heard: list[str] = []

    def start(manager: socket.socket) -> subprocess.Popen[bytes]:
        spare = [fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in kept.values()]
        words = ["--foreground", "--root", str(own_gateway.root)]
        words += ["--listen", f"127.0.0.1:{own_gateway.port}"]
        process = subprocess.Popen(
            [sys.executable, "-c", give, ",".join(map(str, spare)), *words],
            env={
                **own_gateway.environ,
                "NOTIFY_SOCKET": manager.getsockname(),
                "FDSTORE": "10",
                "WATCHDOG_USEC": "400000",
                "LISTEN_FDS": str(len(kept)),
                "LISTEN_FDNAMES": ":".join(kept),
            },
            pass_fds=spare,
        )
        for number in spare:
            os.close(number)
        return process

    def hear(manager: socket.socket, wanted: str) -> None:
        while not any(wanted in words for words in heard):
            words, numbers, _, _ = socket.recv_fds(manager, 4096, 4)
            heard.append(words.decode())
            if numbers:
                kept[heard[-1].partition("FDNAME=")[2]] = numbers[0]

    with notify_socket.listen(tmp_path / "notify") as manager:
        manager.settimeout(60)
        process = start(manager)
        hear(manager, "READY=1")
        own_gateway.ctl("add", "foo", "--no-start")
        hear(manager, "FDNAME=tenant-foo")
        assert [name.partition("-")[0] for name in kept] == ["public", "tenant"]
        process.kill()
        process.wait()
        heard.clear()
        with socket.create_connection(("127.0.0.1", own_gateway.port)) as client:  # nobody is there
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            process = start(manager)
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        for words in ("READY=1", "STATUS=1 tenants, 1 inactive", "WATCHDOG=1"):
            hear(manager, words)
        assert not any("FDSTORE" in words for words in heard), "both were taken back"
        process.terminate()
        assert process.wait(60) == 0
    for number in kept.values():
        os.close(number)


def test_background(own_gateway: Gateway) -> None:
    listen = ("--listen", f"127.0.0.1:{own_gateway.port}")
    own_gateway.gate("status", code=3)
    started = own_gateway.gate("start", *listen)
    assert "mtgate is ready, pid " in started.output
    try:
        assert "running already" in own_gateway.gate(*listen).output
        assert "mtgate is running, pid " in own_gateway.gate("status").output
        own_gateway.ctl("add", "foo")
        before = own_gateway.pids("foo")
        assert "replaced in place" in own_gateway.gate("restart").output
        assert own_gateway.pids("foo") == before
        assert own_gateway.get("/foo/").status == 200
    finally:
        assert "has ended" in own_gateway.gate("stop").output
    assert own_gateway.gate("stop").output == "mtgate is not running\n"


def test_background_says_why_it_did_not_start(own_gateway: Gateway) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = own_gateway.gate("start", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", code=69)
        assert "Address already in use" in ran.errors


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[server]\nlisen = []\n",
            'mtgate.toml:2: [server] lisen: unknown key "lisen". Did you mean "listen"?',
        ),
        ("[server\n", "mtgate.toml:1: not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_refused(own_gateway: Gateway, text: str, complaint: str) -> None:
    (own_gateway.root / "mtgate.toml").write_text(text)
    assert complaint in own_gateway.gate("--foreground", code=78).errors


def test_mtctl_without_a_daemon(own_gateway: Gateway) -> None:
    errors = own_gateway.ctl("ping", code=69).errors
    assert "no daemon answers at" in errors
    assert f"mtgate start --root {own_gateway.root}" in errors


def test_ping_and_the_empty_status(own_gateway: Gateway) -> None:
    own_gateway.start()
    assert "mtgate" in own_gateway.ctl("ping").output
    assert own_gateway.ctl("ping", "-o", "json").json()["listen"] == [f"127.0.0.1:{own_gateway.port}"]
    assert own_gateway.ctl("status", "-o", "json").json() == []
    assert "mtctl add ID" in own_gateway.ctl().output


def test_exit_codes(gateway: Gateway) -> None:
    assert "invalid choice" in gateway.ctl("frobnicate", code=2).errors
    assert "name at least one tenant" in gateway.ctl("start", code=2).errors
    assert 'there is no tenant "nobody"' in gateway.ctl("restart", "nobody", code=5).errors
    assert "is not a tenant id" in gateway.ctl("add", "a-b", code=2).errors
    assert "no such folder" in gateway.ctl("add", "absent", "--from", "/nowhere", code=6).errors


def test_a_wait_can_run_out(gateway: Gateway) -> None:
    folder = gateway.tenants / "sleepy"
    folder.mkdir()
    (folder / "tenant.json").write_text('{"command": ["sleep", "1000"], "start_timeout_seconds": 1000}')
    assert "the work goes on" in gateway.ctl("--timeout", "0.3", "add", "sleepy", code=75).errors
    gateway.ctl("remove", "sleepy", "--yes")


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed to be refused")
def test_another_user_is_refused(gateway: Gateway) -> None:
    for path in (gateway.root, gateway.root / "run"):
        path.chmod(0o755)
    done = subprocess.run(
        [
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
            *(sys.executable, "-m", "mtctl.cli", "--root", str(gateway.root), "ping"),
        ],
        env={**gateway.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=Path("/"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "No module named" in done.stderr or "Permission denied:" in done.stderr:
        pytest.skip("nobody cannot read this checkout")
    assert done.returncode == 4, done.stderr


def test_the_readme_has_exactly_two_commands_to_set_up() -> None:
    text = (ROOT / "README.md").read_text()
    for section, command in (("## Try it", "examples/run"), ("## Test it", ".ci/test")):
        body = text.split(section)[1].split("\n## ")[0]
        assert next(line for line in body.splitlines() if line.startswith("    ")) == f"    {command}"
        assert os.access(ROOT / command, os.X_OK)
