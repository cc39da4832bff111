// <lw-playground>: who answers, the modes in which they are asked, and the settings that all of them share.

import { get, Refusal } from "./api.js";
import { h, problemBox, select, setChildren } from "./dom.js";
import { Lineup, MOST_SEATS, Seat } from "./playground_lineup.js";
import { MODES } from "./playground_modes.js";
import { SeatStrip } from "./playground_seats.js";
import { endpointPanel } from "./playground_endpoint.js";
import { settingsForm } from "./playground_settings.js";
import { Poll } from "./poll.js";

const LOOK_MS = 5000;
/** How often it is looked who can answer: runs finish, and save checkpoints, while the page is open. */

class PlaygroundPage extends HTMLElement {
  async connectedCallback() {
    document.title = "Playground · LoRA Workbench";
    setChildren(this, h("p", { class: "lw-note", role: "status" }, "Looking for models and adapters…"));
    try {
      const [cards, choices, fields] = await Promise.all([get("models"), get("chat/choices"), get("chat/fields")]);
      this.lineup = new Lineup(cards, choices, fields);
      this.seat();
      await this.build();
      this.poll = new Poll(() => this.look(), () => LOOK_MS);
      this.lineup.addEventListener("opened", () => this.poll.now());
      await this.poll.start();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setChildren(this, problemBox("The playground cannot be shown", error.problems));
    }
  }

  disconnectedCallback() {
    this.poll?.stop();
    for (const mode of Object.values(this.opened ?? {})) mode.close();
  }

  /** Offer who can answer now; while the server is away, who could when it was last there. */
  async look() {
    try {
      this.lineup.setChoices(await get("chat/choices"));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  /** Seat those whom the address asks for. */
  seat() {
    const query = new URLSearchParams(window.location.search);
    const panes = query.get("panes")?.split(",") ?? (query.get("adapters") ? ["base", ...query.get("adapters").split(",")] : null);
    const seats = panes?.slice(0, MOST_SEATS).map((text) => Seat.parse(text));
    this.lineup.baseModel = query.get("base") ?? this.lineup.baseFor(seats);
    this.lineup.seats = seats ?? this.lineup.usual();
  }

  async build() {
    this.opened = {};
    this.place = h("div", { class: "lw-mode" });
    this.buttons = MODES.map((mode) => h("button", { class: "lw-switch", onclick: () => this.choose(mode) }, mode.title));
    this.strip = new SeatStrip(this.lineup);
    this.bases = select("Base model", [], "", (value) => this.lineup.setBase(value));
    this.settings = h("section", { class: "lw-panel", "aria-label": "Shared settings" });
    setChildren(this, h("div", { class: "lw-playground" },
      h("div", { class: "lw-list-head" }, h("h1", {}, "Playground"),
        h("div", { class: "lw-switches", role: "group", "aria-label": "Mode", hidden: MODES.length < 2 }, ...this.buttons), this.bases),
      this.strip.element, this.place, this.settings, endpointPanel()));
    this.drawBases();
    this.drawSettings();
    this.listen();
    const asked = new URLSearchParams(window.location.search).get("mode");
    await this.choose(MODES.find((mode) => mode.id === asked) ?? MODES[0]);
  }

  listen() {
    for (const kind of ["seats", "seat", "base"]) this.lineup.addEventListener(kind, () => this.remember());
    for (const kind of ["base", "choices"]) this.lineup.addEventListener(kind, () => this.drawBases());
    this.lineup.addEventListener("replaced", () => {
      this.drawBases();
      this.drawSettings();
      this.remember();
    });
  }

  drawBases() {
    const { baseModel } = this.lineup;
    setChildren(this.bases.querySelector("select"), ...this.lineup.bases().map(([reference, name]) => h("option", { value: reference, selected: reference === baseModel }, name)));
  }

  drawSettings() {
    setChildren(this.settings, settingsForm(this.lineup.fields, this.lineup, (changes) => this.lineup.set(changes)));
  }

  async choose(mode) {
    this.mode?.hide();
    this.chosen = mode;
    if (!this.opened[mode.id]) {
      this.opened[mode.id] = (await mode.load()).mode(this.lineup);
      this.place.append(this.opened[mode.id].element);
    }
    this.mode = this.opened[mode.id];
    for (const [id, opened] of Object.entries(this.opened)) opened.element.hidden = id !== mode.id;
    this.buttons.forEach((button, number) => button.setAttribute("aria-pressed", String(MODES[number] === mode)));
    this.strip.show(!mode.panes);
    this.mode.show();
    this.remember();
  }

  /** The address reopens who is on the screen; what else stands in it is left alone. */
  remember() {
    const query = new URLSearchParams(window.location.search);
    query.delete("adapters");
    for (const [name, value] of [["base", this.lineup.baseModel], ["panes", this.lineup.seats.join(",")]]) {
      if (query.get("c")) query.delete(name);
      else query.set(name, value);
    }
    if (this.chosen === MODES[0]) query.delete("mode");
    else query.set("mode", this.chosen.id);
    window.history.replaceState(null, "", `${window.location.pathname}?${query}`);
  }
}

customElements.define("lw-playground", PlaygroundPage);
