"""The engine's refusals on the wire: OpenAI's error object, with the remedy beside it, and back again."""

from __future__ import annotations

from pydantic import ValidationError

from workbench.errors import WorkbenchError
from workbench.field_problems import problems_of
from workbench.protocol.chat import ErrorAnswer, ErrorDetail


def error_answer(error: WorkbenchError) -> ErrorAnswer:
    """`error` as a client of OpenAI's protocol reads it."""
    first = error.problems[0]
    rest = [str(problem) for problem in error.problems[1:]]
    remedy = next((problem.remedy for problem in error.problems if problem.remedy), "")
    return ErrorAnswer(error=ErrorDetail(message=" ".join([first.message, *rest]), param=first.field, remedy=remedy))


def error_from(body: bytes | str, status: int) -> WorkbenchError:
    """The `WorkbenchError` that an error body tells of; bodies of other servers are understood as far as they go."""
    try:
        detail = _detail(body)
    except ValidationError:
        text = body if isinstance(body, str) else body.decode("utf-8", "replace")
        return WorkbenchError(f"The endpoint answered {status}: {text[:300]}", remedy="Look into its log.")
    return WorkbenchError(detail.message, remedy=detail.remedy, field=detail.param)


def _detail(body: bytes | str) -> ErrorDetail:
    """OpenAI's error object, nested as OpenAI and vLLM send it, or flat as SGLang does."""
    try:
        return ErrorAnswer.model_validate_json(body).error
    except ValidationError:
        return ErrorDetail.model_validate_json(body)


def invalid(error: ValidationError) -> WorkbenchError:
    """A request that does not have the form it should."""
    return WorkbenchError.of(problems_of(error))
