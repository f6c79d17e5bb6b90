"""What a device was found to bear: how many outputs of a shape fit into one batch of a model. Learnt from what ran
and what ran out of memory, for as long as the process lives. Pure."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

_KINDS = 1024  # of batches that are remembered; clients choose their shapes


@dataclass(frozen=True, slots=True)
class _Learnt:
    worked: int = 0  # the largest that did
    failed: int | None = None  # the smallest that did not


class Capacities:
    """By kind of batch: model and shape, on the one device of this process. Owned by one thread."""

    def __init__(self) -> None:
        self._learnt: OrderedDict[Hashable, _Learnt] = OrderedDict()

    def most(self, kind: Hashable) -> int | None:
        """The outputs to try at most, 1 at least; None while nothing failed. Where nothing worked yet, half of
        what failed."""
        learnt = self._learnt.get(kind)
        if learnt is None or learnt.failed is None:
            return None
        return max(1, learnt.worked or learnt.failed // 2)

    def note_worked(self, kind: Hashable, outputs: int) -> None:
        """More than once failed may work now: other models had the memory then."""
        before = self._learnt.get(kind, _Learnt())
        still = before.failed if before.failed is not None and before.failed > outputs else None
        self._keep(kind, _Learnt(max(before.worked, outputs), still))

    def note_failed(self, kind: Hashable, outputs: int) -> None:
        before = self._learnt.get(kind, _Learnt())
        failed = outputs if before.failed is None else min(before.failed, outputs)
        self._keep(kind, _Learnt(before.worked if before.worked < failed else 0, failed))

    def _keep(self, kind: Hashable, learnt: _Learnt) -> None:
        self._learnt[kind] = learnt
        self._learnt.move_to_end(kind)
        if len(self._learnt) > _KINDS:
            self._learnt.popitem(last=False)
