// The proof under an answer: which adapter spoke, how far it stands from the base on this very prompt, or that it does nothing.

import { get, post, Refusal } from "./api.js";
import { h, problemBox, setChildren } from "./dom.js";
import { distanceBars } from "./pane_bars.js";
import { scored } from "./pane_tokens.js";

const SAME_KL = 1e-6;
const SAME_LOGPROB = 1e-3;

export class Proof {
  /** @param pane  @param {number} place  number of the answer */
  constructor(pane, place) {
    Object.assign(this, { pane, place });
    this.element = h("div", { class: "lw-proof" });
  }

  async show(answer) {
    setChildren(this.element);
    const { adapter, distance } = answer.facts ?? {};
    const words = [...cutWords(answer.facts), ...switchWords(adapter)];
    if (words.length) this.element.append(h("p", { class: "lw-note" }, words.join(" ")));
    if (!distance) {
      const reference = answer.edited ? null : this.reference();
      if (reference) this.element.append(this.offer(reference));
      return;
    }
    this.element.append(this.details(distance, "the base"));
    if (distance.kl > SAME_KL || distance.lower_bound) return;
    const effect = await this.effect(answer);
    if (effect) this.element.prepend(effect);
  }

  /** What the one who sits here is measured against: the base, or another model of the same server; null for a base. */
  reference() {
    const { lineup, seat } = this.pane;
    const id = lineup.referenceOf(seat);
    return id ? { id, name: seat.adapter ? "the base" : id } : null;
  }

  /** Measures on demand what did not come with the answer: it was broken off, very long, or another server's. */
  offer(reference) {
    const button = h("button", { class: "lw-quiet-action", onclick: () => this.measure(button, reference) }, `How far from ${reference.name}?`);
    return button;
  }

  async measure(button, reference) {
    const { lineup, seat, conversation } = this.pane;
    button.disabled = true;
    try {
      const { sampling, ...asked } = lineup.requestFor(seat, conversation.turns(seat, this.place));
      const { distance } = await post("chat/compare", { ...asked, other: reference.id });
      button.replaceWith(this.details(distance, reference.name));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      button.replaceWith(problemBox("No distance", error.problems));
    }
  }

  details(distance, reference) {
    const { seat } = this.pane;
    const names = seat.adapter ? ["Adapter", "Base model"] : [seat.model, reference];
    const bound = distance.lower_bound ? "at least " : "";
    return h("details", { class: "lw-more" },
      h("summary", {}, h("span", { class: "lw-kl" }, `KL ${bound}${klText(distance.kl)}`), ` from ${reference} on this prompt`),
      h("p", { class: "lw-note" }, `How the first token of the answer is distributed: Kullback-Leibler divergence from ${reference} in nats, and the five likeliest tokens of both.`),
      distanceBars(distance, names));
  }

  /** A mark for an adapter whose distribution over the whole answer is the base's; null when it is another one's. */
  async effect(answer) {
    if (!answer.text) return null;
    try {
      const { lineup, seat, conversation } = this.pane;
      const tokens = await scored(lineup, seat, conversation.turns(seat, this.place), answer.text);
      if (tokens.some((token) => Math.abs(token.logprob - token.other_logprob) > SAME_LOGPROB)) return null;
      return noEffect(await get(`chat/effect?${new URLSearchParams({ model: seat.id })}`));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return noEffect([]);
    }
  }
}

function noEffect(causes) {
  const items = causes.map(({ message, remedy }) => h("li", {}, `${message} `, h("span", { class: "lw-remedy" }, remedy)));
  return h("div", { class: "lw-warnings lw-no-effect", role: "note" },
    h("strong", {}, "No effect"), ": answer and probabilities are the base’s on this prompt.",
    items.length ? h("ul", {}, ...items) : null);
}

/** A divergence with three digits; what is only rounding is nought. */
export const klText = (kl) => (kl < SAME_KL ? "0" : kl < 0.001 ? kl.toExponential(1) : kl.toPrecision(3));

function cutWords(facts) {
  if (!facts?.cut_turns) return [];
  return [`The conversation is longer than the context: the oldest ${facts.cut_turns} turns (${facts.cut_tokens} tokens) were left out.`];
}

function switchWords(adapter) {
  if (!adapter || adapter.mixed) return [];
  return [`This adapter answers by switching${adapter.unmixable ? `: ${adapter.unmixable}` : ", as its method cannot share a batch"}.`];
}
