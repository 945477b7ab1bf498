"""Verifying a user's e-mail address: the token, the link, the mail.

In charge of: ``user.verify(options)`` with LoopBack's options (type, from, to, subject, text, template,
redirect, protocol, host, port, restApiRoot, verifyHref, headers; in code also templateFn, mailer and
generateVerificationToken). Must not know: how mail is sent (the Email model's connector does).
"""

from __future__ import annotations

import inspect
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import trio

from tenant_runtime.errors import LoopbackError
from tenant_runtime.remoting.context import current_context

Options = dict[str, Any]

DEFAULT_TEMPLATE = """<h1>Welcome</h1>

<p>Please open this link to complete your registration.</p>

<p>
  <a href="<%= verifyHref %>"><%= verifyHref %></a>
</p>
"""
_TAG = re.compile(r"<%[=-]\s*([\w.]+)\s*%>")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}


def verify_options(User: Any) -> Options:
    """What a client's call of ``verify`` uses: the model's setting ``verifyOptions``."""
    return dict(User.settings.get("verifyOptions") or {"type": "email", "from": "noreply@example.com"})


def generate_token(User: Any, user: Any, options: Options | None = None) -> str:
    """A random token of 128 hexadecimal digits."""
    return secrets.token_hex(64)


async def verify(user: Any, verify_options: Options, options: Options | None = None) -> Options:
    """Gives the user a verification token and sends the mail with the link that confirms it.

    Returns ``{"email", "token", "uid"}``. Raises an error of status 500 for options that cannot work.
    """
    User = user.model
    wanted = _complete(user, dict(verify_options or {}))
    make = wanted.get("generateVerificationToken") or User.generate_verification_token
    token = await _settle(make(user, options))
    user.verificationToken = token
    await user.save(options)
    href = wanted["verifyHref"]
    wanted["verifyHref"] = href = f"{href}{'&' if '?' in href else '?'}token={token}"
    wanted["verificationToken"] = token
    text = wanted.get("text") or "Please verify your email by opening this link in a web browser:\n\t{href}"
    wanted["text"] = text.replace("{href}", href)
    wanted["html"] = await _render(User.app, wanted, options)
    mailer = wanted.get("mailer") or User.app.registry.by_type("Email")
    message = {name: value for name, value in wanted.items() if name not in _NOT_MAIL}
    return {"email": await mailer.send(message), "token": token, "uid": user.id}


_NOT_MAIL = {"template", "templateFn", "generateVerificationToken", "mailer", "user"}


_REQUIRED = {
    "type": "You must supply a verification type (verifyOptions.type)",
    "to": "Must include verifyOptions.to when calling user.verify() or the user must have an email property",
    "from": "Must include verifyOptions.from when calling user.verify()",
}


def _complete(user: Any, options: Options) -> Options:
    """The options with their defaults; raises for those that are missing."""
    User = user.model
    app = User.app
    options["redirect"] = options.get("redirect") or "/"
    options["user"] = user
    options["verifyHref"] = options.get("verifyHref") or _confirm_url(User, user, options, app)
    options["to"] = options.get("to") or user["email"]
    options["subject"] = options.get("subject") or "Thanks for Registering"
    options["headers"] = options.get("headers") or {}
    for name, otherwise in _REQUIRED.items():
        if not options.get(name):
            raise LoopbackError(otherwise)
    if options["type"] != "email":
        raise LoopbackError("Unsupported verification type")
    return options


def _confirm_url(User: Any, user: Any, options: Options, app: Any) -> str:
    """The address of ``confirm``. Inside a request the way the client came is the best guess of it."""
    method = User.shared_class.find("confirm")
    if method is None or not User.shared_class.is_enabled(method):
        raise LoopbackError(
            "Cannot build user verification URL, the default confirm method is not public. "
            "Please provide the URL in verifyOptions.verifyHref."
        )
    ctx = current_context.get()
    request = None if ctx is None else ctx.request
    root = options.get("restApiRoot") or (app.get("restApiRoot") or "/api")
    if request is not None and not options.get("restApiRoot"):
        root = request.prefix + root
    path = "/".join(part.strip("/") for part in (root, User.shared_class.http_path, method.routes[0].path))
    query = urlencode({"uid": str(user.id), "redirect": options["redirect"]}, quote_via=quote_plus)
    return f"{_origin(options, request, app)}/{path.lstrip('/')}?{query}"


def _origin(options: Options, request: Any, app: Any) -> str:
    protocol = options.get("protocol") or ("http" if request is None else request.protocol)
    if not options.get("host") and not options.get("port") and request is not None and request.host:
        return f"{protocol}://{request.host}"
    host = options.get("host") or app.get("host") or "localhost"
    port = options.get("port") or app.get("port") or 3000
    usual = (protocol, str(port)) in (("http", "80"), ("https", "443"))
    return f"{protocol}://{host}" + ("" if usual else f":{port}")


async def _render(app: Any, wanted: Options, options: Options | None) -> str:
    """The mail's HTML: by ``templateFn``, else from a template file (``<%= name %>`` takes an option)."""
    if wanted.get("templateFn"):
        return str(await _settle(wanted["templateFn"](wanted, options)))
    template = DEFAULT_TEMPLATE
    if wanted.get("template"):
        template = await trio.Path(Path(app.root) / wanted["template"]).read_text("utf-8")
    return _TAG.sub(lambda tag: _value(tag, wanted), template)


def _value(tag: re.Match[str], wanted: Options) -> str:
    value: Any = wanted
    for name in tag.group(1).split("."):
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    text = "" if value is None else str(value)
    escape = tag.group().startswith("<%=")
    return "".join(_ESCAPES.get(character, character) for character in text) if escape else text


async def _settle(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
