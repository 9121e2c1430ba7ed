"""Reads that are shared: nobody is told what was read before they asked, and a crowd reads twice."""

from __future__ import annotations

import asyncio

import pytest

from signaling.server.together import Together
from tests.virtual.loop import run


class Book:
    def __init__(self) -> None:
        self.page = 0
        self.reads = 0
        self.fails = False

    async def read(self) -> int:
        self.reads += 1
        page = self.page
        await asyncio.sleep(1)
        if self.fails:
            raise OSError("torn out")
        return page


def test_a_crowd_shares_one_read_and_waits_for_none_that_is_too_old() -> None:
    async def story() -> None:
        book = Book()
        together = Together(book.read)
        first = asyncio.create_task(together.ask())
        await asyncio.sleep(0.5)
        book.page = 1
        crowd = [asyncio.create_task(together.ask()) for _ in range(100)]
        assert await first == 0
        assert await asyncio.gather(*crowd) == [1] * 100
        assert book.reads == 2
        book.page = 2
        assert await together.ask() == 2

    run(story())


def test_a_read_that_fails_is_raised_to_all_who_share_it_and_the_next_is_another() -> None:
    async def story() -> None:
        book = Book()
        together = Together(book.read)
        book.fails = True
        crowd = await asyncio.gather(*(together.ask() for _ in range(5)), return_exceptions=True)
        assert all(isinstance(each, OSError) for each in crowd)
        assert book.reads == 2, "one for the first, one for the others"
        book.fails = False
        assert await together.ask() == 0

    run(story())


def test_who_is_cancelled_while_reading_takes_nobody_with_them() -> None:
    async def story() -> None:
        book = Book()
        together = Together(book.read)
        reader = asyncio.create_task(together.ask())
        await asyncio.sleep(0.5)
        others = [asyncio.create_task(together.ask()) for _ in range(4)]
        await asyncio.sleep(0.25)
        for gone in (reader, others.pop(0)):  # who reads, and who reads then
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            await asyncio.sleep(0.25)
        assert await asyncio.gather(*others) == [0, 0, 0]

    run(story())
