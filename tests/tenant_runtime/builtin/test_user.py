"""Users over REST and in code: logging in, passwords, confirmation, sessions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tenant_runtime.errors import LoopbackError

ANN = {"email": "ann@example.com", "password": "secret"}
FAST = {"options": {"saltWorkFactor": 4}}  # bcrypt's lowest cost: the tests are not about its time


@pytest.fixture
async def api(make_app: Any) -> Any:
    return await make_app(User=FAST)


async def test_a_user_logs_in_and_out(api: Any) -> None:
    created = await api("POST", "/Users", {**ANN, "emailVerified": True})
    assert created.json == {"email": "ann@example.com", "emailVerified": False, "id": 1}
    reply = await api("POST", "/Users/login?include=user", {**ANN, "ttl": 60})
    token = reply.json
    assert set(token) == {"id", "ttl", "created", "userId", "user"}
    assert (token["ttl"], token["userId"], token["user"]["email"]) == (60, 1, "ann@example.com")
    assert (await api("GET", "/Users/1", token=token["id"])).status == 200
    assert (await api("GET", "/Users/1")).status == 401
    assert (await api("POST", "/Users/logout", token=token["id"])).status == 204
    assert (await api("GET", "/Users/1", token=token["id"])).code == "AUTHORIZATION_REQUIRED"
    assert (await api("POST", "/Users/logout")).code == "accessToken is required to logout"


async def test_hashes_are_stored_and_never_shown(api: Any) -> None:
    await api("POST", "/Users", ANN)
    stored = await api.app.models.User.find_by_id(1)
    assert stored.password.startswith("$2b$04$")
    token = await api.login("/Users", **ANN)
    assert "password" not in (await api("GET", "/Users/1", token=token)).json


async def test_existing_hashes_are_kept(api: Any) -> None:
    digest = "$2a$04$DAUYBFS54BrJFqly0w3ILev8anHrC8tY5.PTqoY53Vt2xAPp48vVG"
    await api("POST", "/Users", {"email": "old@example.com", "password": digest})
    assert await api.login("/Users", email="old@example.com", password="secret")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"password": "x"}, "presence"),
        ({"email": "a@b.c"}, "presence"),
        ({"email": "a@b.c", "password": None}, "presence"),
        ({"email": "a@b.c", "password": 5}, "presence"),
        ({"email": "nonsense", "password": "x"}, "custom.email"),
        ({"email": 5, "password": "x"}, "custom.string"),
        ({"email": "ann@example.com", "password": "x"}, "uniqueness"),
        ({"email": "b@b.c", "username": "ann", "password": "x"}, "uniqueness"),
    ],
)
async def test_invalid_users(api: Any, data: dict[str, Any], code: str) -> None:
    await api("POST", "/Users", {**ANN, "username": "ann"})
    reply = await api("POST", "/Users", data)
    assert reply.status == 422
    codes = [one for found in reply.json["error"]["details"]["codes"].values() for one in found]
    assert codes == [code]


async def test_nobody_verifies_himself_in_an_array(api: Any) -> None:
    reply = await api("POST", "/Users", [{**ANN, "emailVerified": True}])
    assert reply.json[0]["emailVerified"] is False


async def test_changing_the_password_ends_other_sessions(api: Any) -> None:
    await api("POST", "/Users", ANN)
    other, own = await api.login("/Users", **ANN), await api.login("/Users", **ANN)
    wrong = {"oldPassword": "wrong", "newPassword": "new"}
    assert (await api("POST", "/Users/change-password", wrong, token=own)).code == "INVALID_PASSWORD"
    right = {"oldPassword": "secret", "newPassword": "new"}
    assert (await api("POST", "/Users/change-password", right)).status == 401
    assert (await api("POST", "/Users/change-password", right, token=own)).status == 204
    assert (await api("GET", "/Users/1", token=own)).status == 200
    assert (await api("GET", "/Users/1", token=other)).status == 401
    assert (await api("POST", "/Users/login", ANN)).code == "LOGIN_FAILED"
    assert await api.login("/Users", email="ann@example.com", password="new")


async def test_changing_the_address_ends_other_sessions(api: Any) -> None:
    await api("POST", "/Users", ANN)
    other, own = await api.login("/Users", **ANN), await api.login("/Users", **ANN)
    assert (await api("PATCH", "/Users/1", {"email": "new@example.com"}, token=own)).status == 200
    assert (await api("GET", "/Users/1", token=other)).status == 401
    assert (await api("PATCH", "/Users/1", {"username": "x"}, token=own)).status == 200


async def test_password_reset(api: Any) -> None:
    requests: list[Any] = []
    api.app.models.User.on("resetPasswordRequest", requests.append)
    await api("POST", "/Users", ANN)
    session = await api.login("/Users", **ANN)
    assert (await api("POST", "/Users/reset", {"email": "x@example.com"})).code == "EMAIL_NOT_FOUND"
    assert (await api("POST", "/Users/reset", {})).code == "EMAIL_REQUIRED"
    assert (await api("POST", "/Users/reset", {"email": "ann@example.com"})).status == 204
    (request,) = requests
    assert (request.email, request.access_token.ttl, request.user.id) == ("ann@example.com", 900, 1)
    new = {"newPassword": "new"}
    assert (await api("POST", "/Users/reset-password", new, token=request.accessToken.id)).status == 204
    assert (await api("GET", "/Users/1", token=session)).status == 401
    assert await api.login("/Users", email="ann@example.com", password="new")


async def test_a_restricted_reset_token_does_nothing_else(make_app: Any) -> None:
    options = {"saltWorkFactor": 4, "restrictResetPasswordTokenScope": True}
    member = {"name": "Member", "base": "User", "options": options}
    api = await make_app(
        {"models/member.json": member},
        Member={},
        AccessToken={"relations": {"user": {"type": "belongsTo", "model": "Member", "foreignKey": "userId"}}},
    )
    requests: list[Any] = []
    api.app.models.Member.on("resetPasswordRequest", requests.append)
    await api("POST", "/Members", ANN)
    await api("POST", "/Members/reset", {"email": "ann@example.com"})
    token = requests[0].access_token.id
    assert (await api("GET", "/Members/1", token=token)).status == 401
    assert (await api("POST", "/Members/reset-password", {"newPassword": "n"}, token=token)).status == 204
    session = await api.login("/Members", email="ann@example.com", password="n")
    assert (await api("POST", "/Members/reset-password", {"newPassword": "m"}, token=session)).status == 401


async def test_passwords_only_by_their_own_methods(make_app: Any) -> None:
    options = {"saltWorkFactor": 4, "rejectPasswordChangesViaPatchOrReplace": True}
    api = await make_app(User={"options": options})
    await api("POST", "/Users", ANN)
    token = await api.login("/Users", **ANN)
    refused = await api("PATCH", "/Users/1", {"password": "x"}, token=token)
    assert (refused.status, refused.code) == (401, "PASSWORD_CHANGE_NOT_ALLOWED")
    refused = await api("PUT", "/Users/1", {**ANN, "password": "x"}, token=token)
    assert refused.code == "PASSWORD_CHANGE_NOT_ALLOWED"
    refused = await api("PUT", "/Users/1", {"email": "ann@example.com"}, token=token)
    assert refused.code == "PASSWORD_CHANGE_NOT_ALLOWED"
    assert (await api("PATCH", "/Users/1", {"username": "x"}, token=token)).status == 200
    change = {"oldPassword": "secret", "newPassword": "new"}
    assert (await api("POST", "/Users/change-password", change, token=token)).status == 204
    user = await api.app.models.User.find_by_id(1)
    user.username = "y"
    await user.save()


async def test_addresses_may_be_compared_without_case(make_app: Any) -> None:
    api = await make_app(User={"options": {"saltWorkFactor": 4, "caseSensitiveEmail": False}})
    reply = await api("POST", "/Users", {"email": "Ann@Example.com", "password": "x"})
    assert reply.json["email"] == "ann@example.com"
    assert await api.login("/Users", email="ANN@EXAMPLE.COM", password="x")


async def test_realms(make_app: Any) -> None:
    member = {"name": "Member", "base": "User", "realmRequired": True, "realmDelimiter": ":"}
    api = await make_app(
        {"models/member.json": {**member, **FAST}},
        Member={},
        AccessToken={"relations": {"user": {"type": "belongsTo", "model": "Member", "foreignKey": "userId"}}},
    )
    for realm in ("one", "two"):
        assert (await api("POST", "/Members", {**ANN, "realm": realm, "username": "ann"})).status == 200
    assert (await api("POST", "/Members", {**ANN, "realm": "two"})).status == 422
    assert (await api("POST", "/Members/login", ANN)).code == "REALM_REQUIRED"
    reply = await api("POST", "/Members/login", {"username": "two:ann", "password": "secret"})
    assert reply.json["userId"] == 2


async def test_deleting_a_user_deletes_its_tokens(api: Any) -> None:
    for number in (1, 2):
        await api("POST", "/Users", {"email": f"{number}@example.com", "password": "x"})
        await api.login("/Users", email=f"{number}@example.com", password="x")
    token = await api.login("/Users", email="1@example.com", password="x")
    assert (await api("DELETE", "/Users/1", token=token)).json == {"count": 1}
    tokens = await api.app.models.AccessToken.find()
    assert [one.userId for one in tokens] == [2]


MAIL = {
    "datasources.json": {
        "db": {"name": "db", "connector": "memory"},
        "mail": {"name": "mail", "connector": "mail", "transport": {"type": "file", "directory": "outbox"}},
    }
}
VERIFY = {
    "saltWorkFactor": 4,
    "emailVerificationRequired": True,
    "verifyOptions": {"type": "email", "from": "shop@example.com", "redirect": "/welcome"},
}


async def test_verification_by_mail(make_app: Any, tmp_path: Any) -> None:
    mail = {"dataSource": "mail", "public": False}
    api = await make_app(MAIL, User={"options": VERIFY}, Email=mail)
    await api("POST", "/Users", ANN)
    refused = await api("POST", "/Users/login", ANN)
    assert (refused.code, refused.json["error"]["details"]) == (
        "LOGIN_FAILED_EMAIL_NOT_VERIFIED",
        {"userId": 1},
    )
    forwarded = {"host": "shop.example.com", "x_forwarded_prefix": "/foo", "x_forwarded_proto": "https"}
    assert (await api("POST", "/Users/1/verify", **forwarded)).status == 204
    (letter,) = (tmp_path / "outbox").iterdir()
    text = letter.read_text().replace("=\n", "").replace("=3D", "=").replace("&amp;", "&")
    link = re.search(r"https://shop\.example\.com/foo(/api/Users/confirm\?\S+?token=[0-9a-f]{128})", text)
    assert link is not None, text
    assert (await api("GET", link[1][:-1] + "x")).code == "INVALID_TOKEN"
    reply = await api("GET", link[1])
    assert (reply.status, reply.headers["location"]) == (302, "/welcome")
    assert await api.login("/Users", **ANN)
    assert (await api("GET", "/Users/confirm?uid=9&token=x")).code == "USER_NOT_FOUND"


async def test_code_logs_in_too(api: Any) -> None:
    User = api.app.models.User
    user = await User.create(ANN)
    token = await User.login(ANN)
    assert token.userId == user.id
    assert await user.has_password("secret")
    await user.set_password("new")
    assert await (await User.find_by_id(user.id)).hasPassword("new")
    with pytest.raises(LoopbackError) as caught:
        await User.login(ANN)
    assert caught.value.code == "LOGIN_FAILED"
    short = await user.create_access_token({"ttl": 5, "scopes": ["read"]})
    assert (short.ttl, short.scopes) == (5, ["read"])


async def test_two_user_models(make_app: Any) -> None:
    def user_model(name: str) -> dict[str, Any]:
        tokens = {
            "type": "hasMany",
            "model": "AccessToken",
            "polymorphic": {"foreignKey": "userId", "discriminator": "principalType"},
            "options": {"disableInclude": True},
        }
        return {"name": name, "base": "User", **FAST, "relations": {"accessTokens": tokens}}

    polymorphic = {"idType": "string", "foreignKey": "userId", "discriminator": "principalType"}
    user = {"type": "belongsTo", "idName": "id", "polymorphic": polymorphic}
    files = {"models/doctor.json": user_model("Doctor"), "models/patient.json": user_model("Patient")}
    api = await make_app(files, Doctor={}, Patient={}, AccessToken={"relations": {"user": user}})
    for path in ("/Doctors", "/Patients"):
        await api("POST", path, ANN)
    token = await api.login("/Doctors", **ANN)
    assert (await api.app.models.AccessToken.find_by_id(token)).principalType == "Doctor"
    assert (await api("GET", "/Doctors/1", token=token)).status == 200
    assert (await api("GET", "/Patients/1", token=token)).status == 401
    change = {"oldPassword": "secret", "newPassword": "new"}
    assert (await api("POST", "/Patients/change-password", change, token=token)).status == 403
