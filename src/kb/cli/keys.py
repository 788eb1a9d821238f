"""Commands on the keys of the API."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from kb.cli.common import AsJson, Index, app, err, note_change, settings_for, write_json
from kb.keys import Key, KeyRing, Role
from kb.show import out

commands = typer.Typer(no_args_is_help=True, help="Keys for the API: who may read, write, administer.")
app.add_typer(commands, name="key")


@commands.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is, as logs are to call it.")],
    role: Annotated[Role, typer.Option(help="What it may do; each includes the one before.")] = Role.READ,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Make a key. It is shown this once, and cannot be shown again."""
    settings = settings_for(index)
    key, secret = KeyRing(settings.index).add(name, role)
    if as_json:
        write_json(asdict(key) | {"secret": secret})
    else:
        err.print(f"key {key.id} of {name}, role {role.value}; keep it, it is not shown again:", highlight=False)
        out.print(secret, highlight=False, markup=False, soft_wrap=True)
    note_change(settings, "key add", key=key.id, name=key.name, role=key.role)


@commands.command("list")
def list_keys(as_json: AsJson = False, index: Index = None) -> None:
    """The keys that there are, and the day on which each was last used."""
    keys = KeyRing(settings_for(index).index).all()
    if as_json:
        for key in keys:
            write_json(asdict(key))
        return
    table = Table("id", "name", "role", "created", "last used", "revoked", box=None)
    for key in keys:
        table.add_row(key.id, key.name, key.role, key.created[:10], key.used or "never", key.revoked[:10])
    out.print(table)


@commands.command()
def revoke(
    wanted: Annotated[str, typer.Argument(metavar="NAME|ID", help="Name or id of a key; see kb key list.")],
    index: Index = None,
) -> None:
    """End a key, from the next request on, and the sessions that were begun with it."""
    settings = settings_for(index)
    key: Key = KeyRing(settings.index).revoke(wanted)
    out.print(f"revoked key {key.id} of {key.name}", highlight=False, markup=False)
    note_change(settings, "key revoke", key=key.id, name=key.name, role=key.role)
