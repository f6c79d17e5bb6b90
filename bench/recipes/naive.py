"""The recipe everybody writes: a `def` endpoint with a SQLModel session, commit and refresh, `apply_async`, a task
that updates the row. Every library's default settings."""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import redis
from celery import Celery
from fastapi import FastAPI, HTTPException
from sqlmodel import JSON, Column, Field, Session, SQLModel, create_engine

DATABASE_URL = os.environ["RECIPE_DATABASE_URL"]
BROKER_URL = os.environ["RECIPE_BROKER_URL"]

engine = create_engine(
    DATABASE_URL, connect_args={"check_same_thread": False} if DATABASE_URL.startswith("sqlite") else {}
)
celery = Celery("naive", broker=BROKER_URL, backend=BROKER_URL)
broker = redis.Redis.from_url(BROKER_URL)


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
    with Session(engine) as session:  # a dependency would stall beyond 40 clients: threads and pool deadlock
        job = RecipeJob(model=request.model, input=request.input)
        session.add(job)
        session.commit()
        session.refresh(job)
        generate.apply_async(args=[job.id], task_id=job.id)
        return job


@app.get("/jobs/{job_id}")
def read(job_id: str) -> RecipeJob:
    with Session(engine) as session:
        job = session.get(RecipeJob, job_id)
        if job is None:
            raise HTTPException(404)
        return job


@celery.task  # type: ignore[untyped-decorator]
def generate(job_id: str) -> None:
    with Session(engine) as session:
        job = session.get_one(RecipeJob, job_id)
        job.status = "succeeded"
        job.finished_at = datetime.now(UTC)
        session.add(job)
        session.commit()
    broker.publish("done", job_id)
