"""What happens when users are looked up, saved and deleted.

In charge of: the operation hooks of User, which derived models inherit: hashing passwords, lower-case
addresses, who may change a password, which tokens a change makes void. Source: ``common/models/user.js``.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.builtin.passwords import hash_password, is_hash, work_factor
from tenant_runtime.errors import LoopbackError


def observe(User: Any) -> None:
    """Registers the observers; the order matters: what is saved is checked before it is hashed."""
    User.observe("access", lower_email)
    User.observe("before save", refuse_password_change)
    User.observe("before save", hash_new_password)
    User.observe("before save", remember_original)
    User.observe("after save", invalidate_tokens)
    User.observe("before delete", remove_tokens)


def lower_email(ctx: Any) -> None:
    """Queries by e-mail address ignore case when the model says so."""
    if ctx.Model.settings.get("caseSensitiveEmail"):
        return
    where = (ctx.query or {}).get("where")
    if isinstance(where, dict) and isinstance(where.get("email"), str):
        where["email"] = where["email"].lower()


async def refuse_password_change(ctx: Any) -> None:
    """With ``rejectPasswordChangesViaPatchOrReplace`` only setPassword and changePassword set passwords.

    An instance that is saved with the password it was loaded with is let pass; the original refuses that too,
    and so could not confirm an address.
    """
    if not ctx.Model.settings.get("rejectPasswordChangesViaPatchOrReplace") or ctx.isNewInstance:
        return
    if ctx.data is None:
        stored = await ctx.Model.find_by_id(ctx.instance[_id_name(ctx.Model)], None, ctx.options)
        if stored is not None and stored["password"] == ctx.instance["password"]:
            return
    data = ctx.data if ctx.data is not None else ctx.instance.to_object()
    if ctx.options.get("setPassword"):
        if list(data) != ["password"]:
            raise LoopbackError(
                'Invalid use of "options.setPassword". Only "password" can be changed when using this option.'
            )
        return
    if ctx.data is None or "password" in data:
        raise LoopbackError(
            "Changing user password via patch/replace API is not allowed. "
            "Use changePassword() or setPassword() instead.",
            status=401,
            code="PASSWORD_CHANGE_NOT_ALLOWED",
        )


async def hash_new_password(ctx: Any) -> None:
    """Puts the hash in the place of a password given as text."""
    holder = ctx.data if ctx.data is not None else ctx.instance
    if holder is None:
        return
    plain = holder.get("password")
    if isinstance(plain, str) and not is_hash(plain):
        holder["password"] = await hash_password(plain, work_factor(ctx.Model))


async def remember_original(ctx: Any) -> None:
    """Keeps what is stored before a change, and clears ``emailVerified`` when the address changes."""
    if ctx.isNewInstance or (not ctx.where and ctx.instance is None):
        return
    pk = _id_name(ctx.Model)
    where = ctx.where or {pk: ctx.instance[pk]}
    stored = await ctx.Model.find({"where": where}, ctx.options)
    ctx.hookState["originalUserData"] = [
        {pk: user[pk], "email": user["email"], "password": user["password"]} for user in stored
    ]
    holder = ctx.instance if ctx.instance is not None else ctx.data
    email = holder.get("email")
    if ctx.instance is not None:
        changed = not stored or email != stored[0]["email"]
    else:
        changed = bool(email) and any(user["email"] != email for user in stored)
    if changed and ctx.Model.settings.get("emailVerificationRequired"):
        holder["emailVerified"] = False


async def invalidate_tokens(ctx: Any) -> None:
    """Removes the tokens of users whose address or password changed, but for the one that did it."""
    holder = ctx.instance if ctx.instance is not None else ctx.data
    original = ctx.hookState.get("originalUserData")
    if holder is None or not original or ctx.options.get("preserveAccessTokens"):
        return
    email = holder.get("email")
    password = holder.get("password")
    changed = [
        user[_id_name(ctx.Model)]
        for user in original
        if (email and user["email"] != email) or (password and user["password"] != password)
    ]
    await _remove_tokens_of(ctx.Model, changed, ctx.options)


async def _remove_tokens_of(User: Any, user_ids: list[Any], options: dict[str, Any]) -> None:
    relation = User.relations.get("accessTokens")
    if not user_ids or relation is None:
        return
    tokens = relation.model_to
    where: dict[str, Any] = {"userId": {"inq": user_ids}}
    current = options.get("accessToken")
    if current is not None:
        where[_id_name(tokens)] = {"neq": current.id}
    back = tokens.relations.get("user")
    if back is not None and back.polymorphic and back.model_to is None:
        where["principalType"] = User.name
    await tokens.destroy_all(where, options)


async def remove_tokens(ctx: Any) -> None:
    """A deleted user's tokens go first."""
    if "accessTokens" not in ctx.Model.relations:
        return
    pk = _id_name(ctx.Model)
    users = await ctx.Model.find({"where": ctx.where, "fields": [pk]})
    ids = [user[pk] for user in users]
    ctx.where = {pk: {"inq": ids}}
    await _remove_tokens_of(ctx.Model, ids, {})


def _id_name(model: Any) -> str:
    prop = model.definition.id_property
    return prop.name if prop is not None else "id"
