// The library: every dataset with where it comes from and who uses it, and the ways to add one.

import { get, post, remove } from "./api.js";
import { confirmed, h, setChildren } from "./dom.js";
import { fileDrop } from "./file_drop.js";
import * as format from "./format.js";
import { attempt, tellRefusal } from "./refusal.js";
import { upload } from "./upload.js";

export class LibraryView {
  /** @param {(search: string) => void} go shows another view of the page */
  constructor(go) {
    this.go = go;
    this.notice = h("div", {});
    this.waiting = h("div", {});
    this.list = h("div", { "aria-busy": "true" }, h("p", { class: "lw-note" }, "Loading the library…"));
    this.element = h("section", { class: "lw-data" },
      h("div", { class: "lw-list-head" }, h("h1", {}, "Data")),
      this.notice, this.addPanel(), this.waiting,
      h("section", { class: "lw-panel" }, h("h2", {}, "Library"), this.list));
  }

  start() {
    return this.refresh();
  }

  close() {
    this.sending?.abort();
  }

  async refresh() {
    try {
      const { entries, arrivals } = await get("library");
      this.list.setAttribute("aria-busy", "false");
      setChildren(this.list, table(entries, (entry) => this.remove(entry)));
      setChildren(this.waiting, arrivals.length ? waitingPanel(arrivals) : null);
    } catch (error) {
      tellRefusal(this.notice, "The library cannot be shown", error);
    }
  }

  // --- adding -------------------------------------------------------------------------------------------------------

  addPanel() {
    this.source = h("input", { type: "text", maxlength: "1000", placeholder: "Where the rows come from" });
    this.licence = h("input", { type: "text", maxlength: "200", placeholder: "Such as CC-BY-4.0" });
    this.progress = h("div", { role: "status" });
    const wanted = { id: "lw-file", what: "a file", help: "JSONL, a JSON list, CSV, TSV or Parquet; gzipped too.", kind: "lw-primary" };
    const zone = fileDrop(wanted, (file) => this.send(file),
      h("details", { class: "lw-more" }, h("summary", {}, "Source and licence"),
        h("div", { class: "lw-fields" }, field("Source", this.source), field("Licence", this.licence))),
      this.progress);
    return h("section", { class: "lw-panel lw-add" }, h("h2", {}, "Add a dataset"), h("div", { class: "lw-two" }, zone, this.hubForm()));
  }

  async send(file) {
    this.sending?.abort();
    this.sending = new AbortController();
    const bar = h("progress", { max: "1", "aria-label": "Upload" });
    const cancel = h("button", { class: "lw-button", onclick: () => this.sending.abort() }, "Cancel");
    setChildren(this.progress, h("p", { class: "lw-line" }, `Sending ${file.name}, ${format.size(file.size)}`), bar, cancel);
    const query = new URLSearchParams({ name: file.name, source: this.source.value, licence: this.licence.value });
    await attempt(this.notice, `${file.name} was not added`, async () => {
      const arrival = await upload(`arrivals?${query}`, file, (done) => showDone(bar, done), this.sending.signal);
      if (arrival) this.go(`?arrival=${arrival.id}`);
    });
    setChildren(this.progress);
  }

  hubForm() {
    const name = h("input", { type: "text", required: true, placeholder: "org/name", pattern: "[\\w][\\w.\\-]*/[\\w][\\w.\\-]*" });
    const config = h("input", { type: "text", placeholder: "the only one" });
    const split = h("input", { type: "text", placeholder: "train" });
    const form = h("form", { class: "lw-hub" },
      h("p", {}, h("strong", {}, "Or from the Hugging Face hub")),
      h("div", { class: "lw-fields" }, field("Dataset", name), field("Config", config), field("Split", split)),
      h("button", { class: "lw-button", type: "submit" }, "Fetch"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const part = (mark, text) => (text.trim() ? mark + text.trim() : "");
      const reference = `hub:${name.value.trim()}${part("@", config.value)}${part(":", split.value)}`;
      await attempt(this.notice, "The dataset was not fetched", async () => {
        this.go(`?arrival=${(await post("arrivals/hub", { reference })).id}`);
      });
    });
    return form;
  }

