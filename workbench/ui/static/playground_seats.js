// One seat's controls: who answers, at which strength, and whether it has settings of its own.

import { h, setChildren, setText } from "./dom.js";
import { MOST_SEATS, MOST_STRENGTH, Seat } from "./playground_lineup.js";
import { settingsForm } from "./playground_settings.js";

export class SeatHead {
  /** @param {HTMLElement[]} buttons  what else stands in the row, such as a stop button */
  constructor(lineup, seat, ...buttons) {
    Object.assign(this, { lineup, seat });
    this.menu = h("select", { "aria-label": "Who answers", onfocus: () => lineup.tell("opened"), onchange: () => this.choose(this.menu.value) });
    this.slider = h("input", { type: "range", min: "0", max: String(MOST_STRENGTH), step: "0.05" });
    this.amount = h("output", {});
    this.slider.addEventListener("input", () => setText(this.amount, amountText(this.slider.value)));
    this.slider.addEventListener("change", () => lineup.change(seat, { strength: Number(this.slider.value) }));
    this.strength = h("label", { class: "lw-strength" }, h("span", {}, "Strength"), this.slider, this.amount);
    this.reference = h("select", { onchange: () => lineup.change(seat, { reference: this.reference.value }) });
    this.measured = h("label", { class: "lw-field lw-measured", title: "The model of the same server that distances are measured from: choose its base." }, h("span", {}, "Measured against"), this.reference);
    const close = h("button", { class: "lw-button lw-icon lw-close", "aria-label": "Close this pane", title: "Close this pane", onclick: () => lineup.remove(seat) }, "×");
    this.own = h("details", { class: "lw-more lw-own" });
    this.element = h("div", { class: "lw-seat" }, h("div", { class: "lw-pane-head" }, this.menu, ...buttons, close), this.measured, this.strength, this.own);
    this.draw();
  }

  choose(value) {
    const { model, endpoint, base } = Seat.parse(value);
    const { reference } = this.seat;
    const stays = endpoint === this.seat.endpoint && model !== reference;
    this.lineup.change(this.seat, { model, endpoint, base, reference: stays ? reference : "", strength: 1, label: "" });
  }

  draw() {
    const { seat } = this;
    this.offer();
    this.strength.hidden = !seat.adapter;
    this.slider.value = String(seat.strength);
    setText(this.amount, amountText(seat.strength));
    this.drawOwn();
  }

  /** Offer who can answer; one that was asked for and is not there is named as such, never replaced by another. */
  offer() {
    const { seat, lineup } = this;
    const value = seat.adapter ? seat.model : seat.speaker;
    setChildren(this.menu, ...groups(lineup, seat).map(([title, options]) => {
      const items = options.map(([id, label]) => h("option", { value: id, selected: id === value }, label));
      return title ? h("optgroup", { label: title }, ...items) : items;
    }).flat());
    this.menu.title = this.menu.selectedOptions[0]?.text ?? "";
    this.drawReference();
  }

  drawReference() {
    const { seat, lineup } = this;
    const beside = lineup.beside(seat);
    const chosen = lineup.referenceOf(seat);
    this.measured.hidden = !beside.length;
    setChildren(this.reference, ...beside.map((id) => h("option", { value: id, selected: id === chosen }, id)));
  }

  drawOwn() {
    const { seat, lineup } = this;
    const own = seat.sampling !== null;
    if (this.own.childElementCount && own === this.drawnOwn) return;
    this.drawnOwn = own;
    const tick = h("input", { type: "checkbox", checked: own, onchange: () => this.setOwn(tick.checked) });
    setChildren(this.own, h("summary", {}, own ? "Own settings" : "Shared settings"),
      h("label", { class: "lw-check" }, tick, "Own system prompt and sampling"),
      own ? settingsForm(lineup.fields, { system: seat.system, sampling: seat.sampling }, (changes) => lineup.change(seat, changes)) : null);
  }

  setOwn(own) {
    const { seat, lineup } = this;
    lineup.change(seat, own ? { system: lineup.system, sampling: { ...lineup.sampling } } : { system: null, sampling: null });
    this.own.querySelector("input").focus();
  }
}

const amountText = (strength) => `× ${Number(strength).toFixed(2)}`;

/** What the menu offers, as `[title, [[value, text], …]]`. */
function groups(lineup, seat) {
  const { adapters, others } = lineup;
  const step = (choice) => choice.id.includes("/");
  const valueOf = (choice) => (choice.endpoint ? `${choice.endpoint}|${choice.id}` : choice.kind === "merged" ? `=${choice.base_model}` : choice.id);
  const offer = (title, choices) => [title, choices.map((choice) => [valueOf(choice), choice.label])];
  const found = [["", [["base", "Base model"]]],
    offer("Adapters of runs", adapters.filter((choice) => !choice.added && !step(choice))),
    offer("Checkpoints", adapters.filter(step)),
    offer("Added adapters", adapters.filter((choice) => choice.added)),
    offer("Merged models", others.filter((choice) => !choice.endpoint)),
    offer("Other servers", others.filter((choice) => choice.endpoint))];
  if (!lineup.choiceOf(seat)) {
    const gone = seat.endpoint ? lineup.plainNameOf(seat) : `${seat.label || seat.model}: no adapter of this name`;
    found.push([seat.endpoint ? "From the address" : "Not there any more", [[seat.adapter ? seat.model : seat.speaker, gone]]]);
  }
  return found.filter(([, options]) => options.length);
}

/** All seats in a row, for a mode that does not show them as panes. */
export class SeatStrip {
  constructor(lineup) {
    this.lineup = lineup;
    this.box = h("div", { class: "lw-strip" });
    this.button = h("button", { class: "lw-button", onclick: () => lineup.add() }, "Add a pane");
    this.heads = [];
    this.element = h("section", { class: "lw-panel", "aria-label": "Seats" }, this.box, this.button);
    for (const kind of ["seats", "base", "replaced"]) lineup.addEventListener(kind, () => this.draw());
    lineup.addEventListener("seat", () => this.heads.forEach((head) => head.draw()));
    lineup.addEventListener("choices", () => this.heads.forEach((head) => head.offer()));
  }

  show(shown) {
    this.element.hidden = !shown;
    this.draw();
  }

  draw() {
    this.heads = this.element.hidden ? [] : this.lineup.seats.map((seat) => new SeatHead(this.lineup, seat));
    setChildren(this.box, ...this.heads.map((head) => head.element));
    this.button.disabled = this.lineup.seats.length >= MOST_SEATS;
  }
}
