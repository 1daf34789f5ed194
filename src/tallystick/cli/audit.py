import click


@click.group()
def audit() -> None:
    """Read the record."""
