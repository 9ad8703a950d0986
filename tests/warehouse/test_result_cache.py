"""Answers are made once for all who wait, kept within bounds, and forgotten with their source."""

from __future__ import annotations

import asyncio

import pytest

from backend.errors import QueryTimeout
from backend.warehouse.result_cache import ResultCache

GENERATION = "20250310T120000Z-00000000"


class Work:
    """Something that takes until the gate opens; counts how often it was begun and stopped."""

    def __init__(self, answer: bytes = b"answer") -> None:
        self.gate = asyncio.Event()
        self.begun = self.stopped = 0
        self._answer = answer

    async def __call__(self) -> bytes:
        self.begun += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        return self._answer


async def settle() -> None:
    """Everything that can go on without the gate has done so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_equal_questions_at_once_are_answered_once() -> None:
    cache, work = ResultCache(1_000), Work()
    asking = [asyncio.create_task(cache.get("k", GENERATION, work)) for _ in range(20)]
    await settle()
    work.gate.set()
    assert await asyncio.gather(*asking) == [b"answer"] * 20
    assert await cache.get("k", GENERATION, work) == b"answer"
    assert work.begun == 1


async def test_the_first_may_leave_without_the_others_losing_their_answer() -> None:
    cache, work = ResultCache(1_000), Work()
    first, second = (asyncio.create_task(cache.get("k", GENERATION, work)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    work.gate.set()
    assert await second == b"answer"
    assert (work.begun, work.stopped) == (1, 0)


async def test_when_all_have_left_the_work_is_stopped() -> None:
    cache, work = ResultCache(1_000), Work()
    asking = [asyncio.create_task(cache.get("k", GENERATION, work)) for _ in range(3)]
    await settle()
    for task in asking:
        task.cancel()
    again = asyncio.create_task(cache.get("k", GENERATION, work))
    await settle()
    assert (work.begun, work.stopped) == (2, 1)
    work.gate.set()
    assert await again == b"answer"


async def test_an_error_goes_to_all_who_wait_and_is_not_kept() -> None:
    cache = ResultCache(1_000)
    failures = 0

    async def fail() -> bytes:
        nonlocal failures
        failures += 1
        await asyncio.sleep(0)
        raise QueryTimeout("Too slow.")

    answers = await asyncio.gather(
        *(cache.get("k", GENERATION, fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [QueryTimeout] * 3
    with pytest.raises(QueryTimeout):
        await cache.get("k", GENERATION, fail)
    assert failures == 2


async def kept(cache: ResultCache, key: str, size: int, generation: str = GENERATION) -> None:
    work = Work(b"x" * size)
    work.gate.set()
    await cache.get(key, generation, work)


async def test_the_least_recently_used_go_first() -> None:
    cache = ResultCache(3 * 1_500)
    for key in "abc":
        await kept(cache, key, 1_000)
    assert cache.find("a")
    await kept(cache, "d", 1_000)
    assert [key for key in "abcd" if cache.find(key)] == ["a", "c", "d"]


async def test_what_is_larger_than_all_of_it_is_not_kept() -> None:
    cache = ResultCache(2_000)
    await kept(cache, "small", 100)
    await kept(cache, "large", 5_000)
    assert cache.find("large") is None
    assert cache.find("small")


async def test_nothing_is_kept_when_it_is_off_and_still_made_once_at_a_time() -> None:
    cache, work = ResultCache(0), Work()
    asking = [asyncio.create_task(cache.get("k", GENERATION, work)) for _ in range(3)]
    await settle()
    work.gate.set()
    await asyncio.gather(*asking)
    assert work.begun == 1
    await cache.get("k", GENERATION, work)
    assert work.begun == 2


async def test_a_generation_is_forgotten_with_all_of_its_answers() -> None:
    cache = ResultCache(100_000)
    for number in range(4):
        await kept(cache, f"old {number}", 100, "old")
        await kept(cache, f"new {number}", 100, "new")
    cache.drop("old")
    assert [cache.find(f"old {number}") for number in range(4)] == [None] * 4
    assert all(cache.find(f"new {number}") for number in range(4))
    for number in range(200):  # what was dropped no longer counts
        await kept(cache, f"more {number}", 100, "more")
    assert cache.find("more 199")
