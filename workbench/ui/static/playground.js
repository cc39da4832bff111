// <lw-playground>: up to six panes that answer the same prompt at the same time. Who sits in them stands in the address.

import { get, Refusal } from "./api.js";
import { h, problemBox, select, setChildren } from "./dom.js";
import { Pane } from "./pane.js";

const MOST_PANES = 6;

class PlaygroundPage extends HTMLElement {
  async connectedCallback() {
    document.title = "Playground · LoRA Workbench";
    setChildren(this, h("p", { class: "lw-note" }, "Looking for models and adapters…"));
    try {
      const [cards, choices] = await Promise.all([get("models"), get("chat/choices")]);
      this.cards = cards;
      this.choices = choices;
      this.build();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setChildren(this, problemBox("The playground cannot be shown", error.problems));
    }
  }

  disconnectedCallback() {
    this.stop();
  }

  build() {
    this.panes = [];
    const wanted = this.wanted();
    this.baseModel = this.baseOf(wanted);
    this.paneBox = h("div", { class: "lw-panes" });
    this.notice = h("div", {});
    this.addButton = h("button", { class: "lw-button", onclick: () => this.add("base") }, "Add a pane");
    setChildren(this, h("div", { class: "lw-playground" },
      h("div", { class: "lw-list-head" }, h("h1", {}, "Playground"),
        select("Base model", this.bases(), this.baseModel, (value) => this.changeBase(value)), this.addButton),
      this.notice, this.paneBox, this.askForm(), this.samplingForm()));
    for (const model of wanted ?? this.usual()) this.add(model);
  }

  /** The panes that the address asks for, or null. */
  wanted() {
    const query = new URLSearchParams(window.location.search);
    const panes = query.get("panes");
    if (panes) return panes.split(",");
    const adapters = query.get("adapters");
    return adapters ? ["base", ...adapters.split(",")] : null;
  }

  /** Base and the newest adapter of the base model. */
  usual() {
    const newest = this.offered().find((choice) => choice.id !== "base");
    return newest ? ["base", newest.id] : ["base"];
  }

  baseOf(wanted) {
    const named = this.choices.find((choice) => choice.id !== "base" && (!wanted || wanted.includes(choice.id)));
    const asked = new URLSearchParams(window.location.search).get("base");
    return asked ?? named?.base_model ?? this.cards[0].reference;
  }

  bases() {
    const used = this.choices.map((choice) => choice.base_model);
    const ready = this.cards.filter((card) => card.ready || used.includes(card.reference));
    const cards = ready.length ? ready : this.cards.slice(0, 1);
    const named = cards.map((card) => [card.reference, card.name]);
    const others = [...new Set([...used, this.baseModel])].filter((base) => !named.some(([reference]) => reference === base));
    return [...named, ...others.map((base) => [base, base])];
  }

  /** Who can answer over the chosen base model. */
  offered() {
    const base = { id: "base", label: "Base model", base_model: this.baseModel };
    return [base, ...this.choices.filter((choice) => choice.id !== "base" && choice.base_model === this.baseModel)];
  }

  changeBase(value) {
    this.baseModel = value;
    for (const pane of [...this.panes]) this.drop(pane);
    for (const model of this.usual()) this.add(model);
  }

  add(model) {
    const pane = new Pane(this.offered(), model, { onchange: () => this.remember(), onclose: (closed) => this.drop(closed) });
    this.panes.push(pane);
    this.paneBox.append(pane.element);
    this.remember();
  }

  drop(pane) {
    pane.stop();
    this.panes.splice(this.panes.indexOf(pane), 1);
    pane.element.remove();
    this.remember();
  }

  /** The address reopens what is on the screen. */
  remember() {
    this.addButton.disabled = this.panes.length >= MOST_PANES;
    const query = new URLSearchParams({ base: this.baseModel, panes: this.panes.map((pane) => pane.model).join(",") });
    window.history.replaceState(null, "", `${window.location.pathname}?${query}`);
  }

  askForm() {
    this.prompt = h("textarea", { rows: "2", required: true, placeholder: "What do you want to ask?", "aria-label": "Prompt" });
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.ask();
      }
    });
    this.sendButton = h("button", { class: "lw-button lw-primary", onclick: () => this.ask() }, "Send to all");
    this.stopButton = h("button", { class: "lw-button", disabled: true, onclick: () => this.stop() }, "Stop all");
    const clear = h("button", { class: "lw-button", onclick: () => this.panes.forEach((pane) => pane.clear()) }, "Clear");
    return h("div", { class: "lw-panel lw-ask" }, this.prompt, h("div", { class: "lw-buttons" }, this.sendButton, this.stopButton, clear));
  }

  samplingForm() {
    const field = (label, attributes) => {
      const input = h("input", { type: "number", ...attributes });
      return [input, h("label", {}, label, input)];
    };
    this.system = h("textarea", { rows: "1", placeholder: "None" });
    const [temperature, temperatureField] = field("Temperature", { min: "0", max: "2", step: "0.1", value: "0" });
    const [maxTokens, maxTokensField] = field("Max tokens", { min: "1", max: "4096", step: "1", value: "200" });
    const [seed, seedField] = field("Seed", { min: "0", step: "1", value: "0", placeholder: "any" });
    this.sampling = () => ({
      temperature: Number(temperature.value),
      max_tokens: Number(maxTokens.value),
      seed: seed.value === "" ? null : Number(seed.value),
    });
    return h("div", { class: "lw-panel lw-sampling" },
      h("label", { class: "lw-wide" }, "System prompt", this.system), temperatureField, maxTokensField, seedField);
  }

  async ask() {
    const prompt = this.prompt.value.trim();
    if (!prompt || !this.panes.length || this.panes.some((pane) => pane.busy)) return;
    this.prompt.value = "";
    this.sendButton.disabled = true;
    this.stopButton.disabled = false;
    try {
      await Promise.all(this.panes.map((pane) => pane.ask(prompt, this.baseModel, this.system.value.trim(), this.sampling())));
    } finally {
      this.sendButton.disabled = false;
      this.stopButton.disabled = true;
    }
  }

  stop() {
    this.panes?.forEach((pane) => pane.stop());
  }
}

customElements.define("lw-playground", PlaygroundPage);
