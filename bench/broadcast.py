"""The plain recipe that pushes are held against: FastAPI, one Redis subscription, every word sent to every socket."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

CHANNEL = "broadcast"

_sockets: set[WebSocket] = set()


@asynccontextmanager
async def _listening(_app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(_pass_on(sys.argv[2]))
    yield
    task.cancel()


async def _pass_on(broker_url: str) -> None:
    async with redis.asyncio.Redis.from_url(broker_url).pubsub() as channel:
        await channel.subscribe(CHANNEL)
        async for message in channel.listen():
            if message["type"] == "message":
                for one in list(_sockets):
                    await one.send_text(message["data"].decode())


app = FastAPI(lifespan=_listening)


@app.websocket("/ws")
async def hear(connection: WebSocket) -> None:
    await connection.accept()
    _sockets.add(connection)
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await connection.receive_text()
    _sockets.discard(connection)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False, ws="websockets-sansio")
