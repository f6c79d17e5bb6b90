"""What a client may say of a template: a job, or a group, with places in it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobs.errors import FieldFault, InvalidInput

Body = Annotated[
    dict[str, Any] | None, Field(description="As POST /v1/jobs takes it, with places such as `${…}` in any text")
]
Group = Annotated[dict[str, Any] | None, Field(description="As POST /v1/groups takes it, likewise; instead of `job`")]


class TemplateRequest(BaseModel):
    """One of both."""

    model_config = ConfigDict(extra="forbid", strict=True)

    job: Body = None
    group: Group = None

    @model_validator(mode="after")
    def _one(self) -> "TemplateRequest":
        if (self.job is None) == (self.group is None):
            raise ValueError("name either a job or a group")
        return self

    @property
    def template(self) -> dict[str, Any]:
        return {"job": self.job} if self.group is None else {"group": self.group}


def take_template(given: dict[str, Any], complaint: str) -> None:
    """Of the fields of a change: a job or a group becomes the template. Raises: InvalidInput, for both."""
    parts = {name: given.pop(name) for name in ("job", "group") if name in given}
    if len(parts) > 1:
        raise InvalidInput(complaint, [FieldFault("group", "Name either a job or a group.")])
    if parts:
        given["template"] = parts
