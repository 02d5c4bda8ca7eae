"""placeholder until the independent reader lands"""

import typer


def fsck() -> None:
    raise typer.Exit(2)
