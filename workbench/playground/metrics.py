"""Figures of generated text, each from sums over answers: so a figure of any sample of them is one multiplication.

A metric says what to sum of one answer (its statistics) and what figure the sums make. Everything a paired bootstrap
needs follows from that. Where a library computes the same figure, tests hold ours against it.
"""

from __future__ import annotations

import re
import string
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.playground.expression import Expression
from workbench.playground.labels import predicted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sums = NDArray[np.float64]

METRICS: dict[str, type[Metric]] = {}
"""Every metric by its kind, in the order they are shown."""


@dataclass(slots=True)
class Given:
    """What a metric may look at of one answer."""

    text: str
    reference: str | None
    _: KW_ONLY
    labels: Sequence[str] = ()
    log_likelihood: float | None = None
    """Of the reference, in nats."""
    reference_tokens: int = 0

    @property
    def wanted(self) -> str:
        """The reference; empty where there is none."""
        return self.reference or ""


class Metric(ABC):
    """One figure."""

    kind: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    """Who defined it, shown beside the figure."""
    needs_reference: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    scale: ClassVar[float] = 100.0
    """The best value; 0 where there is none."""

    def statistics(self, given: Given) -> tuple[float, ...] | None:
        """What is summed of one answer; None when the answer has no part in the figure."""
        return self.summands(given) if self.applies(given) else None

    def applies(self, given: Given) -> bool:
        """Whether the answer has a part in the figure."""
        return given.reference is not None or not self.needs_reference

    @abstractmethod
    def summands(self, given: Given) -> tuple[float, ...]:
        """What is summed of an answer that has a part in it."""

    @abstractmethod
    def figure(self, sums: Sums) -> Sums:
        """The figure of sums, (…, statistics) to (…)."""

    def of_one(self, statistics: tuple[float, ...]) -> float:
        """The figure of a single answer."""
        import numpy as np

        return float(self.figure(np.asarray(statistics, float)))

    @property
    def signature(self) -> str:
        """What must be told so that others get the same figure."""
        return ""


class Mean(Metric):
    """A score a text, averaged, in percent."""

    def summands(self, given: Given) -> tuple[float, ...]:
        return (self.score(given), 1.0)

    @abstractmethod
    def score(self, given: Given) -> float:
        """0 to 1."""

    def figure(self, sums: Sums) -> Sums:
        return 100 * _share(sums[..., 0], sums[..., 1])


class SacrebleuMetric(Metric):
    """A figure as sacrebleu computes it, whose signature tells how."""

    @abstractmethod
    def scorer(self) -> Any:
        """sacrebleu's own metric."""

    @cached_property
    def signature(self) -> str:
        scorer = self.scorer()
        scorer.corpus_score(["a"], [["a"]])
        return str(scorer.get_signature().format())


def _add(metric: type[Metric]) -> type[Metric]:
    METRICS[metric.kind] = metric
    return metric


def normalised(text: str) -> str:
    """Lower case without punctuation, articles and surplus space, as SQuAD compares (Rajpurkar et al. 2016, 6.1)."""
    bare = "".join(mark for mark in text.lower() if mark not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


@_add
class ExactMatch(Mean):
    """Share of answers that equal the reference after SQuAD's normalisation (Rajpurkar et al. 2016, section 6.1)."""

    kind = "exact_match"
    title = "Exact match"
    source = "Rajpurkar et al. 2016"

    def score(self, given: Given) -> float:
        return float(normalised(given.text) == normalised(given.wanted))


@_add
class TokenF1(Mean):
    """Harmonic mean of precision and recall of words, normalised as for exact match (Rajpurkar et al. 2016, 6.1)."""

    kind = "token_f1"
    title = "Token F1"
    source = "Rajpurkar et al. 2016"

    def score(self, given: Given) -> float:
        said, wanted = normalised(given.text).split(), normalised(given.wanted).split()
        if not said or not wanted:
            return float(said == wanted)
        common = sum((Counter(said) & Counter(wanted)).values())
        return 2 * common / (len(said) + len(wanted))


@_add
class RougeL(Mean):
    """F-measure of the longest common subsequence of words (Lin 2004, section 3), by the package rouge-score.

    Words are runs of letters and digits of any script, in lower case, without stemming; the package's own tokenizer
    knows ASCII only. For ASCII both are the same.
    """

    kind = "rouge_l"
    title = "ROUGE-L"
    source = "Lin 2004; rouge-score"
    signature = "rougeL|f-measure|stemming:no|words:unicode|version:0.1.2"

    def score(self, given: Given) -> float:
        found = _rouge().score(given.wanted, given.text)
        return float(found["rougeL"].fmeasure)


class _Words:
    """Splits a text for rouge-score."""

    def tokenize(self, text: str) -> list[str]:
        return re.findall(r"[^\W_]+", text.lower())


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())


