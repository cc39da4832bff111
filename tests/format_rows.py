"""A few rows of every format, of several turns and with a system prompt where the format has them."""

from __future__ import annotations

from typing import Any

CHAT = [
    ("system", "be brief"),
    ("user", "why is the wall red"),
    ("assistant", "it is brick, yes"),
    ("user", "and the door"),
    ("assistant", "no, the door is oak"),
]


def _chat(role: str, content: str, names: dict[str, str]) -> list[dict[str, str]]:
    return [{role: names.get(speaker, speaker), content: words} for speaker, words in CHAT]


FORMAT_ROWS: dict[str, list[dict[str, Any]]] = {
    "messages": [
        {"messages": _chat("role", "content", {})},
        {"messages": [{"role": "user", "content": "why"}, {"role": "assistant", "content": "the answer\nis yes"}]},
    ],
    "sharegpt": [{"conversations": _chat("from", "value", {"user": "human", "assistant": "gpt"})}],
    "alpaca": [
        {"instruction": "name the roof", "input": "of the house", "output": "slate"},
        {"system": "be brief", "instruction": "name the beam", "input": "", "output": "pine, and no oak"},
    ],
    "prompt_completion": [{"prompt": "why is it so", "completion": "because it is"}],
    "preference": [
        {"prompt": "why is it so", "chosen": "because it is", "rejected": "no, it is not"},
        {
            "prompt": _chat("role", "content", {})[:4],
            "chosen": _chat("role", "content", {})[4:],
            "rejected": [{"role": "assistant", "content": "the roof"}],
        },
    ],
    "question_answer": [{"question": "why", "answer": "so"}, {"question": "how é 東", "answer": "thus 東 é"}],
    "context_target": [{"context": "Rate: the wall is fine", "target": "positive"}],
    "text_label": [{"text": "the wall is fine", "label": "good"}, {"text": "the wall fell", "label": "bad"}],
    "token_tag": [{"tokens": ["the", "wall", "in", "Lund"], "tags": ["O", "O", "O", "B-LOC"]}],
    "source_target": [{"source": "the wall", "target": "die Wand"}],
    "text": [{"text": "the answer is yes and no, the question is why"}],
}
"""By kind; each is recognised as that kind."""

COLUMN_ROWS: list[dict[str, Any]] = [{"frage": "warum", "antwort": "darum", "quelle": "hier"}]
"""Of no known format."""
COLUMN_LAYOUT: dict[str, Any] = {"kind": "columns", "question": ["frage"], "answer": "antwort"}
