"""Commands that take an index into one file, check that file, and put it back."""

from pathlib import Path
from typing import Annotated

import typer

from kb.backup import Manifest, check_backup
from kb.backup import backup as take
from kb.backup import restore as put_back
from kb.cli.common import AsJson, Index, app, err, note_change, settings_for, write_json
from kb.progress import Counts
from kb.show import out


@app.command()
def backup(
    file: Annotated[
        Path, typer.Argument(help="File to write, such as kb-2024-05-01.zip; one that is there is replaced.")
    ],
    check: Annotated[bool, typer.Option("--check", help="Only check a backup that is there.")] = False,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Write the index into one file with checksums, while others search and ingest.

    kb backup /backups/kb.zip

    It holds the reports' text, vectors and tags, corrections, adapted models, uploads and saved questions of one
    moment; the reports themselves only where they were uploaded. Keys and jobs of a server stay out.
    """
    with Counts(err) as counts:
        if check:
            manifest = check_backup(file, counts.of("checking"))
        else:
            manifest = take(settings_for(index), file, counts.of("copying"), counts.of("packing"))
    if as_json:
        write_json({"file": str(file), **told(manifest)})
    else:
        what = "is whole" if check else f"written, {file.stat().st_size / 1e6:,.1f} MB"
        out.print(f"{file} {what}: {words(manifest)}", highlight=False, soft_wrap=True, markup=False)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File that kb backup wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Over the index that is there, which is lost.")] = False,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Make the index as it was when the backup was taken; everything is checked first.

    kb restore /backups/kb.zip --index restored

    A server that runs over the index shows the restored state without a restart.
    """
    settings = settings_for(index)
    with Counts(err) as counts:
        restored = put_back(settings, file, replace, counts.of("checking"), counts.of("unpacking"))
    manifest, overrides = restored.manifest, restored.overrides
    note_change(settings, "restore", file=file.name, generation=restored.generation)
    if as_json:
        place = str(overrides) if overrides else None
        write_json({"index": str(settings.index), **told(manifest), "now": restored.generation, "overrides": place})
        return
    out.print(f"{settings.index} restored: {words(manifest)}", highlight=False, soft_wrap=True, markup=False)
    if overrides and overrides.resolve() != settings.overrides.resolve():
        err.print(
            f"{settings.overrides} has other corrections and stays; those of the backup are in {overrides}",
            style="yellow",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )


def told(manifest: Manifest) -> dict[str, object]:
    """A manifest for scripts."""
    return manifest.model_dump(by_alias=True, exclude={"members"}) | {"files": len(manifest.members)}


def words(manifest: Manifest) -> str:
    """A manifest in words."""
    counted = f"{manifest.documents} reports, {manifest.passages:,} passages"
    return f"{counted}, generation {manifest.generation} of {manifest.made}, kb {manifest.kb}"
