"""The commands below ``runs`` and their options; what each does stands in `runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The workbench's folder; WORKBENCH_HOME names it too.", file_okay=False),
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id; its first letters are enough.")]
QueryOption = Annotated[
    str, typer.Option("--query", "-q", help="Words, status:failed, rank>=8, tag:paper, is:archived, …")
]
SortOption = Annotated[
    str, typer.Option("--sort", metavar="FIELD", help="Order by name, rank, best_eval_loss, …; a minus: largest first.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As data.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="A setting to change: training.learning_rate=1e-4"),
]
NEWEST = "-created"

runs_app = typer.Typer(
    help="List, watch and compare runs; continue, label or delete one.",
    invoke_without_command=True,
    no_args_is_help=False,
)


@runs_app.callback()
def _runs(
    context: typer.Context,
    home: HomeOption = None,
    query: QueryOption = "",
    sort: SortOption = NEWEST,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    context.obj = home
    if context.invoked_subcommand is None:
        from workbench.cli.runs import list_runs

        list_runs(home, query, sort, as_json=as_json)


@runs_app.command("list")
def _list(
    context: typer.Context,
    home: HomeOption = None,
    query: QueryOption = "",
    sort: SortOption = NEWEST,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    from workbench.cli.runs import list_runs

    list_runs(home or context.obj, query, sort, as_json=as_json)


@runs_app.command("show")
def _show(context: typer.Context, run: RunArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show a run's facts and the end of its log."""
    from workbench.cli.runs import show

    show(run, home or context.obj, as_json=as_json)


@runs_app.command("watch")
def _watch(context: typer.Context, run: RunArgument, home: HomeOption = None) -> None:
    """Follow a run to its end, with its curve and a progress bar."""
    from workbench.cli.runs import watch_run

    watch_run(run, home or context.obj)


@runs_app.command("compare")
def _compare(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN…", help="Two or more runs.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put runs beside each other: only the settings in which they differ, and what came of them."""
    from workbench.cli.runs import compare

    compare(runs, home or context.obj, as_json=as_json)


@runs_app.command("continue")
def _continue(
    context: typer.Context,
    run: RunArgument,
    home: HomeOption = None,
    changes: SetOption = None,
    checkpoint: Annotated[str, typer.Option(metavar="NAME", help="Start from this checkpoint, not the newest.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Start it and return; it goes on by itself.")] = False,
) -> None:
    """Start a new run from what this one has learnt, with other settings."""
    from workbench.cli.runs import go_on

    go_on(run, home or context.obj, changes or (), checkpoint, detach=detach)


@runs_app.command("cancel")
def _cancel(context: typer.Context, run: RunArgument, home: HomeOption = None) -> None:
    """End a run this instant, without saving; its checkpoints stay."""
    from workbench.cli.runs import cancel

    cancel(run, home or context.obj)


@runs_app.command("label")
def _label(
    context: typer.Context,
    run: RunArgument,
    home: HomeOption = None,
    name: Annotated[str | None, typer.Option(help="Call it this.")] = None,
    note: Annotated[str | None, typer.Option(help="Say this of it.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Its tags, all of them; may be given more than once.")] = None,
    pin: Annotated[bool | None, typer.Option("--pin/--unpin", help="First in lists, or no longer.")] = None,
    archived: Annotated[bool | None, typer.Option("--archive/--unarchive", help="Listed only when asked for.")] = None,
) -> None:
    """Rename, note, tag, pin or archive a run."""
    from workbench.cli.runs import label

    changes = {"name": name, "note": note, "tags": tag or None, "pin": pin, "archived": archived}
    label(run, home or context.obj, {field: value for field, value in changes.items() if value is not None})


@runs_app.command("delete")
def _delete(
    context: typer.Context,
    run: RunArgument,
    home: HomeOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a run with its adapter, checkpoints and log."""
    from workbench.cli.runs import delete

    delete(run, home or context.obj, sure=yes)
