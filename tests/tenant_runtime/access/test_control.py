"""Access control in a real app: roles looked up, calls refused, the strict switch, owners' lists."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.access import token as access_token

TABLE = json.loads((Path(__file__).parent / "acl_table.json").read_text("utf-8"))
FAST = {"options": {"saltWorkFactor": 4}}
DENY_ALL = {"principalType": "ROLE", "principalId": "$everyone", "permission": "DENY"}


def allow(role: str, **more: Any) -> dict[str, Any]:
    return {"principalType": "ROLE", "principalId": role, "permission": "ALLOW", **more}


THING_CODE = """
def setup(Thing):
    async def nothing(*arguments):
        pass
    Thing.remote_method("poke", {"http": {"verb": "post"}}, function=nothing)
    Thing.remote_method("pull", {"http": {"verb": "post"}, "accessType": "REPLICATE"}, function=nothing)
    Thing.remote_method("scoped", {"http": {"verb": "post"}, "accessScopes": ["special"]}, function=nothing)
"""


async def people(api: Any, *names: str) -> dict[str, str]:
    """Users of those names, in this order, with a token each."""
    tokens = {}
    for name in names:
        await api("POST", "/Users", {"email": f"{name}@example.com", "password": "x"})
        tokens[name] = await api.login("/Users", email=f"{name}@example.com", password="x")
    return tokens


async def test_a_sample_of_the_recorded_table_on_real_models(make_app: Any) -> None:
    """The whole table is the pure decision's; here roles, owners, rows and tokens are looked up for real."""
    owner = {"owner": {"type": "belongsTo", "model": "User", "foreignKey": "userId"}}
    thing = {"name": "Thing", "properties": {"name": "string"}, "relations": owner}
    api = await make_app({"models/thing.json": thing, "models/thing.py": THING_CODE}, User=FAST, Thing={})
    models = api.app.models
    await people(api, "user", "owner", "admin")
    admin = await models.Role.create({"name": "admin"})
    await admin.relation("principals").create({"principalType": "USER", "principalId": "3"})
    await models.Thing.create({"name": "t", "userId": 2})
    tokens = {
        "anonymous": None,
        **{
            name: models.AccessToken({"userId": id}) for name, id in [("user", 1), ("owner", 2), ("admin", 3)]
        },
        "scoped": models.AccessToken({"userId": 1, "scopes": ["special"]}),
        "app": models.AccessToken({"appId": "app1"}),
    }
    for case in TABLE["cases"][::9]:
        models.Thing.definition.acls[:] = case["acls"]
        api.app.access._static.clear()
        models.Thing.settings["defaultPermission"] = case.get("defaultPermission")
        await models.ACL.destroy_all()
        for row in case["rows"]:
            await models.ACL.create(row)
        shared = models.Thing.shared_class
        method = shared.find(case["method"]) or shared.find("prototype." + case["method"])
        for caller, token in tokens.items():
            decision = await api.app.access.check(models.Thing, method, token=token, model_id=1)
            got = " ".join([decision.permission, *sorted(decision.authorized_roles)])
            assert got == case["answers"][caller], (case, caller)


@pytest.mark.parametrize(
    ("status", "anonymous", "known"),
    [
        (None, (401, "AUTHORIZATION_REQUIRED"), (401, "AUTHORIZATION_REQUIRED")),
        (403, (401, "AUTHORIZATION_REQUIRED"), (403, "ACCESS_DENIED")),
        (404, (401, "AUTHORIZATION_REQUIRED"), (404, "MODEL_NOT_FOUND")),
    ],
)
async def test_refusals(make_app: Any, status: Any, anonymous: Any, known: Any) -> None:
    note = {"name": "Note", "acls": [DENY_ALL], "aclErrorStatus": status}
    api = await make_app({"models/note.json": note}, User=FAST, Note={})
    tokens = await people(api, "ann")
    replies = [await api("GET", "/Notes/7"), await api("GET", "/Notes/7", token=tokens["ann"])]
    assert [(reply.status, reply.code) for reply in replies] == [anonymous, known]