@_add
class Bleu(SacrebleuMetric):
    """Corpus BLEU (Papineni et al. 2002) as sacrebleu computes it (Post 2018): 13a words, exponential smoothing."""

    kind = "bleu"
    title = "BLEU"
    source = "Papineni et al. 2002; sacrebleu"
    orders: ClassVar[int] = 4

    def scorer(self, **options: Any) -> Any:
        from sacrebleu.metrics.bleu import BLEU

        return BLEU(**options)

    @cached_property
    def _sentence_scorer(self) -> Any:
        return self.scorer(effective_order=True)

    def summands(self, given: Given) -> tuple[float, ...]:
        found = self._sentence_scorer.sentence_score(given.text, [given.wanted])
        return (*map(float, found.counts), *map(float, found.totals), float(found.sys_len), float(found.ref_len))

    def figure(self, sums: Sums) -> Sums:
        """Geometric mean of n-gram precisions times the brevity penalty.

        The k-th order without a match counts as 1 / 2^k matches (Chen and Cherry 2014, method 3).
        """
        import numpy as np

        matches, totals = sums[..., : self.orders], sums[..., self.orders : 2 * self.orders]
        said, wanted = sums[..., -2], sums[..., -1]
        missed = (matches == 0) & (totals > 0)
        smoothed = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), matches)
        possible = (totals > 0).all(axis=-1) & matches.any(axis=-1)
        precisions = np.where(totals > 0, smoothed, 1.0) / np.where(totals > 0, totals, 1.0)
        logs = np.log(np.where(precisions > 0, precisions, 1.0))
        brevity = np.minimum(0.0, 1 - wanted / np.where(said > 0, said, 1.0))
        return np.where(possible, 100 * np.exp(logs.mean(axis=-1) + brevity), 0.0)


@_add
class ChrF(SacrebleuMetric):
    """Character n-gram F-score, chrF2 (Popović 2015), as sacrebleu computes it: six orders, no spaces."""

    kind = "chrf"
    title = "chrF"
    source = "Popović 2015; sacrebleu"
    orders: ClassVar[int] = 6
    beta: ClassVar[float] = 2.0

    def scorer(self) -> Any:
        from sacrebleu.metrics.chrf import CHRF

        return CHRF()

    def summands(self, given: Given) -> tuple[float, ...]:
        from sacrebleu.metrics.helpers import extract_all_char_ngrams

        said = extract_all_char_ngrams(given.text, self.orders)
        wanted = extract_all_char_ngrams(given.wanted, self.orders)
        found: list[float] = []
        for one, other in zip(said, wanted, strict=True):
            size = sum(one.values()) if other else 0
            found += [float(size), float(sum(other.values())), float(sum((one & other).values()))]
        return tuple(found)

    def figure(self, sums: Sums) -> Sums:
        said, wanted, both = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
        counted = (said > 0) & (wanted > 0)
        orders = counted.sum(axis=-1)
        precision = _share((_share(both, said) * counted).sum(axis=-1), orders)
        recall = _share((_share(both, wanted) * counted).sum(axis=-1), orders)
        weight = self.beta**2
        return 100 * _share((1 + weight) * precision * recall, weight * precision + recall)


@_add
class LabelAccuracy(Mean):
    """Share of answers that name the right one of few labels; how a label is read from an answer: see `labels`."""

    kind = "label_accuracy"
    title = "Label accuracy"
    source = "share of right labels"

    def applies(self, given: Given) -> bool:
        return super().applies(given) and bool(given.labels)

    def score(self, given: Given) -> float:
        wanted = predicted(given.wanted, given.labels)
        return float(wanted is not None and predicted(given.text, given.labels) == wanted)


@_add
class Matches(Mean):
    """Share of answers in which the user's own regular expression is found."""

    kind = "expression"
    title = "Own expression"
    source = "own regular expression"
    needs_reference = False

    def __init__(self, expression: Expression | None = None) -> None:
        self._expression = expression

    def applies(self, given: Given) -> bool:
        return self._expression is not None

    def score(self, given: Given) -> float:
        return float(self._expression is not None and self._expression.found_in(given.text))


@_add
class Perplexity(Metric):
    """exp of the mean negative log-probability of the reference answer's tokens (Jelinek et al. 1977).

    Weighted by tokens, so that long references count more; lower is better.
    """

    kind = "perplexity"
    title = "Perplexity of the reference"
    source = "Jelinek et al. 1977"
    higher_is_better = False
    scale = 0.0

    def applies(self, given: Given) -> bool:
        return given.log_likelihood is not None and given.reference_tokens > 0

    def summands(self, given: Given) -> tuple[float, ...]:
        return (-(given.log_likelihood or 0.0), float(given.reference_tokens))

    def figure(self, sums: Sums) -> Sums:
        import numpy as np

        return np.exp(np.minimum(_share(sums[..., 0], sums[..., 1]), 700.0))


def _share(part: Sums, whole: Sums) -> Sums:
    """part / whole, 0 where the whole is 0."""
    import numpy as np

    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=np.asarray(whole) != 0)
