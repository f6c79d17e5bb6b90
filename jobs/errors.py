"""Every error Safelight raises on purpose. The docstring is the default message."""


class SafelightError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class JobNotFound(SafelightError):
    """No such job."""


class GroupNotFound(SafelightError):
    """No such group."""


class Conflict(SafelightError):
    """The job is in a state that does not allow this."""


class IdempotencyConflict(Conflict):
    """This Idempotency-Key was used before with another body."""


class InvalidInput(SafelightError):
    """The request is not valid."""

    def __init__(self, message: str | None = None, faults: "list[FieldFault] | None" = None) -> None:
        super().__init__(message)
        self.faults = faults or []

    @property
    def told(self) -> str:
        """With every fault, on one line."""
        return " ".join([str(self), *map(str, self.faults)])


class FieldFault(SafelightError):
    """One field of a request is wrong."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field, self.detail = field, detail


class UploadNotFound(SafelightError):
    """No such upload."""


class DeliveryNotFound(SafelightError):
    """No such delivery."""


class FileMissing(SafelightError):
    """No such file."""


class BatchNotFound(SafelightError):
    """No such batch."""


class UnsupportedMedia(SafelightError):
    """This server takes no media of this type."""


class StorageFull(SafelightError):
    """There is no room left to store this."""


class ScheduleNotFound(SafelightError):
    """No such schedule."""


class TriggerNotFound(SafelightError):
    """No such trigger."""


class RuleNotFound(SafelightError):
    """No such rule."""


class AliasNotFound(SafelightError):
    """No such alias."""


class ModelNotFound(SafelightError):
    """No such model in the catalog."""


class StoreUnavailable(SafelightError):
    """The database does not answer."""


class Interrupted(SafelightError):
    """Nobody waits for this batch any more: every member was canceled, lost or handed back."""


class ModelFault(SafelightError):
    """The model could not do what the job asked."""

    code = "model_error"
    retryable = True


class OutOfMemory(ModelFault):
    """The device ran out of memory."""

    code = "out_of_memory"


class ModelUnavailable(ModelFault):
    """The model cannot be loaded here."""

    code = "model_unavailable"


class ModelUnknown(ModelFault):
    """This worker's catalog has no such model."""

    code = "model_unknown"
    retryable = False


class InputGone(ModelFault):
    """A media input was deleted before the job ran."""

    code = "input_gone"
    retryable = False


class InputUnfit(ModelFault):
    """A media input is of a type that the model does not take."""

    code = "invalid_media"
    retryable = False


class UnusableInput(ModelFault):
    """The model can make nothing of this input."""

    code = "unusable_input"
    retryable = False


class InvalidMedia(UnusableInput):
    """A media input cannot be read."""

    code = "invalid_media"
