"""The commands ``data check`` and ``data show`` and their options; what they do stands in `data`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(help="Check a file of rows; look at one of them.", no_args_is_help=True)


class TrainOn(StrEnum):
    """Which tokens the loss counts."""

    ASSISTANT = "assistant"
    LAST = "last"
    ALL = "all"


class ChatTemplate(StrEnum):
    """How turns become text."""

    AUTO = "auto"
    PLAIN = "plain"
    CHATML = "chatml"
    COLON = "colon"
    BARE = "bare"


FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="JSONL, a JSON list, CSV, TSV or Parquet; gzipped too.", dir_okay=False)
]
HomeOption = Annotated[Path | None, typer.Option("--home", help="The workbench's folder.", file_okay=False)]
FormatOption = Annotated[
    str | None, typer.Option("--format", metavar="KIND", help="Read the rows as this format instead of the recognised.")
]
AnswerOption = Annotated[str, typer.Option(metavar="COLUMN", help="The column of the answer, in rows of no format.")]
QuestionOption = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="A column of the question; may be given more than once.")
]
LengthOption = Annotated[int, typer.Option(help="Longest row in tokens.", min=8)]
TrainOnOption = Annotated[TrainOn, typer.Option(help="Which tokens the loss counts.")]
TemplateOption = Annotated[
    ChatTemplate, typer.Option(help="How turns become text; auto takes the base model's own, or plain without one.")
]


@data_app.command()
def check(
    file: FileArgument,
    home: HomeOption = None,
    format: FormatOption = None,
    answer: AnswerOption = "",
    question: QuestionOption = None,
    model: Annotated[
        str | None, typer.Option(help="Also count its tokens, as a run with this base model would.")
    ] = None,
    max_length: LengthOption = 512,
    train_on: TrainOnOption = TrainOn.ASSISTANT,
    chat_template: TemplateOption = ChatTemplate.AUTO,
    refused: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the rows that cannot be used to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As data.")] = False,
) -> None:
    """Say what a file holds and everything that is wrong with it; exit 1 when a row or the file cannot be used."""
    from workbench.cli.data import Settings, check_file, layout_from

    layout = layout_from(format, answer, question or ())
    settings = Settings(home, model, max_length, train_on.value, chat_template.value) if model else None
    raise typer.Exit(0 if check_file(file, layout, settings, refused=refused, as_json=as_json) else 1)


@data_app.command()
def show(
    file: FileArgument,
    row: Annotated[int, typer.Option("--row", help="Number of the row, as a check counts them.", min=1)] = 1,
    home: HomeOption = None,
    format: FormatOption = None,
    answer: AnswerOption = "",
    question: QuestionOption = None,
    model: Annotated[str, typer.Option(help="The base model whose template and tokens are shown.")] = "",
    max_length: LengthOption = 512,
    train_on: TrainOnOption = TrainOn.ASSISTANT,
    chat_template: TemplateOption = ChatTemplate.AUTO,
) -> None:
    """Print one row as the model will see it: what is trained in green, what is cut off in red."""
    from workbench.cli.data import Settings, layout_from, show_row
    from workbench.config import RunConfig

    reference = model or str(RunConfig.model_fields["base_model"].default)
    settings = Settings(home, reference, max_length, train_on.value, chat_template.value)
    show_row(file, row, layout_from(format, answer, question or ()), settings)
