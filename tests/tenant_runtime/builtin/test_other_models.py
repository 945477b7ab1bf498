"""What code may ask of the other built-in models: Role, Application, Checkpoint, AccessToken, Email."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.errors import LoopbackError

FAST = {"options": {"saltWorkFactor": 4}}


@pytest.fixture
async def models(make_app: Any) -> Any:
    hidden = {"public": False}
    api = await make_app(
        User=FAST, Application=hidden, Checkpoint=hidden, Email={**hidden, "dataSource": None}
    )
    return api.app.models


async def test_members_of_roles(models: Any) -> None:
    users = [await models.User.create({"email": f"{n}@b.c", "password": "x"}) for n in range(2)]
    application = await models.Application.register("1", "app")
    admin = await models.Role.create({"name": "admin"})
    chief = await models.Role.create({"name": "chief"})
    for kind, id in (("USER", users[1].id), ("APP", application.id), ("ROLE", chief.id)):
        await admin.relation("principals").create({"principalType": kind, "principalId": str(id)})
    assert [one.id for one in await admin.users()] == [2]
    assert [one.name for one in await admin.applications()] == ["app"]
    assert [one.name for one in await admin.roles()] == ["chief"]
    assert await models.Role.is_in_role("admin", {"principalType": "APP", "principalId": application.id})
    context = {"principalType": "USER", "principalId": 2}
    names = await models.Role.get_roles(context, {"returnOnlyRoleNames": True})
    assert names == ["$authenticated", "$everyone", "admin"]
    with pytest.raises(LoopbackError, match="already exists"):
        await models.Role.create({"name": "admin"})


async def test_applications_have_keys(models: Any) -> None:
    made = await models.Application.register("1", "app", {"url": "http://x"})
    keys = {made[name] for name in ("clientKey", "javaScriptKey", "restApiKey", "windowsKey", "masterKey")}
    assert len(keys) == 5 and all(len(key) == 40 for key in keys)
    assert (made.owner, made.url, made.status) == ("1", "http://x", "sandbox")
    found = await models.Application.authenticate(made.id, made.masterKey)
    assert found is not None and found["keyType"] == "masterKey"
    assert await models.Application.authenticate(made.id, "wrong") is None
    assert await models.Application.authenticate("none", "wrong") is None
    await models.Application.resetKeys(made.id)
    assert await models.Application.authenticate(made.id, made.masterKey) is None


async def test_checkpoints_count(models: Any) -> None:
    assert await models.Checkpoint.current() == 1
    assert (await models.Checkpoint.bump_last_seq()).seq == 2
    assert await models.Checkpoint.current() == 2
    assert await models.Checkpoint.count() == 1


async def test_token_ids(make_app: Any) -> None:
    short = {"options": {"accessTokenIdLength": 20}}
    tokens = (await make_app(User=FAST, AccessToken=short)).app.models.AccessToken
    assert len((await tokens.create({"userId": 1})).id) == 20
    assert (await tokens.create({"id": "mine", "userId": 1})).id == "mine"
    assert (await tokens.resolve("mine")).userId == 1


async def test_email_needs_a_mail_data_source(models: Any) -> None:
    with pytest.raises(LoopbackError, match="You must connect the Email Model to a Mail connector"):
        await models.Email.send({"to": "a@b.c"})
