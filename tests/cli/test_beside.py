from __future__ import annotations

import asyncio

import pytest

from feed.cli.beside import beside


async def waits() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise ValueError("no terminal")


def test_work_goes_on_until_the_block_has_ended() -> None:
    async def main() -> None:
        began = asyncio.Event()

        async def begin() -> None:
            began.set()
            await waits()

        async with beside([begin(), waits()]):
            await began.wait()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_work_that_fails_ends_the_block_with_its_error() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="no terminal"):
            async with beside([fails(), waits()]):
                await waits()
        assert len(asyncio.all_tasks()) == 1
        await asyncio.sleep(0)  # nothing is left of the cancelling

    asyncio.run(main())


def test_what_ends_the_block_itself_is_its_end() -> None:
    async def main() -> None:
        with pytest.raises(KeyError):
            async with beside([waits()]):
                raise KeyError
        with pytest.raises(asyncio.CancelledError):
            async with beside([waits()]):
                raise asyncio.CancelledError

    asyncio.run(main())
