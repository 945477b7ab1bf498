"""Every kind of relation on the memory connector."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.build import build
from tenant_runtime.model.registry import Registry
from tests.tenant_runtime.registries import memory, registry_of

MODELS: list[dict[str, Any]] = [
    {
        "name": "Author",
        "properties": {"name": "string"},
        "relations": {
            "books": {"type": "hasMany", "model": "Book", "foreignKey": ""},
            "profile": {"type": "hasOne", "model": "Profile"},
            "labels": {"type": "referencesMany", "model": "Label"},
            "address": {"type": "embedsOne", "model": "Label"},
            "phones": {"type": "embedsMany", "model": "Phone"},
            "groups": {"type": "hasAndBelongsToMany", "model": "Group"},
            "pictures": {"type": "hasMany", "model": "Picture", "polymorphic": "imageable"},
        },
    },
    {
        "name": "Book",
        "properties": {"title": "string", "pages": "number"},
        "relations": {
            "author": {"type": "belongsTo", "model": "Author"},
            "readers": {"type": "hasMany", "model": "Author", "through": "Reading", "keyThrough": "readerId"},
        },
        "scopes": {"long": {"where": {"pages": 500}}},
    },
    {
        "name": "Reading",
        "relations": {
            "book": {"type": "belongsTo", "model": "Book"},
            "reader": {"type": "belongsTo", "model": "Author"},
        },
    },
    {"name": "Profile", "properties": {"text": "string"}},
    {"name": "Label", "properties": {"text": {"type": "string", "required": True}}},
    {"name": "Phone", "properties": {"no": {"type": "string", "required": True}}},
    {
        "name": "Group",
        "relations": {"authors": {"type": "hasAndBelongsToMany", "model": "Author"}},
    },
    {
        "name": "Picture",
        "properties": {"url": "string"},
        "relations": {"imageable": {"type": "belongsTo", "polymorphic": True}},
    },
]


@pytest.fixture
async def registry() -> Registry:
    registry = registry_of(*MODELS)
    await registry.Author.create([{"name": "a"}, {"name": "b"}])
    return registry


async def author(registry: Registry) -> Any:
    return await registry.Author.find_by_id(1)


def plain(instances: list[Any], name: str) -> list[Any]:
    return [instance[name] for instance in instances]


async def status_of(operation: Any) -> Any:
    with pytest.raises(LoopbackError) as caught:
        await operation
    return caught.value.status


async def test_the_keys_that_relations_define(registry: Registry) -> None:
    assert registry.Book.definition.properties["authorId"].type.kind == "number"
    assert registry.Author.definition.properties["labelIds"].type.kind == "array"
    assert registry.Picture.definition.properties["imageableType"].type.kind == "string"
    assert list(registry["GroupAuthor"].relations) == ["group", "author"]


async def test_has_many(registry: Registry) -> None:
    books = (await author(registry)).relation("books")
    await books.create([{"title": "x", "pages": 1}, {"title": "y", "pages": 2, "authorId": 2}])
    assert plain(await books.get({"order": "pages DESC"}), "title") == ["y", "x"]
    assert await books.count({"pages": 1}) == 1
    assert (await books.update_by_id(1, {"pages": 5}))["pages"] == 5
    assert await status_of(books.update_by_id(1, {"authorId": 2})) == 500
    assert await status_of(books.find_by_id(9)) == 404
    await books.destroy(1)
    assert await books.destroy_all() == {"count": 1}


async def test_belongs_to(registry: Registry) -> None:
    book = await registry.Book.create({"title": "x", "authorId": 1})
    assert (await book.relation("author").get())["name"] == "a"
    assert await (await registry.Book.create({})).relation("author").get() is None
    dangling = await registry.Book.create({"authorId": 99})
    assert await dangling.relation("author").get() is None


async def test_has_one(registry: Registry) -> None:
    profile = (await author(registry)).relation("profile")
    assert await profile.get() is None
    assert await status_of(profile.update({"text": "x"})) == 500
    await profile.create({"text": "x"})
    assert await status_of(profile.create({"text": "y"})) == 500
    assert (await profile.update({"text": "z"}))["text"] == "z"
    await profile.delete()
    assert await (await author(registry)).relation("profile").get() is None


async def test_through(registry: Registry) -> None:
    book = await registry.Book.create({"title": "x"})
    readers = book.relation("readers")
    link = await readers.add(2)
    assert link.to_json() == {"id": 1, "bookId": 1, "readerId": 2}
    assert (await readers.add(2)).id == 1
    await readers.create({"name": "new"})
    assert plain(await readers.get({}), "name") == ["b", "new"]
    assert await readers.exists(2) is True
    assert await readers.count() == 2
    assert await status_of(readers.find_by_id(1)) == 404
    await readers.remove(2)
    await readers.remove(2)
    assert plain(await readers.get({}), "name") == ["new"]
    [included] = await registry.Book.find({"include": "readers"})
    assert plain(included.to_object(False)["readers"], "name") == ["new"]


async def test_has_and_belongs_to_many(registry: Registry) -> None:
    group = await (await author(registry)).relation("groups").create({})
    assert plain(await group.relation("authors").get(), "name") == ["a"]
    await (await registry.Author.find_by_id(2)).relation("groups").add(group.id)
    [found] = await registry.Group.find({"include": "authors"})
    assert [one["name"] for one in found.to_json()["authors"]] == ["a", "b"]


async def test_a_bad_filter_is_refused_though_nothing_is_linked(registry: Registry) -> None:
    groups = (await author(registry)).relation("groups")
    bad: list[Any] = [{"limit": "x"}, {"where": {"x": 1}, "skip": -1}, {"where": {"nor": {}}}]
    for filter in bad:
        assert await status_of(groups.get(filter)) == 400
    # no linked id is that object: nothing is asked any more
    assert await groups.get({"where": {"id": {"gt": 1}}, "limit": "x"}) == []


async def test_a_condition_on_the_id_through_a_join_is_on_the_same_value(registry: Registry) -> None:
    groups = (await author(registry)).relation("groups")
    await groups.create([{}, {}, {}])
    conditions: list[Any] = [2, {"inq": [3, 1, 9]}, {"inq": []}, "2", True, {"inq": "2"}, {"gt": 0}]
    found = [plain(await groups.get({"where": {"id": given}}), "id") for given in conditions]
    assert found == [[2], [1, 3], [], [], [], [], []]


async def test_a_where_through_a_join_that_is_no_object(registry: Registry) -> None:
    groups = (await author(registry)).relation("groups")
    await groups.create([{}, {}])
    wheres: list[Any] = [0, "", [], 5, None, {"id": 0}]
    assert [len(await groups.get({"where": where})) for where in wheres] == [2] * len(wheres)
    assert await groups.get({"where": "x"}) == []  # its property "0" is "x", which no group has


async def test_a_list_to_embed_or_to_refer_to_is_one_object() -> None:
    owner = {
        "name": "Owner",
        "relations": {
            "parts": {"type": "embedsMany", "model": "Part"},
            "shared": {"type": "referencesMany", "model": "Part"},
        },
    }
    registry = registry_of(owner, {"name": "Part"})
    one = await registry.Owner.create({})
    assert (await one.relation("shared").create([{"a": 1}, 2])).to_json() == {"0": {"a": 1}, "1": 2, "id": 1}
    assert (await one.relation("parts").create([{"a": 1}])).to_json() == {"0": {"a": 1}, "id": 1}
    assert (await one.relation("parts").create("ab")).to_json() == {"0": "a", "1": "b", "id": 2}


async def test_embeds_one(registry: Registry) -> None:
    address = (await author(registry)).relation("address")
    assert await address.get() is None
    assert await status_of(address.create({})) == 422
    await address.create({"text": "home"})
    assert (await author(registry)).to_json()["label"] == {"text": "home"}
    await address.update({"text": "away"})
    assert (await (await author(registry)).relation("address").get())["text"] == "away"
    await address.delete()
    assert (await author(registry)).to_json()["label"] is None


async def test_embeds_many(registry: Registry) -> None:
    phones = (await author(registry)).relation("phones")
    await phones.create({"no": "1"})
    await phones.create({"no": "2"})
    assert (await author(registry)).to_json()["_phones"] == [{"no": "1", "id": 1}, {"no": "2", "id": 2}]
    assert await status_of(phones.create({"no": "3", "id": 2})) == 422
    phones = (await author(registry)).relation("phones")
    assert plain(await phones.get({"where": {"no": "2"}}), "id") == [2]
    assert (await phones.update_by_id(2, {"no": "22"}))["no"] == "22"
    assert await phones.update_by_id(9, {"no": "22"}) is None
    await phones.destroy(1)
    assert (await author(registry)).to_json()["_phones"] == [{"no": "22", "id": 2}]
    await phones.destroy_all()
    assert (await author(registry)).to_json()["_phones"] == []


async def test_references_many(registry: Registry) -> None:
    labels = (await author(registry)).relation("labels")
    await labels.create({"text": "x"})
    other = await registry.Label.create({"text": "y"})
    assert (await labels.add(other.id))["text"] == "y"
    assert await status_of(labels.add(other.id)) == 422
    owner = await author(registry)
    assert owner["labelIds"] == [1, 2]
    assert await owner.relation("labels").remove(1) == [2]
    [included, _] = await registry.Author.find({"include": "labels"})
    assert [label["text"] for label in included.to_json()["labels"]] == ["y"]


async def test_polymorphic(registry: Registry) -> None:
    picture = await (await author(registry)).relation("pictures").create({"url": "u"})
    assert picture.to_json() == {"url": "u", "id": 1, "imageableId": 1, "imageableType": "Author"}
    assert (await picture.relation("imageable").get())["name"] == "a"
    [included] = await registry.Picture.find({"include": "imageable"})
    assert included.to_json()["imageable"]["name"] == "a"


async def test_named_scopes(registry: Registry) -> None:
    await registry.Book.create([{"title": "x", "pages": 500}, {"title": "y", "pages": 1}])
    made = await registry.Book.long.create({"title": "z"})
    assert made["pages"] == 500
    assert plain(await registry.Book.long.get(), "title") == ["x", "z"]
    assert await registry.Book.long.count({"title": "x"}) == 1
    assert await registry.Book.long.destroy_all() == {"count": 2}


async def test_limits_in_an_include_count_for_each_parent(registry: Registry) -> None:
    for parent in (1, 2):
        await registry.Book.create([{"title": f"{parent}{n}", "authorId": parent} for n in range(3)])
    scope = {"limit": 2, "order": "title DESC"}
    found = await registry.Author.find({"include": {"relation": "books", "scope": scope}})
    assert [[book["title"] for book in one.to_json()["books"]] for one in found] == [
        ["12", "11"],
        ["22", "21"],
    ]


def test_a_relation_without_target_is_left_out_with_a_warning() -> None:
    registry = Registry()
    base = registry.models["PersistedModel"].definition
    model = {"name": "A", "relations": {"x": {"type": "hasMany", "model": "Nope"}}}
    registry.attach(registry.define(build(model, base)), memory())
    assert registry.resolve() == ["A: the relation x is left out: there is no model Nope"]
    assert registry.A.relations == {}
