// <lw-system>: the machine, who is at work on it, and what lies on its disk and could go.

import { get, remove, request } from "./api.js";
import { confirmed, h, setChildren } from "./dom.js";
import * as format from "./format.js";
import { Poll } from "./poll.js";
import { attempt, tellRefusal } from "./refusal.js";

const TICK_MS = 3000;
const LARGEST = 20;
const PLACES = { runs: "Runs", models: "Converted base models", datasets: "Datasets", blueprints: "Blueprints", batches: "Batches of prompts", votes: "Blind votes", uploads: "Uploads on their way", logs: "Logs", other: "Index and settings" };

class SystemPage extends HTMLElement {
  connectedCallback() {
    document.title = "System · LoRA Workbench";
    this.machine = h("section", { class: "lw-panel" }, h("p", { class: "lw-note" }, "Looking at the machine…"));
    this.workers = h("div", {});
    this.disk = h("section", { class: "lw-panel" }, h("p", { class: "lw-note" }, "Looking at the disk…"));
    this.notice = h("div", {});
    setChildren(this, h("article", { class: "lw-run" }, h("h1", {}, "System"), this.notice, this.machine, this.workers, this.disk));
    this.poll = new Poll(() => this.look(), () => TICK_MS);
    this.poll.start();
    this.lookAtDisk();
  }

  disconnectedCallback() {
    this.poll.stop();
  }

  async look() {
    try {
      const { machine, workers } = await get("system");
      setChildren(this.machine, h("h2", {}, machine.host), ...meters(machine));
      setChildren(this.workers, workers.length ? h("section", { class: "lw-panel" }, h("h2", {}, "At work"), workerTable(workers)) : null);
    } catch (error) {
      tellRefusal(this.notice, "The machine cannot be looked at", error);
    }
  }

  async lookAtDisk() {
    try {
      const [usage, runs] = await Promise.all([get("disk"), get("runs?query=is:any")]);
      this.drawDisk(usage, new Map(runs.map((run) => [run.id, run])));
    } catch (error) {
      tellRefusal(this.notice, "The disk cannot be looked at", error);
    }
  }

  drawDisk(usage, runs) {
    const used = Object.values(usage.places).reduce((sum, bytes) => sum + bytes, 0);
    const places = Object.entries(usage.places).sort((one, other) => other[1] - one[1]);
    const largest = Object.entries(usage.runs).sort((one, other) => other[1] - one[1]);
    setChildren(this.disk, h("h2", {}, "Disk"),
      h("p", { class: "lw-note" }, `${format.size(used)} under ${usage.path}; ${format.size(usage.free)} of ${format.size(usage.total)} free.`),
      table(["What", "Size"], places.map(([name, bytes]) => [PLACES[name] ?? name, format.size(bytes)])),
      this.freeable(usage, runs),
      largest.length ? h("h3", {}, "Runs by size") : null,
      largest.length ? table(["Run", "Size", "Could go", ""], largest.slice(0, LARGEST).map(([id, bytes]) => this.runRow(id, bytes, usage, runs))) : null,
      largest.length > LARGEST ? h("p", { class: "lw-note" }, `And ${largest.length - LARGEST} smaller ones.`) : null,
      ...itemised("Converted base models", usage.models, "Delete a model's folder to free it; it is converted again when it is needed."));
  }

