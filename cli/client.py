"""The HTTP side of the command: one small client, and the refusals it turns into exit codes."""

import json
from typing import Any

import click
import httpx

Document = dict[str, Any]


class Refused(click.ClickException):
    """The server refused, or the action failed. Exit code 1."""

    exit_code = 1


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

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def download(self, path: str) -> bytes:
        return self._send("GET", path).content

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as fault:
            raise Refused(
                f"no answer from {self.url}: {fault or type(fault).__name__}\n"
                "Is `safelight up` running? Name another place with --url or SAFELIGHT_URL."
            ) from fault
        if answer.is_error:
            raise Refused(_reason(answer))
        return answer

    @staticmethod
    def _json(answer: httpx.Response) -> Document:
        document: Document = answer.json()
        return document


def _reason(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        lines = [f"{answer.status_code} {problem['title']}: {problem['detail']}"]
        lines += [f"  {fault['field']}: {fault['detail']}" for fault in problem.get("errors", [])]
        return "\n".join(lines)
    except (json.JSONDecodeError, KeyError, TypeError):
        return f"{answer.status_code} from {answer.url}"
