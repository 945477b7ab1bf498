"""The explorer, used as a person uses it: open, expand, "Try it out", execute."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.browser import Page, browser
from tests.end_to_end.harness import Gateway

#: Swagger UI puts a backslash before the dot of "Customer.create".
OPERATION = '[id^="operations-Customer-Customer"][id$=".create"]'


def try_it_out(page: Page, operation: str, body: str) -> str:
    """Expand an operation, send a body, answer the status shown."""
    for part in (" .opblock-summary-control", " .try-out__btn", " textarea"):
        page.wait(f"!!document.querySelector('{operation}{part}')")
        if part != " textarea":
            page.run(f"document.querySelector('{operation}{part}').click()")
    # React notices a value only when it is set through the element's own setter
    page.run(
        f"""(() => {{
          const area = document.querySelector('{operation} textarea');
          const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set;
          set.call(area, {body!r});
          area.dispatchEvent(new Event('input', {{bubbles: true}}));
        }})()"""
    )
    page.run(f"document.querySelector('{operation} .execute').click()")
    shown = f"{operation} .live-responses-table tbody .response-col_status"
    return str(page.wait(f"(document.querySelector('{shown}') || {{}}).innerText"))


def test_try_it_out_creates_a_model(gateway: Gateway, tmp_path: Path) -> None:
    gateway.ctl("add", "foo")
    gateway.ctl("model", "foo:Customer", "--property", "name:string:required")
    gateway.ctl("restart", "foo")
    with browser(tmp_path) as page:
        page.open(f"http://127.0.0.1:{gateway.port}/foo/explorer/")
        page.wait("document.querySelectorAll('.opblock-tag').length > 0")
        page.run(
            "[...document.querySelectorAll('.opblock-tag-section:not(.is-open) .opblock-tag')]"
            ".map(tag => tag.click())"
        )
        status = try_it_out(page, OPERATION, '{"name": "made in the browser"}')
        page.screenshot(tmp_path / "explorer.png")
        assert status.startswith("200")
        assert all(url.startswith((f"http://127.0.0.1:{gateway.port}/", "data:")) for url in page.requests)
    assert [one["name"] for one in gateway.get("/foo/api/Customers").json()] == ["made in the browser"]