  // --- removing -----------------------------------------------------------------------------------------------------

  async remove({ dataset }) {
    const consequence = "Its rows and the file it came from are deleted from this machine. This cannot be undone.";
    if (!(await confirmed(`Remove “${dataset.name}”?`, consequence, "Remove"))) return;
    await attempt(this.notice, "The dataset was not removed", async () => {
      await remove(`datasets/${dataset.id}`);
      setChildren(this.notice);
      await this.refresh();
    });
  }
}

const field = (label, input) => h("label", { class: "lw-labelled" }, h("span", {}, label), input);

/** Let a progress bar say how far it is; null for unknown. */
export function showDone(bar, done) {
  if (done === null || done === undefined) bar.removeAttribute("value");
  else bar.value = done;
}

function waitingPanel(arrivals) {
  const items = arrivals.map((arrival) =>
    h("li", {}, h("a", { href: `./data?arrival=${arrival.id}` }, arrival.name), ` ${stageOf(arrival)}`));
  return h("section", { class: "lw-panel" }, h("h2", {}, "Waiting for your decision"), h("ul", { class: "lw-plain" }, ...items));
}

function stageOf({ stage, done, report }) {
  if (stage === "checked") return report.rows ? `checked: ${format.whole(report.rows)} rows can be used` : "checked: it cannot be used";
  return done ? `${stage}, ${Math.round(100 * done)} %` : stage;
}

/** A dataset that was edited further stands under its last edit. */
const isStep = ({ dataset, made, runs }) => dataset.parent && made && !runs.length;

function table(entries, drop) {
  const heads = [["Dataset", ""], ["Format", ""], ["Rows", "lw-figure"], ["Size", "lw-figure"], ["Licence", ""], ["Used by", ""], ["Added", ""], ["", ""]];
  const shown = entries.filter((entry) => !isStep(entry));
  const names = new Map();
  for (const { dataset } of shown) names.set(dataset.name, (names.get(dataset.name) ?? 0) + 1);
  return h("div", { class: "lw-scroll" }, h("table", { class: "lw-table lw-library" },
    h("thead", {}, h("tr", {}, ...heads.map(([name, kind]) => h(name ? "th" : "td", { scope: name ? "col" : null, class: kind }, name)))),
    h("tbody", {}, ...shown.map((entry) => row(entry, names.get(entry.dataset.name) > 1, drop)))));
}

function row(entry, several, drop) {
  const { dataset, runs, made, title } = entry;
  const marks = [];
  if (title) marks.push("sample");
  if (several) marks.push(`version ${dataset.version}`);
  if (dataset.steps.length) marks.push(`${dataset.steps.length} ${dataset.steps.length === 1 ? "edit" : "edits"}`);
  const users = [runs.length && `${runs.length} ${runs.length === 1 ? "run" : "runs"}`, made && `${made} edited`].filter(Boolean);
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: `./data?dataset=${dataset.id}` }, title || dataset.name), marks.length ? h("span", { class: "lw-marks" }, marks.join(" · ")) : null),
    h("td", {}, dataset.format.replaceAll("_", " ")),
    h("td", { class: "lw-figure" }, format.whole(dataset.rows)),
    h("td", { class: "lw-figure" }, format.size(dataset.bytes)),
    h("td", {}, dataset.licence || "–"),
    h("td", {}, users.join(", ") || "–"),
    h("td", {}, format.moment(dataset.added)),
    h("td", {}, title ? null : h("button", { class: "lw-button lw-plain-button lw-quiet-danger", "aria-label": `Remove ${dataset.name}`, onclick: () => drop(entry) }, "Remove")));
}
