"""The explorer of a protected app in headless Chromium: refused, logged in, let in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.end_to_end.browser import Page, browser
from tests.end_to_end.harness import Gateway
from tests.end_to_end.test_explorer_in_a_browser import try_it_out

PASSWORD = "correct horse"


def protected(gateway: Gateway, tenant: str) -> None:
    """Users are public; customers are for those who have logged in."""
    gateway.ctl("add", tenant)
    gateway.ctl("model", f"{tenant}:Customer", "--property", "name:string:required")
    gateway.edit(tenant, "models/customer.json", deny_everyone)
    gateway.edit(tenant, "model-config.json", lambda document: document["User"].update(public=True))
    gateway.ctl("restart", tenant)
    user = {"email": "ann@example.com", "password": PASSWORD}
    assert gateway.request("POST", f"/{tenant}/api/Users", user).status == 200


def deny_everyone(document: dict[str, Any]) -> None:
    document["acls"] = [
        {"accessType": "*", "principalType": "ROLE", "principalId": "$everyone", "permission": "DENY"},
        {"accessType": "*", "principalType": "ROLE", "principalId": "$authenticated", "permission": "ALLOW"},
    ]


def open_explorer(page: Page, gateway: Gateway, tenant: str) -> None:
    page.open(f"http://127.0.0.1:{gateway.port}/{tenant}/explorer/")
    page.wait("document.querySelectorAll('.opblock-tag').length > 0")
    page.run(
        "[...document.querySelectorAll('.opblock-tag-section:not(.is-open) .opblock-tag')]"
        ".map(tag => tag.click())"
    )


def operation(name: str) -> str:
    return f'[id^="operations-{name.split(".")[0]}-"][id$=".{name.split(".")[1]}"]'


def answer_of(page: Page, name: str) -> Any:
    shown = f"{operation(name)} .live-responses-table .response-col_description .highlight-code"
    text = page.wait(f"(document.querySelector('{shown}') || {{}}).innerText")
    return json.loads(text.removeprefix("Download").strip())


def execute_again(page: Page, name: str, before: str) -> str:
    """Execute once more; the status once it is another one."""
    shown = f"{operation(name)} .live-responses-table tbody .response-col_status"
    page.run(f"document.querySelector('{operation(name)} .execute').click()")
    status = f"(document.querySelector('{shown}') || {{}}).innerText"
    return str(page.wait(f"({status} || '').startsWith('{before}') ? '' : {status}"))


def set_token(page: Page, token: str) -> None:
    page.run(f"document.getElementById('access-token').value = {token!r}")
    page.run("document.getElementById('set-token').click()")


def test_log_in_set_the_token_and_call_a_protected_method(gateway: Gateway, tmp_path: Path) -> None:
    protected(gateway, "guarded")
    with browser(tmp_path) as page:
        open_explorer(page, gateway, "guarded")
        refused = try_it_out(page, operation("Customer.create"), '{"name": "made with a token"}')
        assert refused.startswith("401")

        user = json.dumps({"email": "ann@example.com", "password": PASSWORD})
        assert try_it_out(page, operation("User.login"), user).startswith("200")
        set_token(page, answer_of(page, "User.login")["id"])
        assert page.run("document.getElementById('token-state').innerText") == "Token set"
        assert execute_again(page, "Customer.create", "401").startswith("200")
        page.screenshot(tmp_path / "token.png")

        open_explorer(page, gateway, "guarded")  # a token is kept over a reload, and for this tenant alone
        page.wait("document.getElementById('token-state').innerText == 'Token set'")
        set_token(page, "")
        assert page.run("document.getElementById('token-state').innerText") == "Token not set"
        refused = try_it_out(page, operation("Customer.create"), '{"name": "made without"}')
        assert refused.startswith("401")
        assert not [error for error in page.errors if "401" not in error]
        assert all(url.startswith((f"http://127.0.0.1:{gateway.port}/", "data:")) for url in page.requests)


def test_documents_behind_the_gateway(gateway: Gateway) -> None:
    gateway.ctl("add", "docs")
    swagger = gateway.get("/docs/explorer/swagger.json").json()
    assert swagger["basePath"] == "/docs/api"
    assert gateway.get("/docs/explorer/openapi.json").json()["servers"] == [{"url": "/docs/api"}]
    page = f"http://127.0.0.1:{gateway.port}/docs/explorer/"
    assert gateway.get("/docs/explorer/config.json", Referer=page).json() == {
        "url": "/docs/explorer/swagger.json"
    }
    assert gateway.get("/docs/explorer/config.json").json() == {"url": "/docs/explorer/swagger.json"}
    redirect = gateway.get("/docs/explorer")
    assert (redirect.status, redirect.headers["location"]) == (301, "/docs/explorer/")
