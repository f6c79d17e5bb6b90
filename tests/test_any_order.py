"""The lifecycle under anything that may happen, in any order."""

from datetime import timedelta

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import integers, sampled_from

from jobs import lifecycle
from jobs.lifecycle import TRANSITIONS, Change
from jobs.values import IfNeedFails, Job, Status
from tests.test_lifecycle import ENDINGS, LATER, NOW, apply, queued


class Anything(RuleBasedStateMachine):
    """Whatever happens in whatever order, by holders of present and past leases: seq, fence, attempt and strikes
    never fall, one change is one seq, a final state is left only by a retry, and the row stays in itself true."""

    def __init__(self) -> None:
        super().__init__()
        self.job = queued(deadline=LATER)
        self.now = NOW
        self.holders: list[Job] = []  # each job as some worker claimed it, lease lost or not

    @initialize(needs=sampled_from([(), ("another",)]))
    def submit(self, needs: tuple[str, ...]) -> None:
        self.job = queued(deadline=LATER, needs=needs)

    def happen(self, change: Change | None, by: Job | None = None) -> None:
        self.now += timedelta(seconds=1)
        before, after = self.job, change and apply(self.job, change)
        if change is None or after is None:
            return
        assert by is None or by.fence == before.fence, "a worker wrote whose lease had passed on"
        assert after.seq == before.seq + 1
        assert after.fence >= before.fence
        assert after.attempt >= before.attempt >= before.strikes <= after.strikes <= after.attempt
        assert after.max_attempts >= before.max_attempts
        assert not before.final or change.verb in ("retry", "wait again")
        assert (change.verb, before.status, after.status) in TRANSITIONS
        self.job = after

    @rule()
    def claim(self) -> None:
        fence = self.job.fence
        self.happen(lifecycle.claim("worker", 15.0, self.now))
        if self.job.fence > fence:
            self.holders.append(self.job)

    @precondition(lambda self: self.holders)
    @rule(which=integers(0, 99), end=sampled_from(sorted(ENDINGS)))
    def conclude(self, which: int, end: str) -> None:
        holder = self.holders[-1 - which % len(self.holders)]
        self.happen(ENDINGS[end](holder, self.now), holder)

    @rule()
    def lose(self) -> None:
        self.happen(lifecycle.lose(self.job, self.now))

    @rule()
    def cancel(self) -> None:
        self.happen(lifecycle.cancel(self.job, self.now))

    @rule()
    def retry(self) -> None:
        self.happen(lifecycle.retry(self.job, self.now))

    @rule()
    def expire(self) -> None:
        self.happen(lifecycle.expire(self.now))

    @rule()
    def release(self) -> None:
        self.happen(lifecycle.release(self.now))

    @rule(policy=sampled_from([IfNeedFails.FAIL, IfNeedFails.SKIP]))
    def miss(self, policy: IfNeedFails) -> None:
        self.happen(lifecycle.miss(policy, self.now))

    @invariant()
    def the_row_is_in_itself_true(self) -> None:
        job = self.job
        assert (job.lease_until is not None) == (job.status is Status.RUNNING)
        assert (job.finished_at is not None) == job.final
        assert bool(job.outputs) == (job.status is Status.SUCCEEDED)
        assert job.attempt == job.fence <= job.max_attempts
        assert (job.error is not None) or job.status not in (Status.FAILED, Status.EXPIRED)


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
