"""tenant.json and the layout of a folder."""

from __future__ import annotations

import pytest

from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.layout import EMPTY, FLAT, PROJECT, Layout, detect, is_tenant_id, tenant_id
from mtgate.tenantdir.schema import TenantConfig, read_tenant_json


def test_everything_is_optional() -> None:
    assert read_tenant_json("") == read_tenant_json("{}") == TenantConfig()


def test_defaults_lie_below() -> None:
    defaults = TenantConfig.model_validate({"workers": 2, "limits": {"max_queue": 7, "processes": 9}})
    config = read_tenant_json('{"limits": {"processes": 3}}', defaults)
    assert (config.workers, config.limits.max_queue, config.limits.processes) == (2, 7, 3)
    assert config.limits.max_in_flight == 100


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{\n "worker": 2}', 'tenant.json:2 at /worker: unknown key "worker". Did you mean "workers"?'),
        ('{"limits":\n{"memory": 1}}', 'tenant.json:2 at /limits/memory: unknown key "memory". Did you'),
        ('{"probe": {"pth": "/"}}', 'Did you mean "path"?'),
        ('{"workers": 0}', "tenant.json:1 at /workers: input should be greater than or equal to 1"),
        ('{"command": []}', "tenant.json:1 at /command: list should have at least 1 item"),
        ('{"hosts": ["http://x"]}', "is not a host name"),
        ('{"env": {"A=B": ""}}', "cannot be the name of an environment variable"),
        ('{"workers": 1,}', "tenant.json:1: not valid JSON"),
        ("[]", "tenant.json:1: must be a JSON object"),
        ("[" * 200 + "]" * 200, "nested more than"),
        ('{"workers": NaN}', "NaN is not a JSON number"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        read_tenant_json(text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("names", "server_names", "layout"),
    [
        (["config.json", "server"], ["config.json"], FLAT),
        (["server", "common", "package.json"], ["model-config.json"], PROJECT),
        (["tenant.json"], [], EMPTY),
    ],
)
def test_layouts(names: list[str], server_names: list[str], layout: Layout) -> None:
    assert detect(names, server_names) == layout


def test_paths_of_a_layout() -> None:
    assert PROJECT.path("config.json") == "server/config.json"
    assert FLAT.path("config.json") == "config.json"


def test_tenant_ids() -> None:
    assert tenant_id("Foo9") == "foo9"
    assert is_tenant_id("a" * 63)
    for text in ("", "a" * 64, "a-b", "é", "A", "a/b", "..", "a\n", "١"):
        assert not is_tenant_id(text)
    with pytest.raises(ValueError, match="is not a tenant id"):
        tenant_id("\u212a")  # the Kelvin sign lower-cases to an ASCII letter
