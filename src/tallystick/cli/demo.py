"""`tally demo`: the main job on real servers."""

import click


@click.command()
def demo() -> None:
    """Run the demo bank through the gateway."""
