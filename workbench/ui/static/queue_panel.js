// The queue and the devices it feeds: order by buttons, pause, and how many runs may share a device.

import { get, request } from "./api.js";
import { h, setChildren, setText } from "./dom.js";
import * as format from "./format.js";
import { attempt } from "./refusal.js";

const MOST_SLOTS = 16;

export class QueuePanel {
  /** @param {() => void} changed  called after anything was changed here */
  constructor(changed) {
    this.changed = changed;
    this.told = "";
    this.summary = h("summary", {}, "Queue");
    this.notice = h("div", {});
    this.list = h("ol", { class: "lw-queue" });
    this.devices = h("div", {});
    this.pause = h("button", { class: "lw-button", onclick: () => this.send("PATCH", "queue", { paused: !this.view.paused }) }, "Pause");
    this.slots = h("input", { type: "number", min: "1", max: String(MOST_SLOTS), "aria-label": "Runs at once on a device" });
    this.slots.addEventListener("change", () => this.send("PATCH", "queue", { slots: Number(this.slots.value) }));
    this.element = h("details", { class: "lw-panel lw-queue-panel" }, this.summary, this.notice, this.list, this.devices,
      h("div", { class: "lw-controls" }, this.pause,
        h("label", { class: "lw-field" }, "Runs at once on a device", this.slots),
        h("span", { class: "lw-note" }, "More than one starts only where the memory estimates fit together.")));
  }

  async refresh() {
    this.show(await get("queue"));
  }

  show(view) {
    const told = JSON.stringify(view.waiting.map(({ run, needs }) => [run.id, run.name, needs]).concat([view.paused, view.slots, view.devices]));
    const first = this.view === undefined;
    this.view = view;
    if (told === this.told) return;
    this.told = told;
    if (first && (view.waiting.length || view.paused)) this.element.open = true;
    setText(this.summary, summaryOf(view));
    setText(this.pause, view.paused ? "Go on" : "Pause");
    if (document.activeElement !== this.slots) this.slots.value = view.slots;
    const focused = document.activeElement?.closest?.(".lw-queue") ? document.activeElement.getAttribute("aria-label") : null;
    setChildren(this.list, ...view.waiting.map((waiting, place) => this.item(waiting, place)));
    setChildren(this.devices, ...view.devices.map(deviceLine));
    if (focused) this.refocus(focused);
  }

  /** A run that is moved keeps the focus on its button, so that it can be moved on; at an end, on the other one. */
  refocus(label) {
    const named = (text) => [...this.list.querySelectorAll("button")].find((button) => button.getAttribute("aria-label") === text);
    const button = named(label);
    if (button && !button.disabled) button.focus();
    else named(label.startsWith("Earlier") ? label.replace("Earlier", "Later") : label.replace("Later", "Earlier"))?.focus();
  }

  item({ run, needs }, place) {
    const move = (text, label, to, disabled) =>
      h("button", { class: "lw-button lw-small", "aria-label": `${label}: ${run.name}`, disabled, onclick: () => this.send("PUT", `queue/${run.id}`, { place: to }) }, text);
    return h("li", {},
      h("a", { href: `./runs?run=${encodeURIComponent(run.id)}` }, run.name),
      h("span", { class: "lw-note" }, needs === null ? "" : ` needs about ${format.size(needs)}`),
      move("↑", "Earlier", place - 1, place === 0),
      move("↓", "Later", place + 1, place === this.view.waiting.length - 1));
  }

  async send(method, path, body) {
    await attempt(this.notice, "The queue was not changed", async () => {
      this.show(await (await request(path, { method, body })).json());
      setChildren(this.notice);
      this.changed();
    });
  }
}

function summaryOf(view) {
  const busy = view.devices.filter((device) => device.runs.length).length;
  const words = [view.waiting.length ? `${view.waiting.length} waiting` : "nobody waits", `${busy} of ${view.devices.length} ${view.devices.length === 1 ? "device" : "devices"} busy`];
  return `Queue: ${words.join(", ")}${view.paused ? " · paused" : ""}`;
}

function deviceLine(device) {
  const busy = device.runs.length === 0 ? "idle" : device.runs.length === 1 ? "1 run" : `${device.runs.length} runs`;
  const needed = device.needed ? `, about ${format.size(device.needed)} of ${format.size(device.bytes)} needed` : `, ${format.size(device.bytes)} to be had`;
  return h("p", { class: "lw-note" }, h("strong", {}, device.name), ` ${busy}${needed}`);
}
