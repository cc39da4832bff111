// Chat: one prompt to all panes at once, over as many turns as one likes.

import { h } from "./dom.js";
import { Pane } from "./pane.js";
import { addSpeaker } from "./playground_add.js";
import { Conversation } from "./playground_conversation.js";
import { MOST_SEATS, Seat } from "./playground_lineup.js";
import { PromptPicker } from "./playground_prompts.js";
import { draft, SavedBar } from "./playground_saved.js";
import { ChatView } from "./playground_view.js";

/** The mode, as `playground_modes.js` says what one is. */
export const mode = (lineup) => new Chat(lineup);

class Chat {
  constructor(lineup) {
    this.lineup = lineup;
    this.conversation = new Conversation();
    this.panes = [];
    this.paneBox = h("div", { class: "lw-panes" });
    this.addButton = h("button", { class: "lw-button", onclick: () => lineup.add() }, "Add a pane");
    this.otherButton = h("button", { class: "lw-button", onclick: () => addSpeaker(lineup) }, "Add a model");
    this.view = new ChatView(this);
    this.saved = new SavedBar(this);
    this.element = h("div", { class: "lw-chat" },
      this.saved.element, this.saved.notice,
      h("div", { class: "lw-bar-line" }, h("div", { class: "lw-buttons" }, this.addButton, this.otherButton), this.view.element),
      this.view.legend, this.paneBox, this.askForm());
    lineup.addEventListener("seats", () => this.seat());
    lineup.addEventListener("base", () => this.begin());
    lineup.addEventListener("settings", () => this.saved.changed());
    lineup.addEventListener("replaced", () => this.seat());
    lineup.addEventListener("choices", () => this.panes.forEach((pane) => pane.offer()));
    lineup.addEventListener("seat", ({ seat }) => this.seatChanged(seat));
    this.seat();
    this.element.addEventListener("keydown", (event) => event.key === "Escape" && this.stop());
    this.reopen();
  }

  /** What the address names, or what this tab showed to the same panes before it was loaded anew. */
  reopen() {
    const asked = new URLSearchParams(window.location.search);
    const last = draft();
    if (asked.get("c")) this.saved.show(asked.get("c"));
    else if (last && asked.get("panes") === last.seats.map((each) => String(new Seat(each))).join(",") && last.base_model === this.lineup.baseModel) this.restore(last);
  }

  show() {
    this.prompt.focus({ preventScroll: true });
  }

  hide() {}

  /** All there is, as the server keeps it. */
  snapshot() {
    const { baseModel, system, sampling, seats } = this.lineup;
    return {
      base_model: baseModel,
      system,
      sampling,
      prompts: this.conversation.prompts,
      seats: seats.map((seat) => ({ ...seat, label: this.lineup.plainNameOf(seat), answers: this.conversation.kept(seat) })),
    };
  }

  /** Show a conversation as `snapshot` gives it. */
  restore({ base_model: baseModel, system, sampling, prompts, seats }) {
    this.stop();
    this.conversation = new Conversation([...prompts]);
    const seated = seats.map(({ answers, ...seat }) => {
      const made = new Seat(seat);
      this.conversation.answers.set(made, [...answers]);
      return made;
    });
    this.lineup.replace({ baseModel, system, sampling, seats: seated });
  }

  close() {
    this.stop();
  }

  /** A pane for each seat; those that stay keep what they show. */
  seat() {
    const kept = new Map(this.panes.map((pane) => [pane.seat, pane]));
    this.panes = this.lineup.seats.map((seat) => kept.get(seat) ?? new Pane(this, seat));
    for (const [seat, pane] of kept) if (!this.lineup.seats.includes(seat)) pane.stop();
    this.paneBox.replaceChildren(...this.panes.map((pane) => pane.element));
    this.addButton.disabled = this.otherButton.disabled = this.panes.length >= MOST_SEATS;
    this.view.offer();
    this.changed();
  }

  /** An empty conversation with the same panes. */
  begin() {
    this.stop();
    this.conversation = new Conversation();
    this.saved.becomes(null);
    this.seat();
    this.panes.forEach((pane) => pane.draw());
  }

  /** Answers belong to whoever gave them: another one at the same place has to give its own. */
  seatChanged(seat) {
    const pane = this.panes.find((each) => each.seat === seat);
    pane.head.draw();
    this.view.offer();
    pane.measureAnew();
    this.saved.changed();
    if (pane.answeredBy === seat.speaker) return;
    pane.answeredBy = seat.speaker;
    pane.stop();
    this.conversation.forget(seat);
    pane.draw();
    this.changed();
  }

  /** A pane began or ended, or says something else. */
  changed() {
    const busy = this.panes.some((pane) => pane.busy);
    this.sendButton.disabled = busy;
    this.stopButton.disabled = !busy;
    if (!busy) this.saved.changed();
  }

  askForm() {
    this.prompt = h("textarea", { rows: "2", required: true, placeholder: "What do you want to ask?", "aria-label": "Prompt" });
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.send();
      }
    });
    this.sendButton = h("button", { class: "lw-button lw-primary", onclick: () => this.send() }, "Send to all");
    this.stopButton = h("button", { class: "lw-button", disabled: true, onclick: () => this.stop() }, "Stop all");
    const picker = new PromptPicker((prompt) => this.take(prompt), () => this.conversation.prompts);
    return h("div", { class: "lw-panel lw-ask" }, this.prompt,
      h("div", { class: "lw-buttons" }, this.sendButton, this.stopButton), picker.element);
  }

  take(prompt) {
    this.prompt.value = prompt;
    this.prompt.focus();
  }

  async send() {
    const prompt = this.prompt.value.trim();
    if (!prompt || !this.panes.length || this.panes.some((pane) => pane.busy)) return;
    this.prompt.value = "";
    this.conversation.prompts.push(prompt);
    this.panes.forEach((pane) => pane.draw());
    await this.catchUp();
  }

  /** Ask another prompt at `place`: it and all after it are answered anew, by all. */
  async editPrompt(place, text) {
    this.stop();
    this.conversation.prompts[place] = text;
    for (const pane of this.panes) {
      this.conversation.cut(pane.seat, place);
      pane.draw();
    }
    await this.catchUp();
  }

  catchUp() {
    return Promise.all(this.panes.map((pane) => pane.catchUp()));
  }

  stop() {
    this.panes.forEach((pane) => pane.stop());
  }
}
