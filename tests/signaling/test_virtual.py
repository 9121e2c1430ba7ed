"""The tools of the tests themselves: the virtual clock and the virtual network."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.virtual.loop import NothingToDoError, TookTooLongError, VirtualLoop, run
from tests.virtual.network import Address, Burst, Impairment, Network

ONE, TWO = ("10.0.0.1", 1), ("10.0.0.2", 2)


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: list[tuple[float, bytes, Address]] = []
        self.errors: list[Exception] = []
        self.lost = False

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.received.append((asyncio.get_running_loop().time(), data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def test_sleeping_takes_no_time() -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await asyncio.sleep(3600)
        async with asyncio.timeout(50):
            await asyncio.sleep(10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(10)
        return loop.time() - begin

    real = time.monotonic()
    assert run(story()) == pytest.approx(3615)
    assert time.monotonic() - real < 5


def test_timers_run_in_order_of_their_time() -> None:
    async def story() -> list[int]:
        loop = asyncio.get_running_loop()
        ran: list[int] = []
        for delay in (3, 1, 2, 5, 4):
            loop.call_later(delay, ran.append, delay)
        await asyncio.sleep(10)
        return ran

    assert run(story()) == [1, 2, 3, 4, 5]


def test_a_program_that_would_hang_fails_at_once() -> None:
    async def story() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingToDoError):
        run(story())


def test_time_without_end_fails() -> None:
    async def story() -> None:
        for _ in range(1000):
            await asyncio.sleep(1)

    with pytest.raises(TookTooLongError):
        run(story(), limit_s=100)


def test_an_exception_in_a_callback_fails_the_run() -> None:
    async def story() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(ZeroDivisionError):
        run(story())


def test_threads_are_awaited_in_real_time() -> None:
    async def story() -> tuple[float, str]:
        loop = asyncio.get_running_loop()
        late = loop.create_future()
        loop.call_later(60, late.set_result, "too late")
        begin = loop.time()
        released = threading.Event()
        answer = loop.run_in_executor(None, lambda: released.wait(5) and "done")
        threading.Timer(0.05, released.set).start()
        return loop.time() - begin, await answer  # type: ignore[return-value]

    assert run(story()) == (0.0, "done")


def test_the_hook_holds_the_clock_while_a_thread_works() -> None:
    busy = threading.Event()

    async def story() -> float:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        loop.call_later(60, lambda: None)
        begin = loop.time()
        busy.set()

        def work() -> None:
            loop.call_soon_threadsafe(future.set_result, None)

        thread = threading.Timer(0.05, work)
        thread.start()
        await future
        busy.clear()
        thread.join()
        return loop.time() - begin

    assert run(story(), external_busy=busy.is_set) == 0.0


def test_a_thread_that_never_ends_fails() -> None:
    loop = VirtualLoop(lambda: True, real_limit_s=0.05)
    try:
        with pytest.raises(TookTooLongError):
            loop.run_until_complete(asyncio.sleep(1))
    finally:
        loop.external_busy = lambda: False
        loop.run_until_complete(asyncio.sleep(2))
        loop.close()


async def send(network: Network, count: int, gap_s: float = 0.02) -> list[tuple[float, int]]:
    """Send numbered datagrams from one host to another; when each arrived after the first was sent."""
    _, inbox = await network.open(Inbox, local=TWO)
    sender, _ = await network.open(Inbox, local=ONE)
    begin = asyncio.get_running_loop().time()
    for number in range(count):
        sender.sendto(number.to_bytes(2, "big"), TWO)
        await asyncio.sleep(gap_s)
    await asyncio.sleep(1)
    assert isinstance(inbox, Inbox)
    return [(at - begin, int.from_bytes(data, "big")) for at, data, _ in inbox.received]


def test_plain_delay() -> None:
    arrived = run(send(Network(impairment=Impairment(delay_s=0.5)), 3))
    assert [number for _, number in arrived] == [0, 1, 2]
    assert [at for at, _ in arrived] == pytest.approx([0.5, 0.52, 0.54])


def test_loss_jitter_duplicates_and_reordering() -> None:
    network = Network(4, Impairment(loss=0.1, jitter_s=0.05, duplicate=0.1, reorder=0.1, reorder_delay_s=0.1))
    numbers = [number for _, number in run(send(network, 1000))]
    stats = network.direction(ONE[0], TWO[0]).stats
    assert 70 <= stats.lost <= 130
    assert 70 <= stats.duplicated <= 130
    assert stats.reordered > 70
    assert len(numbers) == stats.delivered == 1000 - stats.lost + stats.duplicated
    assert len(set(numbers)) == 1000 - stats.lost
    assert numbers != sorted(numbers)


def test_jitter_alone_keeps_the_order() -> None:
    arrived = run(send(Network(4, Impairment(jitter_s=0.2)), 200))
    numbers = [number for _, number in arrived]
    assert numbers == list(range(200))
    delays = [at - 0.02 * number for at, number in arrived]
    assert max(delays) - min(delays) > 0.1


def test_bursts_lose_neighbours() -> None:
    network = Network(9, Impairment(burst=Burst(begin=0.02, end=0.25)))
    numbers = {number for _, number in run(send(network, 2000))}
    lost = [number for number in range(2000) if number not in numbers]
    neighbours = sum(number + 1 in set(lost) for number in lost)
    assert 80 <= len(lost) <= 240  # 7.4 % on average
    assert neighbours / len(lost) > 0.6  # independent loss would give 0.074


def test_the_same_seed_gives_the_same_story_and_another_another() -> None:
    rules = Impairment(loss=0.2, jitter_s=0.03, reorder=0.1)
    first = run(send(Network(1, rules), 200))
    assert first == run(send(Network(1, rules), 200))
    assert first != run(send(Network(2, rules), 200))


def test_cut_heal_and_oversize() -> None:
    async def story() -> None:
        network = Network()
        _, inbox = await network.open(Inbox, local=TWO)
        sender, _ = await network.open(Inbox, local=ONE)
        for data in (b"a", b"b", b"c", bytes(1473), bytes(1472)):
            if data == b"b":
                network.cut(ONE[0], TWO[0])
            else:
                network.heal(ONE[0], TWO[0])
            sender.sendto(data, TWO)
            await asyncio.sleep(0.1)
        assert isinstance(inbox, Inbox)
        assert [data for _, data, _ in inbox.received] == [b"a", b"c", bytes(1472)]
        stats = network.direction(ONE[0], TWO[0]).stats
        assert (stats.cut, stats.too_large, stats.sent) == (1, 1, 5)

    run(story())


def test_sockets_behave_like_sockets() -> None:
    async def story() -> None:
        network = Network()
        sender, protocol = await network.open(Inbox, local="10.0.0.1", remote=TWO)
        assert isinstance(protocol, Inbox)
        assert sender.get_extra_info("sockname")[0] == "10.0.0.1"
        sender.sendto(b"nobody")
        await asyncio.sleep(1)
        assert [type(error) for error in protocol.errors] == [ConnectionRefusedError]
        _, inbox = await network.open(Inbox, local=TWO)
        assert isinstance(inbox, Inbox)
        sender.sendto(b"hello")
        await asyncio.sleep(1)
        assert inbox.received[0][1:] == (b"hello", sender.address)
        with pytest.raises(OSError, match="in use"):
            await network.open(Inbox, local=TWO)
        sender.close()
        sender.sendto(b"after the end")
        await asyncio.sleep(1)
        assert protocol.lost
        assert len(inbox.received) == 1

    run(story())
