"""Chat templates by name, for base models that bring none. The one that was used is saved with the adapter.

Each writes plain text and ends an answer with the tokenizer's own end-of-text token, so that no token is new to the
base model.
"""

from __future__ import annotations

import copy
from typing import Any

PLAIN = """\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] + '\\n\\n' }}
{%- elif message['role'] == 'assistant' -%}
{{ '### Assistant:\\n' + message['content'] + (eos_token or '') + '\\n\\n' }}
{%- else -%}
{{ '### ' + message['role'] | capitalize + ':\\n' + message['content'] + '\\n\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '### Assistant:\\n' }}
{%- endif -%}
"""

CHATML = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}
{{- eos_token if eos_token and message['role'] == 'assistant' and eos_token != '<|im_end|>' else '' }}
{{- '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}
"""

COLON = """\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] + '\\n' }}
{%- elif message['role'] == 'assistant' -%}
{{ 'ASSISTANT: ' + message['content'] + (eos_token or '') + '\\n' }}
{%- else -%}
{{ message['role'] | upper + ': ' + message['content'] + '\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ 'ASSISTANT:' }}
{%- endif -%}
"""

BARE = """\
{%- for message in messages -%}
{{ message['content'] + ((eos_token or '') if message['role'] == 'assistant' else '') + '\\n' }}
{%- endfor -%}
"""

AUTO = "auto"
"""The base model's own template, or the plain one where it has none."""

TEMPLATES: dict[str, str] = {"plain": PLAIN, "chatml": CHATML, "colon": COLON, "bare": BARE}
"""plain: headings; chatml: ChatML's marks as text; colon: ``USER: …``; bare: question, line end, answer."""


def template_of(tokenizer: Any) -> str | None:
    """The template to pass on: None where `tokenizer` has its own, else the plain one."""
    return None if getattr(tokenizer, "chat_template", None) else PLAIN


def templated(tokenizer: Any, name: str = AUTO) -> Any:
    """`tokenizer` with the chat template called `name`; itself where it has that one already.

    What it returns writes the template down when it is saved, the plain one included.
    """
    template = TEMPLATES[name] if name != AUTO else tokenizer.chat_template or PLAIN
    if template == tokenizer.chat_template:
        return tokenizer
    other = copy.copy(tokenizer)
    other.chat_template = template
    return other
