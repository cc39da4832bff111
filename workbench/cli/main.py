"""The commands and their options; what each does stands in the file of its name."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from workbench import __version__
from workbench.cli.connection import SERVER
from workbench.cli.data_app import data_app
from workbench.cli.runs_app import HomeOption, RunArgument, runs_app
from workbench.errors import WorkbenchError
from workbench.field_problems import problems_of

app = typer.Typer(
    name="workbench",
    help="Fine-tune language models with low-rank adapters, in the browser or from here.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="A run config; the page writes one too.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what is wrong goes to standard error as sentences, and the exit status says so."""
    try:
        app(args=list(arguments) if arguments is not None else None, standalone_mode=True)
    except WorkbenchError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(1) from None


def _version(shown: bool) -> None:
    if shown:
        print(f"LoRA Workbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"A workbench on another machine; {SERVER} names it too."),
    ] = None,
) -> None:
    if server is not None:
        os.environ[SERVER] = server


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback needs --login.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 7860,
    home: HomeOption = None,
    login: Annotated[
        str | None, typer.Option(metavar="USER", help="Ask for this user; the password is WORKBENCH_PASSWORD.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A host name of a tunnel or proxy to answer to.")
    ] = None,
    root_path: Annotated[str, typer.Option(help="The path under which a proxy serves the pages.")] = "",
    max_upload: Annotated[str, typer.Option(metavar="SIZE", help="Largest file that may be uploaded.")] = "2GB",
) -> None:
    """Serve the pages and the API."""
    from workbench.cli.serve import login_password, parse_size
    from workbench.cli.serve import serve as start
    from workbench.web import ServeOptions

    options = ServeOptions(
        host=host,
        port=port,
        login=login,
        password=login_password(login),
        allow_hosts=tuple(allow_host or ()),
        root_path=root_path,
        max_upload=parse_size(max_upload),
    )
    start(home, options)


@app.command()
def train(
    config: ConfigArgument,
    home: HomeOption = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and return; it goes on by itself.")] = False,
    name: Annotated[str | None, typer.Option(help="How the run is called in lists.")] = None,
) -> None:
    """Train what a config describes, and watch it."""
    from workbench.cli.runs import train as start

    start(config, home, detach=detach, name=name)


@app.command("find-learning-rate")
def find_learning_rate(
    config: ConfigArgument,
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As data.")] = False,
) -> None:
    """Try learning rates for about a minute, and say which one the curve suggests."""
    from workbench.cli.learning_rate import find_learning_rate as find

    find(config, home, as_json=as_json)


app.add_typer(runs_app, name="runs")
app.add_typer(data_app, name="data")


@app.command()
def stop(run: RunArgument, home: HomeOption = None) -> None:
    """Ask a run to save and stop."""
    from workbench.cli import runs

    runs.stop(run, home)


@app.command()
def resume(
    run: RunArgument,
    home: HomeOption = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and return; it goes on by itself.")] = False,
) -> None:
    """Go on with a run from its newest checkpoint."""
    from workbench.cli import runs

    runs.resume(run, home, detach=detach)


@app.command()
def config(
    out: Annotated[
        Path | None, typer.Argument(metavar="FILE.yaml", help="Where to write it; printed if left out.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Start from this recipe; “workbench recipes” lists them.")] = None,
    opened: Annotated[
        Path | None, typer.Option("--open", metavar="FILE", help="Start from a YAML file or a finetune_configs.json.")
    ] = None,
    pick: Annotated[str | None, typer.Option(help="Which config of a file that holds several.")] = None,
) -> None:
    """Write a run config, each setting with its help text: the defaults, a recipe, or another file's."""
    from workbench.cli.configs import Start, write

    write(out, Start(recipe, opened, pick))


@app.command()
def recipes() -> None:
    """List the recipes to start from, with their sources."""
    from workbench.cli.configs import list_recipes

    list_recipes()