  freeable(usage, runs) {
    const spare = Object.entries(usage.dispensable);
    const bytes = spare.reduce((sum, [, freed]) => sum + freed, 0);
    if (!bytes) return h("p", { class: "lw-note" }, "No run that is over has checkpoints to spare.");
    const thin = async () => {
      const consequence = `Of ${spare.length === 1 ? "one run" : `${spare.length} runs`} that ${spare.length === 1 ? "is" : "are"} over, all checkpoints go but the newest and the best. Adapters stay. This cannot be undone.`;
      if (!(await confirmed(`Free ${format.size(bytes)}?`, consequence, "Delete them"))) return;
      await attempt(this.notice, "Not every checkpoint was deleted", async () => {
        for (const [id] of spare) if (runs.has(id)) await request(`runs/${id}/checkpoints`, { method: "DELETE" });
      });
      await this.lookAtDisk();
    };
    return h("p", { class: "lw-buttons" }, h("button", { class: "lw-button", onclick: thin }, `Free ${format.size(bytes)}`),
      h("span", { class: "lw-note" }, "Checkpoints of runs that are over, but for the newest and the best of each."));
  }

  runRow(id, bytes, usage, runs) {
    const run = runs.get(id);
    const spare = usage.dispensable[id];
    const name = run ? h("a", { href: `./runs?run=${encodeURIComponent(id)}` }, run.name) : id;
    const gone = async () => {
      if (!(await confirmed(`Delete “${run.name}”?`, `Its adapter, its checkpoints and its log are deleted, which frees ${format.size(bytes)}. This cannot be undone.`, "Delete"))) return;
      if (await attempt(this.notice, "The run was not deleted", () => remove(`runs/${id}`))) await this.lookAtDisk();
    };
    const button = run ? h("button", { class: "lw-quiet-action", "aria-label": `Delete ${run.name}`, onclick: gone }, "Delete") : "";
    return [name, format.size(bytes), spare ? format.size(spare) : "–", button];
  }
}

function meters(machine) {
  const memory = machine.memory_total - machine.memory_available;
  return [
    meter(`Processor: ${machine.cpu}, ${machine.cores} cores`, machine.cpu_percent / 100, `${Math.round(machine.cpu_percent)} % busy`),
    meter("Memory", memory / machine.memory_total, `${format.size(memory)} of ${format.size(machine.memory_total)}`),
    ...machine.gpus.map((card) => meter(`GPU ${card.index}: ${card.name}`, card.memory_used / card.memory_total,
      [`${format.size(card.memory_used)} of ${format.size(card.memory_total)}`, card.busy === null ? "" : `${card.busy} % busy`, card.temperature === null ? "" : `${card.temperature} °C`].filter(Boolean).join(", "))),
    machine.gpus.length ? null : h("p", { class: "lw-note" }, "No NVIDIA graphics card; runs use the processor."),
    machine.swap_used > 0 ? h("p", { class: "lw-note" }, `${format.size(machine.swap_used)} are swapped out.`) : null,
  ];
}

function meter(title, share, text) {
  return h("div", { class: "lw-meter" }, h("span", {}, title), h("progress", { max: "1", value: String(share), "aria-label": title }), h("span", { class: "lw-note" }, text));
}

function workerTable(workers) {
  return table(["Run", "Device", "Memory", "Processor time", "Process"], workers.map(({ id, name, lane, load }) =>
    [h("a", { href: `./runs?run=${encodeURIComponent(id)}` }, name), lane, format.size(load.memory), format.duration(load.cpu_seconds), String(load.pid)]));
}

function itemised(title, sizes, note) {
  const items = Object.entries(sizes).sort((one, other) => other[1] - one[1]);
  if (!items.length) return [];
  return [h("h3", {}, title), table(["Folder", "Size"], items.map(([name, bytes]) => [name, format.size(bytes)])), h("p", { class: "lw-note" }, note)];
}

function table(heads, rows) {
  const kind = (place) => (place === 0 ? null : "lw-figure");
  const head = (name, place) => (name ? h("th", { scope: "col", class: kind(place) }, name) : h("td", {}));
  return h("div", { class: "lw-scroll" }, h("table", { class: "lw-table" },
    h("thead", {}, h("tr", {}, ...heads.map(head))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell, place) => h(place === 0 ? "th" : "td", { scope: place === 0 ? "row" : null, class: kind(place) }, cell)))))));
}

customElements.define("lw-system", SystemPage);
