from poller.simulator.loop import Loop
from tests.support.simulated import StillClock


def test_timers_ring_in_order_and_can_be_cancelled() -> None:
    clock = StillClock()
    loop = Loop(clock)
    rung: list[str] = []
    loop.at(clock.now + 2, lambda: rung.append("second"))
    loop.at(clock.now + 1, lambda: rung.append("first"))
    loop.at(clock.now + 1, lambda: rung.append("never")).cancel()
    clock.now += 2
    loop.turn()
    assert rung == ["first", "second"]
    loop.close()


def test_waking_calls_and_stopping_ends() -> None:
    loop = Loop(StillClock())
    woken: list[bool] = []
    loop.on_wake = lambda: woken.append(True)
    loop.wake()
    loop.stop()
    loop.turn()
    loop.run()
    assert woken == [True]
    loop.close()
    loop.wake()
