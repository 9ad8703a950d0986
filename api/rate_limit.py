"""How many requests a caller may make: a bucket of tokens each, in the memory of this process.

Who has a valid token is counted by user; everybody else by address. Answers tell what is left in
the `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers-10).
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.errors import TooManyRequests
from backend.settings import Settings

HEADER, POLICY_HEADER = "RateLimit", "RateLimit-Policy"

_REMEMBERED = 50_000  # callers; a bucket that is forgotten is a full one
_ONE_CUSTOMER = 64  # bits: who has one IPv6 address has a whole network of them


@dataclass(frozen=True, slots=True)
class Policy:
    """`requests` at once, and as many again within each `seconds`."""

    name: str
    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left; `wait` seconds until there is one, `reset` until there are all."""

    policy: Policy
    remaining: int
    wait: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        name = f'"{self.policy.name}"'
        return {
            HEADER: f"{name};r={self.remaining};t={self.reset}",
            POLICY_HEADER: f"{name};q={self.policy.requests};w={self.policy.seconds}",
        }


class Buckets:
    """One bucket for each key, filled again at a steady pace."""

    def __init__(self, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._pace = policy.requests / policy.seconds
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # level, since

    def look(self, key: Hashable) -> Allowance:
        return self._allowance(self._level(key))

    def spend(self, key: Hashable) -> Allowance | None:
        """What is left after this request; None when there was nothing left for it."""
        level = self._level(key)
        if level < 1:
            return None
        self._levels[key] = level - 1, self._clock()
        self._levels.move_to_end(key)
        if len(self._levels) > _REMEMBERED:
            self._levels.popitem(last=False)
        return self._allowance(level - 1)

    def _level(self, key: Hashable) -> float:
        now = self._clock()
        level, since = self._levels.get(key, (self._policy.requests, now))
        return min(self._policy.requests, level + (now - since) * self._pace)

    def _allowance(self, level: float) -> Allowance:
        return Allowance(
            policy=self._policy,
            remaining=math.floor(level),
            wait=max(0, math.ceil((1 - level) / self._pace)),
            reset=math.ceil((self._policy.requests - level) / self._pace),
        )


class RateLimits:
    """Of one process."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        seconds = settings.rate_limit_window_seconds
        callers = Policy("caller", settings.rate_limit_requests, seconds)
        strangers = Policy("address", settings.rate_limit_anonymous_requests, seconds)
        self.callers = Buckets(callers, clock)
        self.strangers = Buckets(strangers, clock)


def spend(request: Request, buckets: Buckets, key: Hashable) -> None:
    """Count this request; `TooManyRequests` when it is one too many."""
    allowance = buckets.spend(key)
    request.state.allowance = allowance or buckets.look(key)
    if allowance is None:
        wait = request.state.allowance.wait
        raise TooManyRequests("Too many requests. Slow down.", retry_after_seconds=wait)


def client_address(request: Request) -> str:
    """The network that the request comes from; the server resolves proxies it trusts."""
    host = "" if request.client is None else request.client.host
    try:
        address = ip_address(host)
    except ValueError:
        return host  # a socket has no address
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, _ONE_CUSTOMER), strict=False))
    return str(address)


class RateLimitHeaders:
    """Middleware: tells every caller, also a refused one, what is left."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def tell(message: Message) -> None:
            allowance = state.get("allowance")
            if message["type"] == "http.response.start" and allowance is not None:
                MutableHeaders(scope=message).update(allowance.headers)
            await send(message)

        await self.app(scope, receive, tell)
