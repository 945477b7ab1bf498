"""The mail connector: messages from nodemailer's options, into files and to a real SMTP server."""

from __future__ import annotations

import email
import socket
import threading
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.components.mail import MailConnector, build_message
from tenant_runtime.errors import LoopbackError

MAIL: dict[str, Any] = {
    "from": "Shop <shop@example.com>",
    "to": "ann@example.com, Bob <bob@example.com>",
    "subject": "Grüße",
    "text": "plain",
    "html": "<p>rich</p>",
}


def parts(message: EmailMessage) -> dict[str, str]:
    return {one.get_content_type(): str(one.get_content()).strip() for one in message.iter_parts()}


def test_message() -> None:
    message = build_message({**MAIL, "replyTo": "x@example.com", "headers": {"X-Tag": "1"}})
    assert message["Subject"] == "Grüße"
    assert [address.addr_spec for address in message["To"].addresses] == [
        "ann@example.com",
        "bob@example.com",
    ]
    assert message["Reply-To"] == "x@example.com"
    assert message["X-Tag"] == "1"
    assert parts(message) == {"text/plain": "plain", "text/html": "<p>rich</p>"}


@pytest.mark.parametrize(
    ("options", "kind", "content"),
    [
        ({"text": "a"}, "text/plain", "a"),
        ({"html": "<b>"}, "text/html", "<b>"),
        ({}, "text/plain", ""),
    ],
)
def test_single_bodies(options: dict[str, str], kind: str, content: str) -> None:
    message = build_message({"to": "a@b.c", **options})
    assert message.get_content_type() == kind
    assert message.get_content().strip() == content


def test_attachments(tmp_path: Path) -> None:
    (tmp_path / "bill.pdf").write_bytes(b"%PDF")
    message = build_message(
        {
            **MAIL,
            "attachments": [
                {"path": str(tmp_path / "bill.pdf")},
                {"filename": "x.txt", "content": "aGk=", "encoding": "base64"},
            ],
        }
    )
    found = [(one.get_filename(), one.get_content_type()) for one in message.iter_attachments()]
    assert found == [("bill.pdf", "application/pdf"), ("x.txt", "text/plain")]


@pytest.mark.parametrize(
    "options", [{"text": "x"}, {"to": "a@b.c", "subject": "x\r\nBcc: evil@example.com"}, {"to": []}]
)
def test_mails_that_cannot_be_sent(options: dict[str, Any]) -> None:
    with pytest.raises(LoopbackError):
        build_message(options)


def connector(tmp_path: Path, **transport: Any) -> MailConnector:
    return MailConnector("mail", {"transports": [transport]}, tmp_path)


async def test_file_transport(tmp_path: Path) -> None:
    receipt = await connector(tmp_path, type="file", directory="outbox").send(MAIL)
    assert receipt["accepted"] == ["ann@example.com", "bob@example.com"]
    (file,) = (tmp_path / "outbox").iterdir()
    message = email.message_from_bytes(file.read_bytes(), policy=policy.default)
    assert message["Subject"] == "Grüße"


async def test_without_a_transport_nothing_is_sent(tmp_path: Path) -> None:
    assert await MailConnector("mail", {}, tmp_path).send(MAIL) is MAIL


async def test_transports_are_chosen_by_alias(tmp_path: Path) -> None:
    settings = {"transports": [{"type": "stub"}, {"type": "file", "alias": "disk", "directory": "d"}]}
    mail = MailConnector("mail", settings, tmp_path)
    await mail.send(MAIL)
    assert not (tmp_path / "d").exists()
    await mail.send({**MAIL, "transport": "disk"})
    assert len(list((tmp_path / "d").iterdir())) == 1


def test_unknown_transports_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LoopbackError, match="unknown mail transport 'pigeon'"):
        connector(tmp_path, type="pigeon")


class SmtpServer(threading.Thread):
    """Takes one mail, as plainly as RFC 5321 allows."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lines: list[str] = []
        self.start()

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"220 here\r\n")
            in_data = False
            for raw in stream:
                line = raw.decode().rstrip("\r\n")
                self.lines.append(line)
                if in_data and line != ".":
                    continue
                in_data = line == "data"
                replies = {"data": b"354 go on\r\n", "quit": b"221 bye\r\n"}
                stream.write(replies.get(line.lower(), b"250 ok\r\n"))
        self.listener.close()


async def test_smtp(tmp_path: Path) -> None:
    server = SmtpServer()
    mail = connector(tmp_path, type="smtp", host="127.0.0.1", port=server.port)
    await mail.send({"from": "a@example.com", "to": "b@example.com", "subject": "S"})
    server.join(5)
    assert "mail FROM:<a@example.com>" in server.lines
    assert "rcpt TO:<b@example.com>" in server.lines


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    mail = connector(tmp_path, type="smtp", host="127.0.0.1", port=port, auth={"user": "u", "pass": "secret"})
    with pytest.raises(LoopbackError, match="failed") as caught:
        await mail.send(MAIL)
    assert "secret" not in str(caught.value)
