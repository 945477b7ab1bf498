"""The ``mail`` connector: sends what ``Email.send`` is given, by SMTP or into files.

In charge of: LoopBack's settings (``transports``: a list of ``{"type": "smtp", "host", "port", "secure",
"auth"}``, or one ``transport``) and nodemailer's message options, on Python's smtplib, in a thread.
``{"type": "file", "directory"}`` writes ``.eml`` files for tests; ``stub`` sends nothing. Must not know:
users, requests.
"""

from __future__ import annotations

import base64
import logging
import mimetypes
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid
from pathlib import Path
from typing import Any

import trio

from tenant_runtime.components.service import ServiceConnector
from tenant_runtime.errors import LoopbackError

log = logging.getLogger("tenant")

TIMEOUT_SECONDS = 30.0
_TYPES = ("smtp", "file", "stub")


class MailConnector(ServiceConnector):
    """See the module. Raises LoopbackError when a transport's settings cannot work."""

    name = "mail"

    def __init__(self, name: str, settings: dict[str, Any], tenant_dir: Path) -> None:
        super().__init__(name, settings, tenant_dir)
        single = settings.get("transport")
        self.transports: list[dict[str, Any]] = settings.get("transports") or ([single] if single else [])
        for transport in self.transports:
            kind = str(transport.get("type") or "stub").lower()
            if kind not in _TYPES:
                known = ", ".join(_TYPES)
                raise LoopbackError(f"data source {name}: unknown mail transport {kind!r} (known: {known})")

    def attached(self, model: Any) -> None:
        model.define("send", self._send_for)
        model.define("prototype.send", self._send_instance)

    async def _send_for(self, Model: Any, options: dict[str, Any], *unused: Any) -> dict[str, Any]:
        return await self.send(options)

    async def _send_instance(self, instance: Any, *unused: Any) -> dict[str, Any]:
        return await self.send(instance.to_object())

    async def send(self, options: dict[str, Any]) -> dict[str, Any]:
        """Sends one message; returns nodemailer's ``{"envelope", "messageId", "accepted", …}``.

        Raises LoopbackError (MAIL_FAILED) when the mail server cannot be reached or refuses the message.
        """
        message = build_message(options)
        transport = self._transport(options.get("transport"))
        if transport is None:
            log.warning("no mail transport is set up in %s: nothing was sent", self.data_source_name)
            return options
        kind = str(transport.get("type") or "stub").lower()
        if kind == "smtp":
            await trio.to_thread.run_sync(self._deliver, transport, message, abandon_on_cancel=True)
        elif kind == "file":
            await self._write(transport, message)
        return receipt(message)

    def _transport(self, name: Any) -> dict[str, Any] | None:
        """By alias or type, else the first one."""
        for transport in self.transports:
            if name and name == (transport.get("alias") or transport.get("type")):
                return transport
        return self.transports[0] if self.transports else None

    def _deliver(self, transport: dict[str, Any], message: EmailMessage) -> None:
        secure = bool(transport.get("secure"))
        host = transport.get("host") or "localhost"
        port = int(transport.get("port") or (465 if secure else 587))
        context = ssl.create_default_context()
        if (transport.get("tls") or {}).get("rejectUnauthorized") is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            with _open(host, port, context if secure else None) as server:
                if not secure and not transport.get("ignoreTLS"):
                    _start_tls(server, context, required=bool(transport.get("requireTLS")))
                auth = transport.get("auth") or {}
                if auth.get("user"):
                    server.login(str(auth["user"]), str(auth.get("pass") or ""))
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            # Not the error's text: a server's answer to a login may repeat it.
            reason = type(error).__name__
            raise LoopbackError(f"mail to {host}:{port} failed ({reason})", code="MAIL_FAILED") from error

    async def _write(self, transport: dict[str, Any], message: EmailMessage) -> None:
        directory = trio.Path(self.tenant_dir / str(transport.get("directory") or "mail"))
        await directory.mkdir(parents=True, exist_ok=True)
        name = str(message["Message-ID"]).strip("<>").partition("@")[0]
        await (directory / f"{name}.eml").write_bytes(message.as_bytes())


def _open(host: str, port: int, context: ssl.SSLContext | None) -> smtplib.SMTP:
    if context is not None:
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)


def _start_tls(server: smtplib.SMTP, context: ssl.SSLContext, *, required: bool) -> None:
    server.ehlo()
    if required or server.has_extn("starttls"):
        server.starttls(context=context)
        server.ehlo()


def build_message(options: dict[str, Any]) -> EmailMessage:
    """A message from nodemailer's options (from, to, cc, bcc, replyTo, subject, text, html, attachments…).

    Raises 500 without a recipient or for text that would start a new header line.
    """
    message = EmailMessage()
    try:
        for header, name in _HEADERS.items():
            value = options.get(name)
            if value:
                message[header] = _addresses(value) if name != "subject" else str(value)
        for header, value in (options.get("headers") or {}).items():
            message[str(header)] = str(value)
    except ValueError as error:
        raise LoopbackError(f"a mail header is not valid: {error}") from error
    if not message.get_all("To") and not message.get_all("Cc") and not message.get_all("Bcc"):
        raise LoopbackError("No recipients defined")
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid()
    if options.get("text") or not options.get("html"):
        message.set_content(str(options.get("text") or ""))
        if options.get("html"):
            message.add_alternative(str(options["html"]), subtype="html")
    else:
        message.set_content(str(options["html"]), subtype="html")
    for attachment in options.get("attachments") or []:
        _attach(message, attachment)
    return message


_HEADERS = {
    "From": "from",
    "To": "to",
    "Cc": "cc",
    "Bcc": "bcc",
    "Reply-To": "replyTo",
    "Subject": "subject",
}


def _addresses(value: Any) -> list[Address]:
    """One address or several: texts with commas, lists, ``{"name", "address"}``."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            pairs = [(str(item.get("name") or ""), str(item.get("address") or ""))]
        else:
            pairs = getaddresses([str(item)])
        found += [Address(display_name=name, addr_spec=address) for name, address in pairs if address]
    return found


def _attach(message: EmailMessage, attachment: dict[str, Any]) -> None:
    """``{"filename", "content" or "path", "contentType", "encoding"}``."""
    path = attachment.get("path")
    name = attachment.get("filename") or (Path(path).name if path else "attachment")
    content = attachment.get("content")
    if isinstance(content, str):
        encoded = attachment.get("encoding") == "base64"
        content = base64.b64decode(content) if encoded else content.encode()
    elif not isinstance(content, bytes):
        content = Path(path).read_bytes() if path else b""
    kind = attachment.get("contentType") or mimetypes.guess_type(name)[0] or "application/octet-stream"
    main, _, sub = kind.partition("/")
    message.add_attachment(content, maintype=main, subtype=sub or "octet-stream", filename=name)


def receipt(message: EmailMessage) -> dict[str, Any]:
    """What ``send`` answers."""
    everybody = [
        address
        for header in ("To", "Cc", "Bcc")
        for _, address in getaddresses([str(value) for value in message.get_all(header) or []])
    ]
    senders = getaddresses([str(message["From"])]) if message["From"] else []
    return {
        "messageId": str(message["Message-ID"]),
        "envelope": {"from": senders[0][1] if senders else "", "to": everybody},
        "accepted": everybody,
        "rejected": [],
        "response": "250 Ok",
    }
