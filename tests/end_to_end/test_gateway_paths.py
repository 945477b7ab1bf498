"""What the gateway answers by path, and what works behind the prefix."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest

from tests.end_to_end.harness import Gateway


@pytest.fixture(scope="module")
def foo(gateway: Gateway) -> Iterator[Gateway]:
    gateway.ctl("add", "foo")
    gateway.ctl("model", "foo:Note", "--property", "text:string")
    gateway.ctl("restart", "foo")
    yield gateway


def test_the_root_says_what_this_is(foo: Gateway) -> None:
    answer = foo.get("/")
    assert answer.status == 200
    assert b"mtgate" in answer.body


def test_an_unknown_tenant_is_a_404_that_says_so(foo: Gateway) -> None:
    answer = foo.get("/nobody/x")
    assert answer.status == 404
    assert b"nobody" in answer.body


def test_a_stopped_tenant_is_a_503(foo: Gateway) -> None:
    foo.ctl("add", "halted")
    foo.ctl("stop", "halted")
    answer = foo.get("/halted/")
    assert answer.status == 503
    foo.ctl("start", "halted")
    assert foo.get("/halted/").status == 200


def test_the_prefix_is_stripped_and_the_query_kept(foo: Gateway) -> None:
    made = foo.post("/foo/api/Notes", {"text": "a b/c?d"}).json()
    assert foo.get("/foo/api/Notes?filter%5Bwhere%5D%5Btext%5D=a%20b%2Fc%3Fd").json() == [made]


def test_redirects_lead_back_behind_the_prefix(foo: Gateway) -> None:
    answer = foo.get("/foo/explorer")
    assert answer.status in (301, 302, 303, 307, 308)
    location = urljoin(f"http://127.0.0.1:{foo.port}/foo/explorer", answer.headers["location"])
    assert location == f"http://127.0.0.1:{foo.port}/foo/explorer/"
    assert foo.get("/foo/explorer/").status == 200


def test_the_swagger_document_has_the_prefix(foo: Gateway) -> None:
    document = foo.get("/foo/explorer/swagger.json").json()
    assert document["basePath"] == "/foo/api"
    assert "/Notes" in document["paths"]


def test_the_explorer_needs_no_other_address(foo: Gateway) -> None:
    page = foo.get("/foo/explorer/").body.decode()
    assert "https://" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_connections_are_kept_alive(foo: Gateway) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", foo.port, timeout=30)
    connection.request("GET", "/foo/api/Notes")
    connection.getresponse().read()
    first = connection.sock
    connection.request("GET", "/foo/api/Notes")
    assert connection.getresponse().read()
    assert connection.sock is first
    connection.close()


def test_a_large_body_goes_through_both_ways(foo: Gateway) -> None:
    foo.edit("foo", "config.json", lambda config: config["remoting"]["json"].update(limit="8mb"))
    foo.ctl("restart", "foo")
    text = "ä" * 1_000_000
    made = foo.post("/foo/api/Notes", {"text": text})
    assert made.status == 200
    assert foo.get(f"/foo/api/Notes/{made.json()['id']}").json()["text"] == text


def test_tenants_do_not_see_each_others_data(foo: Gateway) -> None:
    foo.ctl("add", "other")
    foo.ctl("model", "other:Note", "--property", "text:string")
    foo.ctl("restart", "other")
    foo.post("/other/api/Notes", {"text": "other's"})
    assert all(note["text"] != "other's" for note in foo.get("/foo/api/Notes").json())


def test_many_clients_at_once(foo: Gateway) -> None:
    statuses: list[int] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", foo.port, timeout=60)
        for number in range(20):
            body = json.dumps({"text": str(number)})
            connection.request("POST", "/foo/api/Notes", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200
