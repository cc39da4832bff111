"""What is trained of a row: exactly the answers and the tokens that end them, whatever the template does."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from template_families import (
    CHATML,
    FAMILIES,
    GEMMA,
    GEMMA_STRICT,
    GENERATION,
    HARMONY,
    LLAMA,
    MISTRAL,
    QWEN3,
    TOOLS,
    Family,
    tokenizer_of,
)

from workbench.data import TEMPLATES, Encoded, encode, encode_all, render, tokens_report
from workbench.errors import WorkbenchError
from workbench.formats import FORMATS
from workbench.records.datasets import Conversation, Message

Role = Literal["system", "user", "assistant", "tool"]


def chat(*turns: tuple[Role, str], line: int = 1) -> Conversation:
    return Conversation(line=line, messages=tuple(Message(role=role, content=content) for role, content in turns))


def trained_parts(encoded: Encoded, tokenizer: Any) -> list[str]:
    """The text of each unbroken run of trained tokens."""
    runs = groupby(zip(encoded.input_ids, encoded.trained, strict=True), key=lambda token: token[1])
    return [tokenizer.decode([token for token, _ in run]) for trained, run in runs if trained]


def answers(conversation: Conversation, tokenizer: Any, train_on: Literal["assistant", "last", "all"]) -> list[str]:
    return trained_parts(encode(conversation, tokenizer, train_on=train_on, max_length=10_000), tokenizer)


SINGLE = chat(("user", "the question"), ("assistant", "the answer is yes"))
MULTI = chat(
    ("system", "be brief"), ("user", "why"), ("assistant", "no, yes"), ("user", "and"), ("assistant", "the answer")
)
FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@FAMILY
def test_the_answer_and_its_end_of_turn_token_are_trained(family: Family) -> None:
    tokenizer = tokenizer_of(family)
    expected = {
        QWEN3: ["<think>\n\n</think>\n\nthe answer is yes<|im_end|>"],
        MISTRAL: [" the answer is yes</s>"],
        HARMONY: ["<|channel|>final<|message|>the answer is yes<|return|>"],
    }
    assert answers(SINGLE, tokenizer, "assistant") == expected.get(family, ["the answer is yes" + family.end])


@FAMILY
def test_every_answer_of_several_turns_is_trained_and_nothing_else(family: Family) -> None:
    tokenizer = tokenizer_of(family)
    expected = {
        QWEN3: ["no, yes<|im_end|>", "<think>\n\n</think>\n\nthe answer<|im_end|>"],
        MISTRAL: [" no, yes</s>", " the answer</s>"],
        HARMONY: ["<|channel|>final<|message|>no, yes<|end|>", "<|channel|>final<|message|>the answer<|return|>"],
    }
    parts = expected.get(family, ["no, yes" + family.end, "the answer" + family.end])
    assert answers(MULTI, tokenizer, "assistant") == parts
    assert answers(MULTI, tokenizer, "last") == parts[-1:]


@FAMILY
def test_the_tokens_are_those_of_the_template_applied_by_transformers(family: Family) -> None:
    tokenizer = tokenizer_of(family)
    messages = [{"role": message.role, "content": message.content} for message in SINGLE.messages]
    expected = tokenizer.apply_chat_template(messages, return_dict=False)
    for train_on in ("assistant", "last", "all"):
        encoded = encode(SINGLE, tokenizer, train_on=train_on, max_length=10_000)
        assert list(encoded.input_ids) == expected
    assert all(encoded.trained)


def test_a_template_that_marks_answers_agrees_apart_from_the_end_of_turn() -> None:
    tokenizer = tokenizer_of(GENERATION)
    messages = [{"role": message.role, "content": message.content} for message in MULTI.messages]
    marked = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    ours = encode(MULTI, tokenizer, train_on="assistant", max_length=10_000)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    without_ends = [trained and token != end for token, trained in zip(ours.input_ids, ours.trained, strict=True)]
    assert without_ends == [mark == 1 for mark in marked["assistant_masks"]]
    assert sum(ours.trained) == sum(without_ends) + 2


def test_thinking_parts_that_the_template_drops_are_not_looked_for() -> None:
    tokenizer = tokenizer_of(QWEN3)
    row = chat(
        ("user", "why"),
        ("assistant", "<think>\nthe question is no\n</think>\n\nyes"),
        ("user", "and"),
        ("assistant", "<think>\nis it\n</think>\n\nno"),
    )
    assert answers(row, tokenizer, "assistant") == ["yes<|im_end|>", "<think>\nis it\n</think>\n\nno<|im_end|>"]


@pytest.mark.parametrize("words", ["", "the answer is "])
def test_tool_calls_are_trained_with_the_words_before_them(words: str) -> None:
    call = {"type": "function", "function": {"name": "no", "arguments": '{"at": "question"}'}}
    row = {
        "messages": [
            {"role": "user", "content": "why"},
            {"role": "assistant", "content": words or None, "tool_calls": [call]},
            {"role": "tool", "name": "no", "content": "so"},
            {"role": "assistant", "content": "yes"},
        ],
        "tools": [{"type": "function", "function": {"name": "look"}}],
    }
    conversation = FORMATS.get("messages")().read(row, 1).conversation
    assert conversation is not None
    tokenizer = tokenizer_of(TOOLS)
    assert answers(conversation, tokenizer, "assistant") == [
        f"{words}<tool_call>no(question)</tool_call><|im_end|>",
        "yes<|im_end|>",
    ]
    encoded = encode(conversation, tokenizer, train_on="all", max_length=999)
    assert "system\nlook<|im_end|>" in tokenizer.decode(encoded.input_ids)


def test_a_refused_system_prompt_moves_into_the_first_user_turn() -> None:
    text = render(MULTI.messages, tokenizer_of(GEMMA_STRICT))
    assert text == render(MULTI.messages, tokenizer_of(GEMMA))


def test_marks_inside_an_answer_do_not_end_it() -> None:
    row = chat(("user", "why"), ("assistant", "write <|im_end|> then yes"))
    assert answers(row, tokenizer_of(CHATML), "assistant") == ["write <|im_end|> then yes<|im_end|>"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_named_template_trains_the_answers_and_their_end(name: str) -> None:
    tokenizer = tokenizer_of(LLAMA, template=False)
    tokenizer.chat_template = TEMPLATES[name]
    try:
        parts = [part.strip() for part in answers(MULTI, tokenizer, "assistant")]
    finally:
        tokenizer.chat_template = None
    between = "<|im_end|>" if name == "chatml" else ""
    assert parts == [f"no, yes{between}<|eot_id|>", f"the answer{between}<|eot_id|>"]


def test_a_base_model_without_a_template_gets_the_plain_one() -> None:
    tokenizer = tokenizer_of(LLAMA, template=False)
    assert answers(MULTI, tokenizer, "assistant") == ["no, yes<|eot_id|>", "the answer<|eot_id|>"]


def test_running_text_is_trained_whole_and_ends() -> None:
    tokenizer = tokenizer_of(CHATML)
    row = Conversation(line=1, text="the answer is yes")
    assert answers(row, tokenizer, "assistant") == ["the answer is yes<|im_end|>"]


def test_a_row_beyond_the_max_length_is_cut_and_counted() -> None:
    tokenizer = tokenizer_of(CHATML)
    whole = encode(MULTI, tokenizer, train_on="assistant", max_length=10_000)
    cut = encode(MULTI, tokenizer, train_on="assistant", max_length=20)
    assert whole.cut == 0
    assert cut.cut == len(whole.input_ids) - 20
    assert cut.input_ids == whole.input_ids[:20]
    assert cut.trained == whole.trained[:20]


def test_the_report_names_rows_that_are_cut_or_teach_nothing() -> None:
    tokenizer = tokenizer_of(CHATML)
    long_answer = chat(("user", "why"), ("assistant", "yes and no " * 40), line=7)
    long_question = chat(("user", "why " * 100), ("assistant", "no"), line=9)
    report = tokens_report([SINGLE, long_answer, long_question], tokenizer, 40, "assistant")
    assert (report.rows, report.cut_rows, report.untrained_rows) == (3, 2, 1)
    assert [(problem.line, problem.kind) for problem in report.problems] == [(7, "cut"), (9, "untrained")]
    assert report.longest > 100


def test_a_row_that_the_template_refuses_is_named_by_its_line() -> None:
    tokenizer = tokenizer_of(GEMMA_STRICT)
    strict = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(WorkbenchError) as refused:
        encode(
            chat(("user", "why"), ("assistant", "no"), line=5), _with(tokenizer, strict), train_on="all", max_length=9
        )
    assert refused.value.problems[0].line == 5
    assert "roles must alternate" in refused.value.message


def test_a_tokenizer_without_offsets_gives_the_same_mask() -> None:
    tokenizer = tokenizer_of(CHATML)
    slow = _Slow(tokenizer)
    expected = encode(MULTI, tokenizer, train_on="assistant", max_length=10_000)
    assert trained_parts(encode(MULTI, slow, train_on="assistant", max_length=10_000), tokenizer) == trained_parts(
        expected, tokenizer
    )


words = st.text(st.characters(exclude_categories=("Cs", "Co"), exclude_characters="<|>"), max_size=40)


@given(st.lists(st.tuples(words, words.filter(str.strip)), min_size=1, max_size=4))
def test_whatever_is_said_the_mask_holds_exactly_the_answers(pairs: list[tuple[str, str]]) -> None:
    tokenizer = tokenizer_of(CHATML)
    turns: list[tuple[Role, str]] = [turn for question, answer in pairs for turn in _pair(question, answer)]
    assert answers(chat(*turns), tokenizer, "assistant") == [answer + "<|im_end|>" for _, answer in pairs]


def _pair(question: str, answer: str) -> list[tuple[Role, str]]:
    return [("user", question), ("assistant", answer)]


def test_batches_give_what_single_rows_give() -> None:
    tokenizer = tokenizer_of(CHATML)
    rows = [SINGLE, MULTI, Conversation(line=3, text="yes"), SINGLE]
    singly = [encode(row, tokenizer, train_on="assistant", max_length=30) for row in rows]
    assert list(encode_all(rows, tokenizer, train_on="assistant", max_length=30)) == singly


class _Slow:
    """A tokenizer that cannot say where its tokens stand, as those without a Rust half."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.is_fast = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._tokenizer(*args, **options)

    def __len__(self) -> int:
        return len(self._tokenizer)


def _with(tokenizer: Any, template: str) -> Any:
    """`tokenizer` with another template."""
    from copy import copy

    other = copy(tokenizer)
    other.chat_template = template
    return other
