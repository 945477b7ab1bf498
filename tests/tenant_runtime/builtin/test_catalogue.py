"""The built-in models' definitions."""

from __future__ import annotations

from tenant_runtime.builtin import catalogue


def test_every_model_of_the_original_is_there() -> None:
    assert catalogue.names() == [
        "Model",
        "PersistedModel",
        "ACL",
        "AccessToken",
        "Application",
        "Change",
        "Checkpoint",
        "Email",
        "KeyValueModel",
        "Role",
        "RoleMapping",
        "Scope",
        "User",
    ]


def test_bases() -> None:
    bases = {name: catalogue.definition(name).get("base") for name in catalogue.names()}
    assert bases.pop("Model") is None
    assert {bases.pop(name) for name in ("PersistedModel", "Email", "KeyValueModel")} == {"Model"}
    assert set(bases.values()) == {"PersistedModel"}


def test_a_definition_is_a_copy() -> None:
    catalogue.definition("User")["acls"].clear()
    assert len(catalogue.definition("User")["acls"]) == 13
    assert catalogue.is_builtin("User")
    assert not catalogue.is_builtin("Customer")
