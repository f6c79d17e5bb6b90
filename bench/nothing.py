"""A FastAPI application whose POST does nothing: the ceiling that submits are held against."""

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.post("/")
async def nothing() -> dict[str, str]:
    return {"status": "queued"}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
