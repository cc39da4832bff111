"""Each figure against its published examples, and against the library that defines it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from workbench.errors import WorkbenchError
from workbench.playground.expression import MOST_TIMEOUTS, Expression
from workbench.playground.labels import OTHER, confusion, labels_in, plain, predicted
from workbench.playground.metrics import (
    METRICS,
    Bleu,
    ChrF,
    ExactMatch,
    Given,
    LabelAccuracy,
    Matches,
    Metric,
    Perplexity,
    RougeL,
    TokenF1,
    normalised,
)
from workbench.playground.significance import FEWEST, differences

WORDS = st.lists(st.sampled_from(["the", "cat", "Sat", "on", "a", "mat.", "öl", "3,5", "—", "sat"]), max_size=9)
TEXTS = WORDS.map(" ".join)


def table(metric: Metric, pairs: list[tuple[str, str]]) -> np.ndarray:
    return np.array([metric.statistics(Given(answer, reference)) for answer, reference in pairs], float)


def of(metric: Metric, answer: str, reference: str) -> float:
    return float(metric.figure(table(metric, [(answer, reference)]).sum(axis=0)))


def test_words_are_compared_as_in_squad() -> None:
    assert normalised("The  Cat, sat on a mat!") == "cat sat on mat"
    assert of(ExactMatch(), "The Denver Broncos.", "denver broncos") == 100
    assert of(ExactMatch(), "Broncos", "denver broncos") == 0
    # two of three words said are wanted, two of three wanted are said
    assert of(TokenF1(), "the cat sat down", "a cat sat there") == pytest.approx(100 * 2 / 3)
    assert of(TokenF1(), "the", "a") == 100, "both have no words left"
    assert of(TokenF1(), "", "cat") == 0


def test_rouge_l_of_lins_own_sentences() -> None:
    """Lin 2004, section 3.1: S2 has three of four words in order, S3 two."""
    reference = "police killed the gunman"
    assert of(RougeL(), "police kill the gunman", reference) == pytest.approx(75)
    assert of(RougeL(), "the gunman kill police", reference) == pytest.approx(50)
    assert of(RougeL(), "Öl är gött", "öl, är gött!") == 100, "letters beyond ASCII are letters"


def test_bleu_of_papinenis_own_sentence() -> None:
    """Papineni et al. 2002, section 2.1: seven times “the”, of which two are in the reference."""
    found = Bleu().statistics(Given("the the the the the the the", "the cat is on the mat"))
    assert found is not None
    assert found[0] / found[4] == 2 / 7


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS.filter(bool)), min_size=1, max_size=6))
def test_bleu_and_chrf_equal_sacrebleu(pairs: list[tuple[str, str]]) -> None:
    answers, references = [answer for answer, _ in pairs], [[reference for _, reference in pairs]]
    for metric, library in ((Bleu(), BLEU()), (ChrF(), CHRF())):
        ours = float(metric.figure(table(metric, pairs).sum(axis=0)))
        assert ours == pytest.approx(library.corpus_score(answers, references).score, abs=1e-9)


def test_many_samples_are_computed_at_once_as_one_by_one() -> None:
    pairs = [("a cat sat", "the cat sat"), ("on the mat", "on a mat today"), ("", "x"), ("one two three four", "one")]
    weights = np.array([[1, 1, 1, 1], [0, 2, 1, 1], [0, 0, 4, 0], [3, 0, 0, 1]], float)
    for kind in ("exact_match", "token_f1", "rouge_l", "bleu", "chrf"):
        metric = METRICS[kind]()
        rows = table(metric, pairs)
        together = metric.figure(weights @ rows)
        alone = [float(metric.figure((weight[:, None] * rows).sum(axis=0))) for weight in weights]
        assert together == pytest.approx(alone)


def test_the_signatures_name_what_must_be_told() -> None:
    assert "tok:13a" in Bleu().signature
    assert "smooth:exp" in Bleu().signature
    assert "nc:6" in ChrF().signature
    assert "version:" in ChrF().signature


def test_perplexity_weighs_by_tokens() -> None:
    metric = Perplexity()
    one = metric.statistics(Given("", "x", log_likelihood=-2 * math.log(10), reference_tokens=2))
    two = metric.statistics(Given("", "x", log_likelihood=0.0, reference_tokens=2))
    assert one is not None
    assert two is not None
    assert metric.of_one(one) == pytest.approx(10)
    assert float(metric.figure(np.array(one) + np.array(two))) == pytest.approx(math.sqrt(10))
    assert metric.statistics(Given("", "x")) is None


def test_labels_are_few_short_and_repeated() -> None:
    assert labels_in(["Yes", "no", "yes.", "No", "yes", "NO "]) == ("yes", "no")
    assert labels_in(["yes", "no"]) == (), "each only once"
    assert labels_in(["yes"] * 9) == (), "only one"
    assert labels_in([f"label {number}" for number in range(30)] * 4) == (), "too many"
    assert labels_in(["a long sentence that is no label at all, surely", "b"] * 6) == ()
    assert labels_in([None, None]) == ()


def test_which_label_an_answer_names() -> None:
    labels = ("positive", "negative", "very positive")
    assert predicted("**Positive**.", labels) == "positive"
    assert predicted("Very positive!", labels) == "very positive"
    assert predicted("I think this review is negative.", labels) == "negative"
    assert predicted("It is very positive, I think", labels) == "very positive"
    assert predicted("positive or negative? Both.", ("negative", "both")) is None
    assert predicted("nonpositive", labels) is None
    assert plain("  “Yes”! ") == "yes"


def test_the_confusion_matrix_by_hand() -> None:
    pairs = [("yes", "Yes."), ("yes", "no"), ("no", "No"), ("no", "maybe"), ("no", "no")]
    told = confusion(pairs, ("yes", "no"))
    assert told.rows == ((1, 1, 0), (0, 2, 1))
    assert OTHER not in told.labels
    accuracy = LabelAccuracy()
    scored = [accuracy.statistics(Given(answer, wanted, labels=("yes", "no"))) for wanted, answer in pairs]
    assert [found[0] for found in scored if found] == [1, 0, 1, 0, 1]
    assert accuracy.statistics(Given("x", "y")) is None


def test_an_expression_is_searched_for_and_never_hangs() -> None:
    metric = Matches(Expression(r"\b\d+ mm\b"))
    assert of(metric, "about 30 mm thick", "") == 100
    assert of(metric, "thick", "") == 0
    evil = Expression(r"(a|aa)+$")
    assert not any(evil.found_in("a" * 60 + "!") for _ in range(50)), "given up after a few"
    assert evil.timeouts == MOST_TIMEOUTS
    assert "too long" in evil.problem


@pytest.mark.parametrize("pattern", ["(", "[a-", "*", "(?P<x", "x" * 501])
def test_a_broken_expression_is_refused_beside_its_field(pattern: str) -> None:
    with pytest.raises(WorkbenchError) as refused:
        Expression(pattern)
    assert refused.value.problems[0].field == "scoring.expression"
    assert refused.value.remedy


def test_every_metric_names_its_source() -> None:
    for metric in METRICS.values():
        assert metric.__doc__
        assert metric.source
        assert json.dumps(metric.title)


def test_the_same_answers_differ_by_nothing() -> None:
    rows = table(TokenF1(), [("a cat", "cat sat"), ("dog", "dog"), ("x", "y"), ("u", "u"), ("v", "w")])
    (found,) = differences([TokenF1()], [rows], [rows], 1)
    assert (found.value, found.low, found.high, found.p, found.better) == (0, 0, 0, 1, None)


def test_a_difference_has_the_interval_of_its_mean() -> None:
    """60 of 100 right against 40 of 100, unrelated: the interval is that of the normal approximation."""
    chance = np.random.default_rng(0)
    base = np.column_stack([chance.permutation(np.arange(100) < 40), np.ones(100)]).astype(float)
    other = np.column_stack([chance.permutation(np.arange(100) < 60), np.ones(100)]).astype(float)
    (found,) = differences([ExactMatch()], [base], [other], 2)
    error = 100 * np.std(other[:, 0] - base[:, 0]) / 10
    assert found.value == pytest.approx(20)
    assert [found.low, found.high] == pytest.approx([20 - 1.96 * error, 20 + 1.96 * error], abs=1)
    assert found.better is True
    assert 0.001 < found.p < 0.02
    assert (found.pane, found.prompts) == (2, 100)
    assert differences([ExactMatch()], [base], [other], 2) == [found], "the same seed draws the same prompts"


def test_lower_is_better_for_perplexity_and_holes_are_left_out() -> None:
    base = np.array([[3.0, 1.0]] * 10)
    other = np.array([[1.0, 1.0]] * 9 + [[np.nan, np.nan]])
    (found,) = differences([Perplexity()], [base], [other], 1)
    assert found.prompts == 9
    assert found.value == pytest.approx(math.e - math.e**3)
    assert found.better is True
    few = [side[: FEWEST - 1] for side in (base, base)]
    assert differences([Perplexity()], few[:1], few[1:], 1) == []


def test_metrics_with_other_holes_have_their_own_prompts() -> None:
    whole = np.array([[1.0, 1.0]] * 12)
    holes = np.array([[0.0, 1.0]] * 8 + [[np.nan, np.nan]] * 4)
    found = differences([ExactMatch(), TokenF1()], [whole, holes], [whole, whole], 1)
    assert [(one.metric, one.prompts) for one in found] == [("exact_match", 12), ("token_f1", 8)]
