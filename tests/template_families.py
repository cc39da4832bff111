"""Small chat templates that behave as the families users meet, each with a tokenizer that has its marks.

Written for these tests; none is the family's own text. What each does that makes a mask hard stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Family:
    """A chat template, the special tokens it writes, and the one that ends an answer."""

    name: str
    template: str
    specials: tuple[str, ...]
    end: str


CHATML = Family(
    "ChatML",
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    ("<|im_start|>", "<|im_end|>"),
    "<|im_end|>",
)

# Marks the answers itself, and leaves the end-of-turn token out of the mark.
GENERATION = Family(
    "ChatML with generation marks",
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
    "{% else %}{{ m.content }}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    ("<|im_start|>", "<|im_end|>"),
    "<|im_end|>",
)

# Trims every message; begins with a BOS token.
LLAMA = Family(
    "Llama 3",
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}"
    "<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "<|eot_id|>",
)

# Renames the assistant, trims, and puts the system prompt at the head of the first user turn.
GEMMA = Family(
    "Gemma",
    "{{ bos_token }}{% set head = '' %}"
    "{% if messages[0].role == 'system' %}{% set head = messages[0].content + '\n\n' %}"
    "{% set messages = messages[1:] %}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ head if loop.first else '' }}{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
    ("<bos>", "<start_of_turn>", "<end_of_turn>"),
    "<end_of_turn>",
)

# Refuses a system prompt outright.
GEMMA_STRICT = Family(
    "Gemma that refuses system prompts",
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + GEMMA.template,
    GEMMA.specials,
    GEMMA.end,
)

# Puts the system prompt into the last user turn: what comes later changes what stands before.
MISTRAL = Family(
    "Mistral",
    "{{ bos_token }}{% set system = '' %}"
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content + '\n\n' %}"
    "{% set messages = messages[1:] %}{% endif %}"
    "{% set last = namespace(index=-1) %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% set last.index = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}{% if m.role == 'user' %}"
    "[INST] {{ system if loop.index0 == last.index else '' }}{{ m.content }}[/INST]"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}",
    ("<s>", "</s>", "[INST]", "[/INST]"),
    "</s>",
)

# Drops the thinking part of every answer but the last, where an empty one is written if there is none.
QWEN3 = Family(
    "Qwen3",
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}"
    "{% set parts = m.content.split('</think>') %}{% set said = parts[-1].lstrip('\n') %}"
    "{% set thought = parts[0].split('<think>')[-1].strip('\n') if parts | length > 1 else '' %}"
    "{% if loop.last %}<think>\n{{ thought }}\n</think>\n\n{% endif %}{{ said }}"
    "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    ("<|im_start|>", "<|im_end|>", "<think>", "</think>"),
    "<|im_end|>",
)

# Ends an answer in the middle with another token than the last one.
HARMONY = Family(
    "Harmony",
    "{% for m in messages %}<|start|>{{ m.role }}{% if m.role == 'assistant' %}<|channel|>final{% endif %}<|message|>"
    "{{ m.content }}{{ '<|return|>' if m.role == 'assistant' and loop.last else '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}",
    ("<|start|>", "<|channel|>", "<|message|>", "<|return|>", "<|end|>"),
    "<|return|>",
)

# Lists the tools, and writes calls behind the words of an answer, between marks of their own.
TOOLS = Family(
    "with tools",
    "{% if tools %}<|im_start|>system\n{{ tools[0].function.name }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<tool_call>{{ call.function.name }}"
    "({{ call.function.arguments.at }})</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    ("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"),
    "<|im_end|>",
)

FAMILIES = (CHATML, GENERATION, LLAMA, GEMMA, GEMMA_STRICT, MISTRAL, QWEN3, HARMONY)


@cache
def tokenizer_of(family: Family, template: bool = True) -> Any:
    """A byte-level tokenizer that has the family's marks as special tokens, and its template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320 + len(family.specials),
        special_tokens=list(family.specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ["system user assistant model the answer is yes and no, the question is why"] * 4, trainer
    )
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=family.specials[0],
        eos_token=family.end,
        additional_special_tokens=list(family.specials),
    )
    if template:
        fast.chat_template = family.template
    return fast
