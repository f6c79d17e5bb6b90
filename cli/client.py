"""The HTTP side of the command: one small client, and the refusals it turns into exit codes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import httpx

Document = dict[str, Any]


class Refused(click.ClickException):
    """The server refused, or the action failed. Exit code 1."""

    exit_code = 1


class NoAnswer(Refused):
    """The server is not there, or cannot serve anybody at present."""


class Api:
    """Calls on the API; every refusal becomes a `Refused` that says why."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=httpx.Timeout(70, connect=5))

    def get(self, path: str, **parameters: Any) -> Document:
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._json(self._send("GET", path, params=given))

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Document:
        return self._json(self._send("POST", path, json=body, headers=headers))

    def patch(self, path: str, body: Any) -> Document:
        return self._json(self._send("PATCH", path, json=body))

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def download(self, path: str) -> bytes:
        return self._send("GET", path).content

    def upload(self, path: str, fields: dict[str, str], file: Path) -> Document:
        """Send a form with a file, which is read as it is sent."""
        with file.open("rb") as stream:
            return self._json(self._send("POST", path, data=fields, files={"file": (file.name, stream)}))

    def save(self, path: str, file: Path) -> None:
        """Download into a file, which is there once it is whole."""
        part = file.with_name(f"{file.name}.part")
        with self._translated(), self._http.stream("GET", path) as answer:
            if answer.is_error:
                answer.read()
                raise _refusal(answer)
            with part.open("wb") as stream:
                for chunk in answer.iter_bytes():
                    stream.write(chunk)
        part.replace(file)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._translated():
            answer = self._http.request(method, path, **options)
        if answer.is_error:
            raise _refusal(answer)
        return answer

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as fault:
            raise NoAnswer(
                f"no answer from {self.url}: {fault or type(fault).__name__}\n"
                "Is `safelight up` running? Name another place with --url or SAFELIGHT_URL."
            ) from fault

    @staticmethod
    def _json(answer: httpx.Response) -> Document:
        document: Document = answer.json()
        return document


def _refusal(answer: httpx.Response) -> Refused:
    kind = NoAnswer if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else Refused
    return kind(_reason(answer))


def _reason(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        if isinstance(problem.get("error"), dict):  # as the `openai` client reads it
            return f"{answer.status_code}: {problem['error']['message']}"
        lines = [f"{answer.status_code} {problem['title']}: {problem['detail']}"]
        lines += [f"  {fault['field']}: {fault['detail']}" for fault in problem.get("errors", [])]
        return "\n".join(lines)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        return f"{answer.status_code} from {answer.url}"
