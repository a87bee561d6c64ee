"""``python -m bench.stack``: starts the stack, breaks it, judges it, removes it; exit code 1 if it failed."""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from bench.stack.front_door import FrontDoor
from bench.stack.judging import judge
from bench.stack.stack import BASE_IMAGE, IMAGE, Stack, StackError, inspected
from bench.stack.story import Story

MEGABYTE = 1_000_000
LARGEST = 250
"""Megabytes the image may be above its base."""

app = typer.Typer(add_completion=False)


@app.command()
def main(
    compose: Annotated[str, typer.Option(help="The compose command.")] = "docker compose",
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running afterwards.")] = False,
) -> None:
    """Drive an applicant to access through docker-compose.yml while its parts are killed."""
    with tempfile.TemporaryDirectory(prefix="onboarding-stack-") as folder:
        stack = Stack(compose, Path(folder))
        try:
            _run(stack)
        except StackError as error:
            typer.echo(f"FAILED: {error}", err=True)
            raise typer.Exit(1) from None
        finally:
            if not keep:
                stack.down()


def _run(stack: Stack) -> None:
    began = time.monotonic()
    # What a run before this one left.
    stack.down()
    stack.up()
    typer.echo(f"up    everything built, started and healthy after {time.monotonic() - began:.0f} s")
    above = (inspected(IMAGE)["Size"] - inspected(BASE_IMAGE)["Size"]) / MEGABYTE
    typer.echo(f"image {above:.0f} MB above {BASE_IMAGE}")
    if above > LARGEST:
        raise StackError(f"the image is more than {LARGEST} MB above its base")
    door = FrontDoor(stack)
    secret = Story(stack, door, typer.echo).play()
    judge(stack, door, secret, typer.echo)
    typer.echo(f"ok    after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    app()
