// One pane of the chat: who answers, what was said, and how far it is with the answer it is writing.

import { Refusal } from "./api.js";
import { h, setChildren, setText } from "./dom.js";
import { AnswerView } from "./pane_answer.js";
import { PromptView } from "./pane_prompt.js";
import { ask } from "./playground_ask.js";
import { answerOf } from "./playground_conversation.js";
import { SeatHead } from "./playground_seats.js";

const NEAR_THE_END = 40;

export class Pane {
  /** @param chat  whose conversation this is; it hears `changed(pane)` and `editPrompt(place, text)` */
  constructor(chat, seat) {
    Object.assign(this, { chat, seat, lineup: chat.lineup, controller: null, answers: [] });
    this.stopButton = h("button", { class: "lw-button", hidden: true, onclick: () => this.stop() }, "Stop");
    this.head = new SeatHead(this.lineup, seat, this.stopButton);
    this.answeredBy = seat.speaker;
    this.measuredAgainst = this.lineup.referenceOf(seat);
    this.said = h("div", { class: "lw-turns", tabindex: "0", role: "log", "aria-label": "Conversation" });
    this.state = h("p", { class: "lw-note lw-pane-state", role: "status" });
    this.progress = h("progress", { max: "1", hidden: true, "aria-label": "What the engine does first" });
    this.element = h("section", { class: "lw-panel lw-pane" }, this.head.element, this.said, this.state, this.progress);
    this.said.addEventListener("scroll", () => chat.view.scrolled(this), { passive: true });
    this.draw();
  }

  get conversation() {
    return this.chat.conversation;
  }

  get busy() {
    return this.controller !== null;
  }

  stop() {
    this.controller?.abort();
  }

  /** Show everything anew: prompts, answers, and what has not been answered. */
  draw() {
    this.element.setAttribute("aria-label", `Pane of ${this.lineup.nameOf(this.seat)}`);
    this.answers = [];
    this.asked = [];
    setChildren(this.said);
    this.conversation.prompts.forEach((prompt, place) => this.place(prompt, place));
    this.rest();
  }

  place(prompt, place) {
    this.asked[place] = new PromptView(prompt, (text) => this.chat.editPrompt(place, text)).element;
    this.said.append(this.asked[place]);
    const answer = this.conversation.answersOf(this.seat)[place];
    if (answer) this.view(place).show(answer);
  }

  /** The view of answer number `place`, made where there is none. */
  view(place) {
    if (!this.answers[place]) {
      this.answers[place] = new AnswerView(this, place);
      this.asked[place].after(this.answers[place].element);
    }
    return this.answers[place];
  }

  /** Offer the distance from another model, if it is another one now. */
  measureAnew() {
    const reference = this.lineup.referenceOf(this.seat);
    if (reference === this.measuredAgainst) return;
    this.measuredAgainst = reference;
    for (const view of this.answers) if (view?.answer) view.proof.show(view.answer);
  }

  /** Others can answer now than before. */
  offer() {
    this.head.offer();
    this.measureAnew();
    if (this.known !== this.lineup.knows(this.seat)) this.rest();
  }

  rest() {
    this.known = this.lineup.knows(this.seat);
    const open = this.conversation.open(this.seat);
    if (this.busy) return;
    if (!this.known) setChildren(this.state, "This adapter is not there any more. What it said stays; choose another one to go on.");
    else if (!this.conversation.prompts.length) setText(this.state, "Nothing was asked yet.");
    else if (open) setChildren(this.state, h("button", { class: "lw-button", onclick: () => this.catchUp() }, open === 1 ? "Answer the prompt" : `Answer ${open} prompts`));
    else setText(this.state, "");
  }

  /** Answer prompt number `place` again, and what was asked after it. */
  async again(place) {
    this.conversation.cut(this.seat, place);
    this.draw();
    await this.catchUp();
  }

  /** Put other words into the mouth of this seat; what was asked after it is answered anew. */
  async rewrite(place, text) {
    const said = this.conversation.answersOf(this.seat);
    this.conversation.cut(this.seat, place + 1);
    said[place] = answerOf(text, null, { edited: true });
    this.draw();
    this.chat.changed(this);
    await this.catchUp();
  }

  /** Answer every prompt that this seat has not answered, one after the other; ends when one is stopped or refused. */
  async catchUp() {
    if (this.busy || !this.lineup.knows(this.seat)) return;
    this.controller = new AbortController();
    this.stopButton.hidden = false;
    this.chat.changed(this);
    try {
      while (this.conversation.open(this.seat) > 0 && !this.controller.signal.aborted) {
        const place = this.conversation.answersOf(this.seat).length;
        if (!(await this.answer(place))) break;
      }
    } finally {
      this.controller = null;
      this.stopButton.hidden = true;
      this.rest();
      this.chat.changed(this);
    }
  }

  /** Let the seat answer prompt number `place`; returns whether it came to its own end. */
  async answer(place) {
    const view = this.view(place);
    const said = this.conversation.answersOf(this.seat);
    let text = "";
    let last = null;
    setText(this.state, "Waiting for the engine…");
    this.follow(place === this.conversation.prompts.length - 1);
    try {
      await ask(this.lineup, this.seat, this.conversation.turns(this.seat, place), this.controller.signal, (delta) => {
        text += delta.text;
        last = { ...delta, facts: delta.facts ?? last?.facts ?? null };
        this.take(last, view);
      });
      said[place] = answerOf(text, last);
    } catch (error) {
      said[place] = this.broken(error, text, last);
    }
    this.tell(null);
    view.show(said[place]);
    return !said[place].problems && said[place].finish_reason !== "stopped";
  }

  take(delta, view) {
    const last = view.place === this.conversation.prompts.length - 1;
    const following = last && this.said.scrollHeight - this.said.scrollTop - this.said.clientHeight < NEAR_THE_END;
    view.add(delta);
    if (delta.phase || delta.tokens) this.tell(delta.tokens ? null : delta);
    this.follow(following);
  }

  /** What the engine does before it writes, such as loading a model or letting others go first; null when it writes. */
  tell(waiting) {
    setText(this.state, waiting ? phaseWords(waiting) : "");
    const done = waiting?.phase_done ?? null;
    this.progress.hidden = done === null;
    if (done !== null) this.progress.value = done;
  }

  /** Scroll there because another pane was scrolled. */
  followTo(place) {
    const before = this.said.scrollTop;
    this.said.scrollTop = place;
    if (this.said.scrollTop !== before) this.followedTo = this.said.scrollTop;
  }

  follow(wanted) {
    if (wanted) this.said.scrollTop = this.said.scrollHeight;
  }

  broken(error, text, last) {
    if (error.name === "AbortError") return answerOf(text, last, { finish_reason: "stopped" });
    if (!(error instanceof Refusal)) throw error;
    return answerOf(text, last, { finish_reason: "broken", problems: error.problems });
  }
}

function phaseWords(delta) {
  const share = delta.phase_done === null ? "" : ` ${Math.round(delta.phase_done * 100)} %`;
  return `The engine is ${delta.phase}${share}`;
}