@app.command()
def params(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="A run config; options replace what it says.")
    ] = None,
    home: HomeOption = None,
    model: Annotated[
        str | None, typer.Option(help="package:NAME, hub:org/name, folder:DIR or gguf:FILE; a config.json is enough.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="The method's kind, such as lora or dora.")] = None,
    rank: Annotated[int | None, typer.Option(help="Rank.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Alpha.")] = None,
    targets: Annotated[str | None, typer.Option(help="q_proj,v_proj, or all-linear, or a regular expression.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As data.")] = False,
) -> None:
    """Count exactly what a method would train, without loading any weights."""
    from workbench.cli.params import Overrides
    from workbench.cli.params import params as show

    show(config, Overrides(model, method, rank, alpha, targets), home, as_json=as_json)


@app.command()
def chat(
    home: HomeOption = None,
    base: Annotated[str, typer.Option(help="Base model; the adapters' own if left out.")] = "",
    adapter: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="RUN, RUN@0.5, RUN/checkpoint-200, or an added one.")
    ] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="Ask this and end; may be given more than once.")] = None,
    system: Annotated[str, typer.Option(help="System prompt.")] = "",
    temperature: Annotated[float, typer.Option(help="0 takes the most probable token.", min=0, max=2)] = 0.0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens of this share.", max=1)] = 1.0,
    top_k: Annotated[int, typer.Option(help="Draw from this many likeliest tokens; 0 from all.", min=0)] = 0,
    min_p: Annotated[float, typer.Option(help="Leave out tokens below this share of the first.", min=0, max=1)] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1: what was said is less likely.", max=10)] = 1.0,
    stop: Annotated[list[str] | None, typer.Option(help="End before these words; may be given more than once.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Longest answer.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Same seed, same answer.", min=0)] = 0,
) -> None:
    """Talk to the base model and adapters side by side."""
    from workbench.cli.chat import chat as talk
    from workbench.playground import Sampling

    try:
        sampling = Sampling(
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            stop=tuple(stop or ()),
            max_tokens=max_tokens,
            seed=seed,
        )
    except ValidationError as error:
        raise WorkbenchError.of(problems_of(error)) from error
    talk(home, base=base, adapters=adapter or (), prompts=prompt or (), system=system, sampling=sampling)


@app.command("eval")
def evaluate(
    home: HomeOption = None,
    base: Annotated[str, typer.Option(help="Base model; the adapters' own if left out.")] = "",
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="A run whose adapter is measured; without --dataset on the rows it held out."),
    ] = None,
    adapter: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="An adapter: RUN, RUN@0.5 or RUN/checkpoint-200.")
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="A prompt file, or a dataset: sample:NAME, hub:org/name, an id of the library.")
    ] = "",
    metrics: Annotated[
        str, typer.Option(help="Such as exact_match,token_f1,rouge_l,bleu,chrf,label_accuracy,perplexity.")
    ] = "",
    expression: Annotated[str, typer.Option(help="A regular expression that a right answer contains.")] = "",
    limit: Annotated[int | None, typer.Option(help="So many prompts from the beginning.", min=1)] = None,
    system: Annotated[str, typer.Option(help="System prompt, for prompts that have none.")] = "",
    max_tokens: Annotated[int, typer.Option(help="Longest answer.", min=1)] = 200,
    name: Annotated[str, typer.Option(help="How the batch is called in lists.")] = "",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report there: .md, .csv or .jsonl.")
    ] = None,
) -> None:
    """Measure adapters against their base; the exit status is 2 when some prompts were not answered."""
    from workbench.cli.evaluation import Wanted
    from workbench.cli.evaluation import evaluate as measure

    wanted = Wanted(
        base=base,
        adapters=(*(run or ()), *(adapter or ())),
        dataset=dataset,
        held_out_of=run[0] if run else "",
        metrics=metrics,
        expression=expression,
        limit=limit,
        system=system,
        max_tokens=max_tokens,
        name=name,
        output=output,
    )
    raise typer.Exit(measure(home, wanted))


@app.command()
def key(
    home: HomeOption = None,
    new: Annotated[bool, typer.Option("--new", help="Make another; the old one opens nothing any more.")] = False,
) -> None:
    """Print the API key with which own programs talk to the server's /v1."""
    from workbench.cli.key import key as show

    show(home, new=new)


@app.command()
def demo(home: HomeOption = None) -> None:
    """Train the sample for a minute or two and print both models' answers."""
    from workbench.cli.demo import demo as show

    show(home)


@app.command()
def reindex(home: HomeOption = None) -> None:
    """Rebuild the index from the run folders."""
    from workbench.cli import runs

    runs.reindex(home)


@app.command()
def doctor(home: HomeOption = None) -> None:
    """See what this machine and this home can do, and what to mend."""
    from workbench.cli.doctor import doctor as look

    raise typer.Exit(1 if look(home) else 0)
