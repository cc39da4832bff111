// Blind: two of those who were chosen answer, unnamed and in an order of chance, until a vote. Who is who stands on the
// server alone: nothing that could tell comes to this page before.

import { post, Refusal, stream } from "./api.js";
import { h, setChildren, setText } from "./dom.js";
import { StandingView } from "./playground_votes_standing.js";
import { tellRefusal } from "./refusal.js";

/** The mode, as `playground_modes.js` says what one is. */
export const mode = (lineup) => new Blind(lineup);

const SIDES = ["first", "second"];
const VERDICTS = [
  { verdict: "first", key: "a", words: "A is better" },
  { verdict: "second", key: "b", words: "B is better" },
  { verdict: "tie", key: "t", words: "Tie" },
  { verdict: "both bad", key: "x", words: "Both bad" },
];
const NOTHING = "The answer stands here, without a name.";

class Blind {
  constructor(lineup) {
    this.lineup = lineup;
    this.standing = new StandingView(lineup);
    this.state = h("p", { class: "lw-note", role: "status" });
    this.notice = h("div", {});
    this.sides = { first: new Side("A"), second: new Side("B") };
    this.element = h("div", { class: "lw-blind" }, this.askForm(), this.state, this.notice,
      h("div", { class: "lw-panes" }, this.sides.first.element, this.sides.second.element), this.voteBar(), this.standing.element);
    this.onkey = (event) => this.pressed(event);
    this.lineup.addEventListener("base", () => this.forget());
    for (const kind of ["seats", "seat", "base", "replaced"]) this.lineup.addEventListener(kind, () => this.rest());
    this.ready(false);
    this.rest();
  }

  show() {
    document.addEventListener("keydown", this.onkey);
    this.standing.refresh();
    this.prompt.focus({ preventScroll: true });
  }

  hide() {
    document.removeEventListener("keydown", this.onkey);
  }

  close() {
    this.hide();
    this.stop();
  }

