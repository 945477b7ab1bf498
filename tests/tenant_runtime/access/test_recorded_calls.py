"""A thousand odd requests about users, owners and roles, with LoopBack 3's answers (``record_calls.js``)."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tenant_runtime.builtin import throttle

APPS = json.loads((Path(__file__).parent / "recorded_calls.json").read_text("utf-8"))
VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<date>"),
    (re.compile(r"\b[A-Za-z0-9]{64}\b"), "<tok>"),
    (re.compile(r"\$2[ab]\$\d\d\$.{53}"), "<hash>"),
)


def hidden(value: Any) -> Any:
    """The answer without what differs each time; lists of tokens in any order, since their ids are random."""
    text = json.dumps(value, sort_keys=True)
    for pattern, word in VOLATILE:
        text = pattern.sub(word, text)
    answer = json.loads(text)
    if isinstance(answer, list) and all(isinstance(one, dict) and "ttl" in one for one in answer):
        answer.sort(key=lambda one: json.dumps(one, sort_keys=True))
    return answer


def differs_on_purpose(method: str, path: str, body: Any, status: int, answer: Any) -> bool:
    """Requests that hang or crash the original, streams that it begins before it asks, one of its slips."""
    if status == -1 or path.endswith("/change-stream"):
        return True
    # login takes {"ttl": []} for a list of tokens to create, and creates none
    return path.endswith("/login") and isinstance(body, dict) and body.get("ttl") == [] and answer == []


class Names:
    """The tokens and ids that stand for ``@ann`` and the like in paths, fields and tokens."""

    def __init__(self, api: Any, login_path: str) -> None:
        self.known: dict[str, str] = {}
        self._api = api
        self._login_path = login_path

    async def need(self, *texts: str) -> None:
        wanted = " ".join(texts)
        if "@ann" not in self.known and ("@ann" in wanted or "@b64ann" in wanted or "@bob" in wanted):
            for name in ("bob", "cid", "ann"):
                credentials = {"email": f"{name}@x.yz", "password": "secret"}
                reply = await self._api("POST", self._login_path, credentials)
                if reply.status == 200:
                    self.known["@" + name] = reply.json["id"]
            token = self.known["@ann"]
            self.known |= {
                "@b64ann": base64.b64encode(token.encode()).decode(),
                "@annid": str(reply.json["userId"]),
                "@anntok": token,
            }

    def fill(self, text: str) -> str:
        for name in sorted(self.known, key=len, reverse=True):
            text = text.replace(name, self.known[name])
        return text


@pytest.mark.parametrize("recorded", APPS, ids=[app["title"] for app in APPS])
async def test_as_recorded(make_app: Any, monkeypatch: pytest.MonkeyPatch, recorded: dict[str, Any]) -> None:
    monkeypatch.setattr(throttle, "FREE_FAILURES", 10**6)
    cheap = {"saltWorkFactor": 4}
    files = {f"models/{name.lower()}.json": {**cheap, **model} for name, model in recorded["models"].items()}
    config = recorded["config"]
    files["model-config.json"] = {**config, "User": {**config["User"], "options": cheap}}
    api = await make_app(files, may_warn=True)
    names = Names(api, "/Members/login" if "Member" in recorded["models"] else "/Users/login")
    wrong = []
    for method, path, body, token, fields, keep, status, location, answer in recorded["steps"]:
        if not any(step[5] for step in recorded["steps"]):
            await names.need(path, token or "", *fields.values())
        headers = {name.replace("-", "_"): names.fill(value) for name, value in fields.items()}
        target = quote(names.fill(path), safe="/?&=[]:%,@+")
        sent = None if token is None else names.known.get(token, token)
        reply = await api(method, target, body, token=sent, accept="application/json", **headers)
        if keep and reply.status == 200:
            names.known[keep] = reply.json["id"]
        if differs_on_purpose(method, path, body, status, answer) or (status == 500 and reply.status >= 400):
            continue
        got = None if method in ("HEAD", "OPTIONS") else hidden(reply.json)
        wanted = None if method in ("HEAD", "OPTIONS") else hidden(answer)
        if (reply.status, reply.headers.get("location"), got) != (status, location, wanted):
            wrong.append((method, path, body, token, (status, wanted), (reply.status, got)))
    assert not wrong[:3], len(wrong)
