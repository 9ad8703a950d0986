"""Places are shared out fairly: nobody waits for one caller's many questions."""

from __future__ import annotations

import asyncio

from backend.warehouse.slots import Slots


class Line:
    """Callers who each do something in a place, and the order in which they got it."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.served: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def join(self, *callers: str | None) -> None:
        for caller in callers:
            self.tasks.append(asyncio.create_task(self._take(caller)))
            await asyncio.sleep(0)  # until it has the place, or waits

    async def leave(self, caller: str | None) -> None:
        self.slots.give_back(caller)
        await asyncio.sleep(0)

    async def _take(self, caller: str | None) -> None:
        await self.slots.take(caller)
        self.served.append(str(caller))


async def test_a_caller_has_so_many_and_no_more() -> None:
    line = Line(Slots(4, each=2))
    await line.join("a", "a", "a", "b")
    assert line.served == ["a", "a", "b"]
    await line.leave("b")
    assert line.served == ["a", "a", "b"]  # the free place is not for a
    await line.leave("a")
    assert line.served == ["a", "a", "b", "a"]


async def test_callers_who_wait_take_turns() -> None:
    line = Line(Slots(1, each=1))
    await line.join("x", "a", "a", "a", "b", "c")
    for caller in ("x", "a", "b", "c", "a"):
        await line.leave(caller)
    assert line.served == ["x", "a", "b", "c", "a", "a"]


async def test_nobody_in_particular_has_no_limit() -> None:
    line = Line(Slots(3, each=1))
    await line.join(None, None, None, "a")
    assert line.served == ["None", "None", "None"]
    await line.leave(None)
    assert line.served[-1] == "a"


async def test_who_gives_up_waiting_keeps_nobody_waiting() -> None:
    line = Line(Slots(1, each=1))
    await line.join("x", "a", "b")
    line.tasks[1].cancel()
    await asyncio.sleep(0)
    await line.leave("x")
    assert line.served == ["x", "b"]


async def test_a_place_given_to_who_gives_up_at_that_moment_goes_on() -> None:
    line = Line(Slots(1, each=1))
    await line.join("x", "a", "b")
    line.slots.give_back("x")  # it is a's now, who does not know yet
    line.tasks[1].cancel()
    await asyncio.gather(*line.tasks[1:2], return_exceptions=True)
    await asyncio.sleep(0)
    assert line.served == ["x", "b"]


async def test_all_places_come_back_however_callers_come_and_go() -> None:
    slots = Slots(2, each=1)
    line = Line(slots)
    await line.join(*"abcabcabc")
    for task in line.tasks[3::2]:
        task.cancel()
    while True:
        line.tasks = [task for task in line.tasks if not task.done()]
        served, line.served = line.served, []
        if not served:
            break
        for caller in served:
            await line.leave(caller)
    assert not line.tasks
    await line.join("y", "z")
    assert line.served == ["y", "z"]
