"""The same recipe with sane settings: WAL, writers that queue up instead of colliding, a pool as large as the thread
pool, no refresh, no result backend. As durable as before: `synchronous` stays FULL."""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import redis
from celery import Celery
from fastapi import FastAPI, HTTPException
from sqlalchemy import Connection, event
from sqlmodel import JSON, Column, Field, Session, SQLModel, create_engine

DATABASE_URL = os.environ["RECIPE_DATABASE_URL"]
BROKER_URL = os.environ["RECIPE_BROKER_URL"]
_THREADS = 40  # of the pool that `def` endpoints run in

engine = create_engine(DATABASE_URL, pool_size=_THREADS, max_overflow=0)
celery = Celery("tuned", broker=BROKER_URL, broker_pool_limit=_THREADS)
celery.conf.update(task_ignore_result=True, worker_prefetch_multiplier=16)
broker = redis.Redis.from_url(BROKER_URL)

if DATABASE_URL.startswith("sqlite"):

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


class JobRequest(SQLModel):
    model: str
    input: dict[str, Any]


class RecipeJob(SQLModel, table=True):
    id: str = Field(default_factory=lambda: str(uuid.uuid4()), primary_key=True)
    model: str
    status: str = Field(default="queued", index=True)
    input: dict[str, Any] = Field(sa_column=Column(JSON))
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    finished_at: datetime | None = None


@asynccontextmanager
async def _tables(_app: FastAPI) -> AsyncIterator[None]:
    SQLModel.metadata.create_all(engine)
    yield


app = FastAPI(lifespan=_tables)


@app.post("/jobs", status_code=202)
def submit(request: JobRequest) -> RecipeJob:
    job = RecipeJob(model=request.model, input=request.input)
    with Session(engine, expire_on_commit=False) as session:
        session.add(job)
        session.commit()
    generate.apply_async(args=[job.id], task_id=job.id)
    return job


@app.get("/jobs/{job_id}")
def read(job_id: str) -> RecipeJob:
    with Session(engine.execution_options(reads=True)) as session:
        job = session.get(RecipeJob, job_id)
    if job is None:
        raise HTTPException(404)
    return job


@celery.task  # type: ignore[untyped-decorator]
def generate(job_id: str) -> None:
    with Session(engine, expire_on_commit=False) as session:
        job = session.get_one(RecipeJob, job_id)
        job.status = "succeeded"
        job.finished_at = datetime.now(UTC)
        session.commit()
    broker.publish("done", job_id)