async def test_registered_roles(make_app: Any) -> None:
    code = """
def boot(app):
    @app.role("$even")
    async def is_even(role, context):
        return context.user_id is not None and context.user_id % 2 == 0
"""
    note = {"name": "Note", "acls": [DENY_ALL, allow("$even")]}
    api = await make_app({"models/note.json": note, "boot/roles.py": code}, User=FAST, Note={})
    tokens = await people(api, "one", "two")
    assert [(await api("GET", "/Notes", token=tokens[name])).status for name in tokens] == [401, 200]
    Role = api.app.models.Role
    assert await Role.is_in_role("$even", {"principalType": "USER", "principalId": 2})
    assert not await Role.isInRole("$even", {"principalId": 1})
    assert await Role.get_roles({"principalId": 2}) == ["$authenticated", "$everyone", "$even"]


async def test_rows_that_name_no_property_never_count(make_app: Any) -> None:
    note = {"name": "Note", "acls": [DENY_ALL]}
    api = await make_app({"models/note.json": note}, User=FAST, Note={})
    row = {"model": "Note", "permission": "ALLOW", "principalType": "USER", "principalId": "1"}
    tokens = await people(api, "ann")
    await api.app.models.ACL.create(row)
    assert (await api("GET", "/Notes", token=tokens["ann"])).status == 401
    await api.app.models.ACL.create({**row, "property": "*", "accessType": "READ"})
    assert (await api("GET", "/Notes", token=tokens["ann"])).status == 200


async def test_what_belongs_to_nobody_has_no_owner(make_app: Any) -> None:
    owner = {"owner": {"type": "belongsTo", "model": "User", "foreignKey": "ownerId"}}
    note = {"name": "Note", "relations": owner, "acls": [DENY_ALL, allow("$owner")]}
    api = await make_app({"models/note.json": note}, User=FAST, Note={})
    tokens = await people(api, "ann")
    await api.app.models.Note.create([{}, {"ownerId": None}, {"ownerId": 77}, {"ownerId": 1}])
    statuses = [(await api("GET", f"/Notes/{id}", token=tokens["ann"])).status for id in (1, 2, 3, 4)]
    assert statuses == [401, 401, 401, 200]


async def test_find_or_create_finds_what_is_unique(make_app: Any) -> None:
    Role = (await make_app()).app.models.Role
    made, was_made = await Role.find_or_create({"where": {"name": "admin"}}, {"name": "admin"})
    found, again = await Role.find_or_create({"where": {"name": "admin"}}, {"name": "admin"})
    assert (was_made, again, made.id) == (True, False, found.id)


async def test_several_owner_relations(make_app: Any) -> None:
    def to_user(key: str) -> dict[str, Any]:
        return {"type": "belongsTo", "model": "User", "foreignKey": key}

    relations = {"writer": to_user("writerId"), "editor": to_user("editorId"), "reader": to_user("readerId")}
    note = {
        "name": "Note",
        "relations": relations,
        "acls": [DENY_ALL, allow("$owner")],
        "ownerRelations": ["writer", "editor"],
    }
    api = await make_app({"models/note.json": note}, User=FAST, Note={})
    tokens = await people(api, "writer", "editor", "reader")
    await api.app.models.Note.create({"writerId": 1, "editorId": 2, "readerId": 3})
    assert [(await api("GET", "/Notes/1", token=tokens[name])).status for name in tokens] == [200, 200, 401]


OWNED = {
    "name": "Note",
    "properties": {"text": "string", "userId": "number"},
    "acls": [DENY_ALL, allow("$owner", ownerFilter=True), allow("$authenticated", property="create")],
}


async def test_owners_list_what_is_theirs(make_app: Any) -> None:
    api = await make_app({"models/note.json": OWNED}, User=FAST, Note={})
    tokens = await people(api, "ann", "bob")
    await api.app.models.Note.create([{"text": "a", "userId": 1}, {"text": "b", "userId": 2}, {"text": "c"}])
    found = await api("GET", "/Notes", token=tokens["bob"])
    assert [one["text"] for one in found.json] == ["b"]
    narrowed = await api("GET", '/Notes?filter={"where":{"text":"a"}}', token=tokens["bob"])
    assert narrowed.json == []
    assert (await api("GET", "/Notes/count", token=tokens["ann"])).json == {"count": 1}
    assert (await api("GET", "/Notes")).status == 401
    assert (await api("GET", "/Notes/1", token=tokens["bob"])).status == 401


