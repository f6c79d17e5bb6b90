"""The Celery app and the doorbell. Defines no task: a message only says "look", by name, to a plain queue."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from config.settings import Settings
from jobs.references import is_to_be_fetched
from jobs.values import Job, Status
from storage.bus import Errands, connect

log = logging.getLogger(__name__)

LOOK = "safelight.look"  # the task's name; its id is the id of the job that rang
DELIVER = "safelight.deliver"  # the courier's: a webhook is due
FETCH = "safelight.fetch"  # the courier's: an input is to be fetched
FOLLOW = "safelight.follow"  # the courier's: a change has consequences
WORK_OFF = "safelight.work_off"  # the courier's: a batch is due
COURIER = "courier"  # the queue it listens to

ENOUGH = 64  # bells in one queue: they wake every worker there may be; the reaper wakes more

# No arguments; and their pictures for people, which Celery would draw for each message.
_NOTHING: dict[str, Any] = {"args": (), "kwargs": {}, "argsrepr": "()", "kwargsrepr": "{}"}
_PLAIN = Exchange("", type="direct")  # the default exchange: a message goes straight to the list it names


def build_celery(settings: Settings, queues: Iterable[str] = ("default",)) -> Celery:
    """The app as every role uses it; docs/decisions/0002 says why each setting stands as it does."""
    app = Celery("safelight", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(name, _PLAIN, routing_key=name, no_ack=True) for name in queues],
        task_default_exchange="",
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        worker_pool="workers.pool:WakingThreads",
        worker_concurrency=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_send_task_events=True,
        task_send_sent_event=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=4,
        broker_transport_options={
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "visibility_timeout": 3600,
        },
        enable_utc=True,
    )
    return app


class Doorbell:
    """Rings for jobs without waiting: a broker that is down or frozen delays nobody. What is lost here the
    reaper rings again. A worker that was woken goes on until its queue is empty, so where many bells wait already,
    one more would wake nobody."""

    def __init__(self, app: Celery, errands: Errands) -> None:
        self._app = app
        self._errands = errands
        self._broker = connect(app.conf.broker_url)
        self._waiting: dict[str, int] = {}  # in each queue, when we last asked, and what we rang since

    def ring(self, jobs: Sequence[tuple[str, str]], task: str = LOOK) -> None:
        """Ring for (job id, queue) pairs, in the background."""
        if jobs:
            self._errands.add(lambda: self.ring_now(jobs, task))

    def ring_for(self, changed: Sequence[Job]) -> None:
        """Ring for whom these jobs concern as they now stand: workers, when they are queued, and couriers. Workers
        too when they wait: what they wait for was locked meanwhile, and a worker may have passed over it."""
        self.ring([(job.id, job.queue) for job in changed if job.status in (Status.QUEUED, Status.WAITING)])
        self.ring_courier(changed)

    def ring_courier(self, changed: Iterable[Job | None]) -> None:
        """Ring for changed jobs that have a webhook, so that there may be something to deliver, or consequences: of
        these once, since who is woken works off all there are. What a waiting job needs may be there already,
        or is to be fetched."""
        known = [job for job in changed if job]
        self.ring([(job.id, COURIER) for job in known if job.webhook], DELIVER)
        rippling = [job for job in known if job.consequential or job.status is Status.WAITING]
        self.ring([(job.id, COURIER) for job in rippling[:1]], FOLLOW)
        waiting = (job for job in known if job.status is Status.WAITING)
        self.ring([(job.id, COURIER) for job in waiting if is_to_be_fetched(job.input)], FETCH)

    def ring_delivery(self, subject: str) -> None:
        """Ring for a webhook that is due: of what has this id."""
        self.ring([(subject, COURIER)], DELIVER)

    def ring_now(self, jobs: Sequence[tuple[str, str]], task: str = LOOK) -> None:
        """Ring and wait for the broker's answer; many in one round trip.

        Raises:
            OSError, kombu.exceptions.OperationalError: the broker is away. Some may have been rung.
        """
        wanted = self._coalesced(jobs) if task == LOOK else jobs
        if wanted:
            with self._app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():
                for job_id, queue in wanted:
                    self._publish(producer, task, job_id, queue)

    def _coalesced(self, jobs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        by_queue = {name: [job for job in jobs if job[1] == name] for name in {queue for _, queue in jobs}}
        return [job for queue, some in by_queue.items() for job in some[: self._take_room(queue, len(some))]]

    def _take_room(self, queue: str, wanted: int) -> int:
        """For how many more bells there is room. The broker is only asked when by our own count there is none."""
        if self._waiting.get(queue, ENOUGH) >= ENOUGH:
            self._waiting[queue] = int(self._broker.llen(queue))
        room = min(wanted, max(0, ENOUGH - self._waiting[queue]))
        self._waiting[queue] += room
        return room

    def _publish(self, producer: Any, task: str, job_id: str, queue: str) -> None:
        message = self._app.amqp.create_task_message(job_id, task, ignore_result=True, **_NOTHING)
        producer.publish(
            message.body,
            exchange="",
            routing_key=queue,
            serializer="json",
            headers=message.headers,
            retry=False,
            **message.properties,
        )
