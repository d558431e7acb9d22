"""Waiting for conditions."""

import asyncio
import time

#: On a machine that is busy with other tests, MLS in an unoptimised build takes its time.
PATIENCE_SECONDS = 30
POLL_SECONDS = 0.005


async def until(condition, what, tasks=()):
    """Answers what `condition` answers, as soon as that is something. Fails when one of the tasks has."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (result := condition()):
        for task in tasks:
            if task.done():
                task.result()
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain until {what}")
        await asyncio.sleep(POLL_SECONDS)
    return result
