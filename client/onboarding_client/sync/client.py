"""The client that waits, written by `make generate` from the one for asyncio."""

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from pydantic import ValidationError

from onboarding_client.answers import Joined
from onboarding_client.errors import AGAIN, NoAnswerError, OnboardingError, RefusedError, failure_of
from onboarding_client.events import EventReader
from onboarding_client.models import Status, StreamedEvent
from onboarding_client.requests import (
    KEY,
    TIMEOUT,
    Answer,
    Options,
    Token,
    auth_of,
    given,
    parsed,
    pause,
    told,
)
from onboarding_client.sync.calls import Calls


class OnboardingClient(Calls):
    """The API of one service, for one caller; to be closed, or used with ``with``.

    Every method raises `RefusedError` for a refusal and `NoAnswerError` where no answer came. What may
    succeed later (429, 503, no connection) is tried again for ``retry_for`` seconds, after the time the
    service names (``Retry-After``), a command under the same ``Idempotency-Key``.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        retry_for: float = 60,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``url``: where the service is, without ``/api``; ``transport``: another way there, as for tests."""
        self._retry_for = retry_for
        self._http = httpx.Client(
            base_url=url, auth=auth_of(token), timeout=TIMEOUT, transport=transport, follow_redirects=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        repeatable: bool = True,
    ) -> httpx.Response:
        """Any call of the API, by its whole path; what the typed methods are made of.

        ``repeatable``: sending it twice does no more than sending it once.
        """
        until, attempt = time.monotonic() + self._retry_for, 0
        while True:
            attempt += 1
            failure: OnboardingError
            try:
                response = self._http.request(method, path, params=query, headers=headers, json=body)
            except httpx.TransportError as error:
                failure = NoAnswerError(f"{self._http.base_url} does not answer: {told(error)}")
                again = repeatable
            else:
                if response.is_success:
                    return response
                failure = failure_of(response)
                again = response.status_code in AGAIN and (repeatable or response.status_code == 429)
            rest = pause(attempt, getattr(failure, "retry_after", None))
            if not again or time.monotonic() + rest > until:
                failure.idempotency_key = (headers or {}).get(KEY)
                raise failure
            time.sleep(rest)

    def _events(self, path: str, query: Mapping[str, Any], last: str | None) -> Iterator[StreamedEvent]:
        asked = given(query)
        until, attempt = time.monotonic() + self._retry_for, 0
        while True:
            headers = {"Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": last})
            failure: OnboardingError
            try:
                with self._http.stream("GET", path, params=asked, headers=headers) as response:
                    if not response.is_success:
                        response.read()
                        raise failure_of(response)
                    reader = EventReader(last)
                    for chunk in response.iter_bytes():
                        attempt, until = 0, time.monotonic() + self._retry_for
                        for data in reader.read(chunk):
                            last = reader.last_id
                            yield StreamedEvent.model_validate_json(data)
                        last = reader.last_id
                # A stream ends where the process at its other end stops; another goes on.
                failure = NoAnswerError(f"{self._http.base_url} ended the stream of events.")
            except httpx.TransportError as error:
                failure = NoAnswerError(f"{self._http.base_url} does not answer: {told(error)}")
            except RefusedError as error:
                if error.status not in AGAIN:
                    raise
                failure = error
            except ValidationError as error:
                raise NoAnswerError(
                    f"An event that this release of onboarding-client can't read: {error}"
                ) from None
            attempt += 1
            rest = pause(attempt, getattr(failure, "retry_after", None))
            if time.monotonic() + rest > until:
                raise failure
            time.sleep(rest)

    def _read(self, path: str, answer: type[Answer], query: Mapping[str, Any]) -> Answer:
        return parsed(answer, self.request("GET", path, query=given(query)))

    def _command(
        self, path: str, answer: type[Answer], fields: Mapping[str, Any], options: Options
    ) -> Answer:
        key, sequence = options.pop("idempotency_key", None), options.pop("if_sequence", None)
        headers = {KEY: str(uuid4()) if key is None else key}
        if sequence is not None:
            headers["If-Match"] = f'"{sequence}"'
        body = given({**fields, **options})
        return parsed(answer, self.request("POST", path, headers=headers, body=body))

    def _call(
        self,
        method: str,
        path: str,
        answer: type[Answer],
        fields: Mapping[str, Any] | None = None,
    ) -> Answer:
        body = None if fields is None else given(fields)
        return parsed(answer, self.request(method, path, body=body, repeatable=method == "DELETE"))

    def _join(self, path: str, fields: Mapping[str, Any]) -> Joined:
        response = self.request("POST", path, body=given(fields))
        return Joined(started=response.status_code == 201, status=parsed(Status, response))
