"""The outputs of a prediction. Their client makes files of what begins with https: or data:, and of nothing else:
over plain HTTP small outputs are in the answer themselves."""

from fastapi import Request

from api.context import Context
from api.desk.pictures import data_uri, origin_of, read_artifact
from forms.pictures import address_of
from jobs.errors import JobNotFound
from jobs.values import Job, Output

_INLINE_BYTES = 5 << 20  # of all outputs of a prediction


async def shown_outputs(request: Request, context: Context, job: Job) -> list[str]:
    origin = origin_of(request)
    inline = not origin.startswith("https:") and sum(output.bytes for output in job.outputs) <= _INLINE_BYTES
    return [await _inline(context, one, origin) if inline else address_of(one, origin) for one in job.outputs]


async def _inline(context: Context, output: Output, origin: str) -> str:
    try:
        return data_uri(output.media_type, await read_artifact(context, output.key))
    except JobNotFound:
        return address_of(output, origin)
