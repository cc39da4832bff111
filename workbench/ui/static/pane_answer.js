// One answer in a pane: its text as it comes, then who gave it, how fast, and what can be done with it.

import { Refusal } from "./api.js";
import { h, problemBox, setChildren, setText } from "./dom.js";
import { markdown } from "./markdown.js";
import { Proof } from "./pane_proof.js";
import { scored, tokenElements } from "./pane_tokens.js";
import { copyButton, editor } from "./pane_tools.js";
import { wordDiff } from "./word_diff.js";

export class AnswerView {
  constructor(pane, place) {
    Object.assign(this, { pane, place });
    this.text = h("div", { class: "lw-turn", "data-role": "assistant" });
    this.facts = h("p", { class: "lw-note lw-answer-facts" });
    this.notice = h("div", {});
    this.proof = new Proof(pane, place);
    this.tools = h("div", { class: "lw-tools", hidden: true },
      copyButton(() => this.answer.text, "Copy this answer"),
      h("button", { class: "lw-quiet-action", title: "With the same seed it is the same answer again: empty the seed for another one.", onclick: () => pane.again(place) }, "Regenerate"),
      h("button", { class: "lw-quiet-action", "aria-label": "Edit this answer", onclick: () => this.edit() }, "Edit"));
    this.element = h("div", { class: "lw-answered" }, this.text, this.notice, this.facts, this.proof.element, this.tools);
  }

  /** One more piece of an answer that is being written. */
  add(delta) {
    if (delta.text) this.text.append(delta.text);
    setText(this.facts, [this.who(delta), speedWords(delta)].filter(Boolean).join(" · "));
  }

  /** The whole answer. */
  show(answer) {
    this.answer = answer;
    this.draw();
    setText(this.facts, [this.who(answer), speedWords(answer), endWords(answer)].filter(Boolean).join(" · "));
    setChildren(this.notice, answer.problems ? problemBox(answer.text ? "The answer broke off" : "No answer", answer.problems) : null);
    this.tools.hidden = false;
    this.proof.show(answer);
  }

  /** The text as the chat wants answers to be shown. */
  draw() {
    const { answer, pane } = this;
    if (!answer) return;
    const { kind, against } = pane.chat.view;
    this.text.classList.toggle("lw-markdown", kind === "markdown");
    const reference = kind === "differences" && against !== pane.seat ? pane.conversation.answersOf(against)[this.place] : null;
    if (kind === "markdown") setChildren(this.text, ...markdown(answer.text));
    else if (kind === "tokens") this.drawTokens();
    else if (reference) setChildren(this.text, ...wordDiff(reference.text, answer.text).map(changed));
    else setChildren(this.text, answer.text);
  }

  async drawTokens() {
    const { answer, pane } = this;
    setChildren(this.text, answer.text);
    if (!answer.text || !pane.seat.adapter) return;
    try {
      answer.tokens_scored ??= await scored(pane.lineup, pane.seat, pane.conversation.turns(pane.seat, this.place), answer.text);
      if (pane.chat.view.kind === "tokens" && this.answer === answer) setChildren(this.text, ...tokenElements(this.written(answer)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setChildren(this.notice, problemBox("No token view", error.problems));
    }
  }

  /** The tokens that the answer has; one that was cut has not ended its turn. */
  written(answer) {
    const ended = !["length", "stopped", "broken"].includes(answer.finish_reason);
    return answer.tokens_scored.filter((token) => ended || !token.ends_turn);
  }

  who({ facts, edited }) {
    if (edited) return "edited by you";
    const adapter = facts?.adapter;
    const name = adapter && this.pane.lineup.nameOf(this.pane.seat);
    return adapter ? [name, adapter.hash.slice(0, 8), adapter.rank === null ? "" : `rank ${adapter.rank}`].filter(Boolean).join(" · ") : "";
  }

  edit() {
    const box = editor("Answer", this.answer.text, "Let it have said this", (text) => {
      if (text === null || text === this.answer.text) box.replaceWith(this.text);
      else this.pane.rewrite(this.place, text);
    });
    this.text.replaceWith(box);
    box.querySelector("textarea").focus();
  }
}

function changed({ kind, text }) {
  if (kind === "same") return text;
  return h(kind === "added" ? "ins" : "del", {}, text);
}

/** Tokens written and read, how many a second where the server says so, and when the first one came. */
function speedWords({ tokens, tokens_per_second: speed, first_token_seconds: first, facts }) {
  if (!tokens) return "";
  const words = [`${tokens} ${tokens === 1 ? "token" : "tokens"}`];
  if (facts?.prompt_tokens) words.push(`${facts.prompt_tokens} read`);
  if (speed) words.push(`${speed.toFixed(1)} tokens/s`);
  if (first !== null && first !== undefined) words.push(`first after ${first.toFixed(2)} s`);
  return words.join(" · ");
}

const endWords = ({ finish_reason: reason }) => ({ length: "cut at the limit", stopped: "stopped" })[reason] ?? "";
