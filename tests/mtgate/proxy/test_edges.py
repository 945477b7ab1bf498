"""What happens before HTTP begins, and who is believed: TLS, PROXY protocol, trusted proxies, host routes."""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio

from mtgate.http1.message import Request, Response
from mtgate.proxy.routing import Route

GET = b"GET /foo/x HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n"


def worker_saw(data: bytes) -> dict[str, str]:
    return dict(map(tuple, json.loads(data.partition(b"\r\n\r\n")[2])["headers"]))


async def test_host_routes_have_no_prefix(house: Any) -> None:
    await house.start(Route("foo", await house.worker(), hosts=("foo.example.org",)))
    got = await house.talk(GET.replace(b"gate", b"foo.example.org:80").replace(b"/foo/x", b"/a/b"))
    assert json.loads(got.partition(b"\r\n\r\n")[2])["target"] == "/a/b"
    assert "x-forwarded-prefix" not in worker_saw(got)


async def test_trusted_proxy(house: Any) -> None:
    await house.start(Route("foo", await house.worker()), trusted_proxies=["127.0.0.0/8"])
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    claims = b"X-Forwarded-For: 9.9.9.9\r\nX-Request-Id: abc\r\nTraceparent: %b\r\n\r\n" % trace
    got = worker_saw(await house.talk(GET[:-2] + claims))
    assert got["x-forwarded-for"] == "9.9.9.9, 127.0.0.1"
    assert (got["x-request-id"], got["traceparent"]) == ("abc", trace.decode())


async def test_stranger_is_not_believed(house: Any) -> None:
    await house.start(Route("foo", await house.worker()), trusted_proxies=["10.0.0.0/8", "unix"])
    got = worker_saw(await house.talk(GET[:-2] + b"X-Forwarded-For: 9.9.9.9\r\nX-Request-Id: abc\r\n\r\n"))
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert got["x-request-id"] != "abc"


async def test_proxy_protocol(house: Any) -> None:
    await house.start(Route("foo", await house.worker()), listener={"proxy_protocol": True})
    assert (
        worker_saw(await house.talk(b"PROXY TCP4 7.7.7.7 1.1.1.1 1 2\r\n" + GET))["x-forwarded-for"]
        == "7.7.7.7"
    )
    assert (await house.talk(GET)).startswith(b"HTTP/1.1 400 ")


def make_certificate(folder: Path, name: str) -> dict[str, Any]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return {"certificate": certificate.read_text(), "key": key.read_text(), "names": [name]}


async def name_of_certificate(house: Any, server_name: str) -> str:
    """The common name that a client is shown, after one request."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    stream = trio.SSLStream(
        await house.connect(), context, server_hostname=server_name, https_compatible=True
    )
    await stream.send_all(GET)
    got = b""
    async for part in stream:
        got += part
    assert worker_saw(got)["x-forwarded-proto"] == "https"
    pem = ssl.DER_cert_to_PEM_cert(stream.getpeercert(binary_form=True))
    await stream.aclose()
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-subject"], input=pem.encode(), capture_output=True, check=True
    )
    return done.stdout.decode().strip().rpartition("=")[2].strip()


async def test_tls_names_and_new_certificates(house: Any, tmp_path: Path) -> None:
    one, two, three = (make_certificate(tmp_path, name) for name in ("one.test", "two.test", "three.test"))
    two["names"] = []  # Then those of the certificate count.
    await house.start(Route("foo", await house.worker()), listener={"tls": True}, tls=[one, two])
    assert await name_of_certificate(house, "one.test") == "one.test"
    assert await name_of_certificate(house, "two.test") == "two.test"
    assert await name_of_certificate(house, "other.test") == "one.test"
    await house.tell({"op": "certificates", "tls": [three]})
    assert await name_of_certificate(house, "two.test") == "three.test"
    await house.tell({"op": "certificates", "tls": [{"certificate": "rubbish", "key": "rubbish"}]})
    assert await name_of_certificate(house, "two.test") == "three.test"


async def test_many_exchanges_on_one_tls_connection(house: Any, tmp_path: Path) -> None:
    async def answer(request: Request) -> Response:
        body = await request.body.read(1 << 20)
        return Response(200, [], request.target.encode() + b"x" * int(request.target[1:]) + body)

    certificate = make_certificate(tmp_path, "one.test")
    await house.start(Route("foo", await house.worker(answer)), listener={"tls": True}, tls=[certificate])
    context = ssl.create_default_context(cadata=certificate["certificate"])
    stream = trio.SSLStream(await house.connect(), context, server_hostname="one.test", https_compatible=True)
    for size, body in [(0, b""), (5, b"y" * 5000), (3_000_000, b""), (7, b"z" * 20_000), (1, b""), (2, b"")]:
        head = b"POST /foo/%d HTTP/1.1\r\nHost: gate\r\nContent-Length: %d\r\n\r\n" % (size, len(body))
        await stream.send_all(head + body)
        wanted = b"\r\n\r\n/%d" % size + b"x" * size + body
        got = b""
        while not got.endswith(wanted):
            piece = await stream.receive_some(65536)
            assert piece, got[:200]
            got += piece
        assert got.startswith(b"HTTP/1.1 200 ")
    await stream.aclose()


async def test_plain_http_on_a_tls_port_is_closed(house: Any, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "one.test")
    await house.start(Route("foo", "/x"), listener={"tls": True}, tls=[certificate])
    with pytest.raises(trio.BrokenResourceError):
        assert b"HTTP/1.1 200" not in await house.talk(GET)
        raise trio.BrokenResourceError