async def test_without_owner_filter_owners_list_nothing(make_app: Any) -> None:
    api = await make_app(
        {"models/note.json": {**OWNED, "acls": [DENY_ALL, allow("$owner")]}}, User=FAST, Note={}
    )
    tokens = await people(api, "ann")
    assert (await api("GET", "/Notes", token=tokens["ann"])).status == 401


LIBRARY = {
    "models/author.json": {
        "name": "Author",
        "relations": {"books": {"type": "hasMany", "model": "Book", "foreignKey": "authorId"}},
    },
    "models/book.json": {
        "name": "Book",
        "properties": {"title": "string"},
        "acls": [DENY_ALL, allow("$authenticated", property="find")],
        "relations": {"author": {"type": "belongsTo", "model": "Author", "foreignKey": "authorId"}},
    },
}
INCLUDE = '/Authors?filter={"include":{"books":"author"}}'


@pytest.mark.parametrize(
    ("config", "anonymous", "known"),
    [
        ({}, [200, 200, 200, 200], [200, 200, 200, 200]),
        ({"strictRelationAccess": True}, [401, 401, 401, 401], [200, 401, 200, 401]),
        ({"strict": True}, [401, 401, 401, 401], [200, 401, 200, 401]),
        ({"strict": True, "strictRelationAccess": False}, [200] * 4, [200] * 4),
    ],
)
async def test_the_strict_switch_asks_the_reached_models(
    make_app: Any, config: dict[str, Any], anonymous: list[int], known: list[int]
) -> None:
    files = {**LIBRARY, "config.json": {"restApiRoot": "/api", **config}}
    api = await make_app(files, User=FAST, Author={}, Book={})
    tokens = await people(api, "ann")
    author = await api.app.models.Author.create({})
    await author.relation("books").create({"title": "t"})
    for token, expected in ((None, anonymous), (tokens["ann"], known)):
        statuses = [
            (await api("GET", "/Authors/1/books", token=token)).status,
            (await api("GET", "/Authors/1/books/1", token=token)).status,
            (await api("GET", INCLUDE, token=token)).status,
            (await api("POST", "/Authors/1/books", {"title": "u"}, token=token)).status,
        ]
        assert statuses == expected


async def test_expired_tokens(make_app: Any) -> None:
    api = await make_app(User=FAST)
    tokens = await people(api, "ann")
    AccessToken = api.app.models.AccessToken
    stored = await AccessToken.find_by_id(tokens["ann"])
    await stored.patch_attributes({"created": "2020-01-01T00:00:00.000Z"})
    assert (await api("GET", "/Users/1", token=tokens["ann"])).code == "INVALID_TOKEN"
    assert await AccessToken.count() == 0


async def test_long_expired_tokens_are_swept(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_token, "_SWEEP_PAGE", 2)
    api = await make_app(User=FAST)
    AccessToken = api.app.models.AccessToken
    now = datetime.now(UTC)
    ages_and_ttls = [(0, 60), (3600, 60), (3, 10**9), (10**7, 60), (10**7, 60), (10**7, 10**9), (10**7, -1)]
    for number, (age, ttl) in enumerate(ages_and_ttls):
        created = now - timedelta(seconds=age)
        await AccessToken.create({"id": f"t{number}", "ttl": ttl, "created": created, "userId": 1})
    assert await access_token.sweep(AccessToken, now=now) == 2
    assert [one.id for one in await AccessToken.find({"order": "id"})] == ["t0", "t1", "t2", "t5", "t6"]


async def test_auth_models_are_attached_on_request(make_app: Any) -> None:
    files = {
        "model-config.json": {},
        "boot/authentication.py": "def boot(app):\n    app.enable_auth(data_source='db')\n",
    }
    api = await make_app(files)
    await people(api, "ann")
    assert api.app.models.Role.data_source is api.app.data_sources["db"]
    assert (await api("GET", "/AccessTokens")).status == 404


async def test_stored_entries_count_at_once_when_written_here(make_app: Any) -> None:
    api = await make_app({"models/note.json": {"name": "Note"}}, Note={})
    assert (await api("GET", "/Notes")).status == 200
    rule = {"model": "Note", "accessType": "READ", "principalType": "ROLE", "principalId": "$everyone"}
    entry = await api.app.models.ACL.create({**rule, "permission": "DENY", "property": "*"})
    assert (await api("GET", "/Notes")).status == 401
    await entry.delete()
    assert (await api("GET", "/Notes")).status == 200
