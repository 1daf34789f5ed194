"""`tally audit mirror`: a copy of a log out of object storage, for whoever verifies it."""

import sys
from pathlib import Path

import click

from tallystick.audit import offline
from tallystick.cli.audit.group import DAMAGED, audit, existing_file
from tallystick.cli.terminal import tame
from tallystick.terms import TallyError


@audit.command()
@click.argument("url", metavar="S3_URL")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--endpoint", default="", help="URL of the object store (default: AWS).")
@click.option("--region", default="", help="Region of the bucket.")
@click.option("--credentials", type=existing_file, help="File in the form of ~/.aws/credentials.")
def mirror(url: str, directory: Path, endpoint: str, region: str, credentials: Path | None) -> None:
    """Download a log (s3://bucket/prefix/tenant/year) into DIRECTORY, or bring a copy up to date.

    Then `tally audit verify DIRECTORY` needs nothing else. Of everything that never changes the first version is
    taken; what was laid over one is told, and the exit code is 1 then.
    """
    try:
        found = offline.mirror(
            url, directory, endpoint=endpoint, region=region, credentials=str(credentials) if credentials else ""
        )
    except (TallyError, OSError) as error:
        raise click.UsageError(error.message if isinstance(error, TallyError) else str(error)) from error
    click.echo(f"{directory}: {found.objects} objects, {found.fetched} of them new.")
    click.echo(f"Next: tally audit verify {directory}")
    for path in found.laid_over:
        click.echo(f"something was laid over {tame(path)} later; the copy has the first version", err=True)
    sys.exit(DAMAGED if found.laid_over else 0)