  askForm() {
    this.prompt = h("textarea", { rows: "2", required: true, placeholder: "What do you want to ask?", "aria-label": "Prompt" });
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.ask();
      }
    });
    this.askButton = h("button", { class: "lw-button lw-primary", onclick: () => this.ask() }, "Ask two of them");
    this.stopButton = h("button", { class: "lw-button", hidden: true, onclick: () => this.stop() }, "Stop");
    return h("div", { class: "lw-panel lw-ask" }, this.prompt, h("div", { class: "lw-buttons" }, this.askButton, this.stopButton));
  }

  voteBar() {
    this.votes = VERDICTS.map(({ verdict, key, words }) =>
      h("button", { class: "lw-button", "aria-keyshortcuts": key, onclick: () => this.vote(verdict) }, words, h("kbd", {}, key.toUpperCase())));
    this.again = h("button", { class: "lw-button", hidden: true, onclick: () => this.ask(this.asked) }, "Same prompt, drawn anew");
    return h("div", { class: "lw-votes", role: "group", "aria-label": "Your vote" }, ...this.votes, this.again);
  }

  pressed(event) {
    const writing = event.target.closest?.("input, textarea, select, dialog");
    if (writing || event.ctrlKey || event.metaKey || event.altKey || !this.comparison) return;
    const found = VERDICTS.find((each) => each.key === event.key.toLowerCase());
    if (!found) return;
    event.preventDefault();
    this.vote(found.verdict);
  }

  /** What is said while nothing happens. */
  rest() {
    if (this.controller || this.comparison || this.voted) return;
    const names = new Set(this.lineup.seats.map((seat) => seat.speaker));
    const chance = names.size > 2 ? `Two of these ${names.size} are drawn for each prompt` : "Both answer";
    setText(this.state, names.size < 2 ? "Choose two who differ: a blind comparison needs them."
      : `${chance}, in an order of chance. The answers appear together, so that speed gives nothing away.`);
  }

  ready(voting) {
    for (const button of this.votes) button.disabled = !voting;
  }

  forget() {
    this.stop();
    this.comparison = null;
    this.voted = false;
    this.ready(false);
    for (const side of Object.values(this.sides)) side.say(NOTHING, true);
  }

  async ask(prompt = this.prompt.value.trim()) {
    if (!prompt || this.controller) return;
    this.begin(prompt);
    try {
      const turns = [{ role: "user", content: prompt }];
      const contestants = this.lineup.seats.map((seat) => ({ ...this.lineup.requestFor(seat, turns), label: this.lineup.nameOf(seat) }));
      const { id } = await post("blind", { contestants });
      await this.listen(id);
      this.prompt.value = "";
    } catch (error) {
      this.failed(error);
    } finally {
      this.controller = null;
      this.stopButton.hidden = true;
      this.askButton.disabled = false;
      this.rest();
    }
  }

  begin(prompt) {
    this.asked = prompt;
    this.controller = new AbortController();
    this.comparison = null;
    this.voted = false;
    this.again.hidden = true;
    this.ready(false);
    this.stopButton.hidden = false;
    this.askButton.disabled = true;
    setChildren(this.notice);
    setText(this.state, "Both are answering…");
    for (const side of Object.values(this.sides)) side.say("…", true);
  }

  async listen(id) {
    const signal = this.controller.signal;
    await stream(`blind/${id}/answers`, {}, signal, (name, data) => {
      if (name === "problem") throw new Refusal(data);
      if (data.loading) setText(this.state, "The base model is being loaded…");
      if (data.first === null) return;
      for (const side of SIDES) this.sides[side].say(data[side] || "(an empty answer)");
      this.comparison = id;
    });
    if (!this.comparison) throw new Refusal([{ message: "The answers broke off.", remedy: "Ask again." }]);
    const same = this.sides.first.text === this.sides.second.text;
    setText(this.state, same ? "Both answers are the same, word for word." : `Which answer to “${this.asked}” is better?`);
    this.ready(true);
    this.votes[0].focus({ preventScroll: true });
  }

  failed(error) {
    for (const side of Object.values(this.sides)) side.say(NOTHING, true);
    if (error.name === "AbortError") return;
    tellRefusal(this.notice, "No answers", error);
  }

  async vote(verdict) {
    const id = this.comparison;
    if (!id) return;
    this.comparison = null;
    this.ready(false);
    try {
      const vote = await post(`blind/${id}/vote`, { verdict });
      this.voted = true;
      for (const side of SIDES) this.sides[side].reveal(vote[side], verdict === side);
      setText(this.state, `Your vote: ${VERDICTS.find((each) => each.verdict === verdict).words}. ${vote.first.by.label} was A, ${vote.second.by.label} was B.`);
      this.again.hidden = false;
      this.again.focus({ preventScroll: true });
      await this.standing.refresh();
    } catch (error) {
      tellRefusal(this.notice, "The vote was not kept", error);
    }
  }

  stop() {
    this.controller?.abort();
  }
}

/** One of the two answers. */
class Side {
  constructor(letter) {
    this.letter = letter;
    this.title = h("h2", {}, letter);
    this.facts = h("p", { class: "lw-note" });
    this.answer = h("p", { class: "lw-turn" });
    this.element = h("section", { class: "lw-panel lw-side", "aria-label": `Answer ${letter}` }, this.title, this.facts, this.answer);
    this.say(NOTHING, true);
  }

  get text() {
    return this.answer.textContent;
  }

  say(text, quiet = false) {
    setText(this.title, this.letter);
    setText(this.facts, "");
    setText(this.answer, text);
    this.answer.classList.toggle("lw-quiet", quiet);
    this.element.classList.remove("lw-preferred");
  }

  reveal({ by, tokens, seconds, finish_reason, adapter_hash, cut_turns }, preferred) {
    setText(this.title, `${this.letter} was ${by.label || by.model}`);
    const facts = [by.endpoint || (by.model === "base" ? "base model" : by.model)];
    if (adapter_hash) facts.push(adapter_hash.slice(0, 8));
    facts.push(`${tokens} tokens`, `${seconds.toFixed(1)} s`);
    if (finish_reason === "length") facts.push("cut at the limit");
    if (cut_turns) facts.push(`the oldest ${cut_turns} turns left out`);
    setText(this.facts, facts.join(" · "));
    this.element.classList.toggle("lw-preferred", preferred);
  }
}
