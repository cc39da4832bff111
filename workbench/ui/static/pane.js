// One pane of the playground: who answers, what was said, and how fast.

import { Refusal, stream } from "./api.js";
import { h, problemBox, setChildren, setText } from "./dom.js";

export class Pane {
  /** @param {{id: string, label: string, base_model: string}[]} choices  @param {string} chosen a model id */
  constructor(choices, chosen, { onchange, onclose }) {
    this.turns = [];
    this.controller = null;
    this.menu = h("select", { "aria-label": "Who answers", onchange: () => this.changed(onchange) });
    this.said = h("div", { class: "lw-turns", tabindex: "0", role: "log", "aria-label": "Conversation" });
    this.facts = h("p", { class: "lw-note" });
    this.stopButton = h("button", { class: "lw-button", hidden: true, onclick: () => this.stop() }, "Stop");
    this.closeButton = h("button", { class: "lw-button", "aria-label": "Close this pane", onclick: () => onclose(this) }, "×");
    this.element = h("section", { class: "lw-panel lw-pane" },
      h("div", { class: "lw-pane-head" }, this.menu, this.stopButton, this.closeButton), this.said, this.facts);
    this.offer(choices, chosen);
    this.rest();
  }

  get model() {
    return this.menu.value;
  }

  get busy() {
    return this.controller !== null;
  }

  /** Offer `choices`; one that was asked for and is not among them is named as such, never replaced by another. */
  offer(choices, chosen = this.model) {
    const missing = chosen && !choices.some((choice) => choice.id === chosen);
    const all = missing ? [...choices, { id: chosen, label: `${chosen}: no adapter of this name` }] : choices;
    setChildren(this.menu, all.map((choice) => h("option", { value: choice.id, selected: choice.id === chosen }, choice.label)));
    this.menu.setAttribute("title", this.menu.selectedOptions[0]?.text ?? "");
  }

  changed(onchange) {
    this.clear();
    onchange();
  }

  clear() {
    this.stop();
    this.turns = [];
    setChildren(this.said);
    this.rest();
  }

  rest() {
    if (!this.turns.length) setText(this.facts, "Ask something: all panes get the same prompt.");
  }

  stop() {
    this.controller?.abort();
  }

  /** Put `prompt` to this pane's model and show the answer as it comes. */
  async ask(prompt, baseModel, system, sampling) {
    this.turns.push({ role: "user", content: prompt });
    const answer = h("p", { class: "lw-turn", "data-role": "assistant" });
    this.said.append(h("p", { class: "lw-turn lw-turn-user" }, prompt), answer);
    this.controller = new AbortController();
    this.stopButton.hidden = false;
    setText(this.facts, "Waiting for the engine…");
    const messages = [...(system ? [{ role: "system", content: system }] : []), ...this.turns];
    const body = { model: this.model, base_model: baseModel, messages, sampling };
    let last = null;
    try {
      await stream("chat", body, this.controller.signal, (name, data) => {
        if (name === "problem") throw new Refusal(data);
        this.take(data, answer);
        last = data;
      });
    } catch (error) {
      this.end(error, answer);
    } finally {
      this.controller = null;
      this.stopButton.hidden = true;
      if (answer.textContent) this.turns.push({ role: "assistant", content: answer.textContent });
      else this.turns.pop();
    }
    return last;
  }

  take(delta, answer) {
    if (delta.text) {
      const following = this.said.scrollHeight - this.said.scrollTop - this.said.clientHeight < 40;
      answer.append(delta.text);
      if (following) this.said.scrollTop = this.said.scrollHeight;
    }
    setText(this.facts, delta.phase && !delta.tokens ? phaseWords(delta) : factWords(delta, this.model));
  }

  end(error, answer) {
    if (error.name === "AbortError") {
      setText(this.facts, `${this.facts.textContent} · stopped`);
      return;
    }
    if (!(error instanceof Refusal)) throw error;
    answer.after(problemBox("No answer", error.problems));
    setText(this.facts, "");
  }
}

function phaseWords(delta) {
  const share = delta.phase_done === null ? "" : ` ${Math.round(delta.phase_done * 100)} %`;
  return `The engine is ${delta.phase}${share}`;
}

function factWords(delta, model) {
  const facts = [model === "base" ? "base model" : model];
  if (delta.adapter_hash) facts.push(delta.adapter_hash.slice(0, 8));
  facts.push(`${delta.tokens} tokens`);
  const writing = delta.seconds - (delta.first_token_seconds ?? 0);
  if (delta.tokens > 1 && writing > 0) facts.push(`${((delta.tokens - 1) / writing).toFixed(1)} tokens/s`);
  if (delta.finish_reason === "length") facts.push("cut at the limit");
  return facts.join(" · ");
}
