"""A FastAPI application as a tenant: ``python3 -m pip install fastapi uvicorn``, then
``mtctl add api --from examples/commands/fastapi``.

uvicorn takes over the tenant's socket (descriptor 3). The gateway strips the prefix (/api) and says so in
X-Forwarded-Prefix; as ``root_path`` it makes the links in /docs right.
"""

from fastapi import FastAPI

app = FastAPI(title="A tenant in FastAPI")


@app.get("/")
async def root() -> dict[str, str]:
    return {"hello": "from FastAPI"}


@app.get("/items/{item_id}")
async def item(item_id: int) -> dict[str, int]:
    return {"id": item_id}


class BehindPrefix:
    """Sets ASGI's ``root_path`` from X-Forwarded-Prefix."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            prefix = dict(scope["headers"]).get(b"x-forwarded-prefix", b"").decode("ascii")
            scope = {**scope, "root_path": prefix, "path": prefix + scope["path"]}
        await self.inner(scope, receive, send)


app.add_middleware(BehindPrefix)
