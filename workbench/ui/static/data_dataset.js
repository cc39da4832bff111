// One dataset: as what it is looked at, its rows as the model will see them, its figures, its problems, its edits.

import { get, post, remove } from "./api.js";
import { EditPanel } from "./data_edit.js";
import { FiguresPanel } from "./data_figures.js";
import { problemGroups } from "./data_problems.js";
import { RowPanel } from "./data_row.js";
import { confirmed, h, setChildren, setText } from "./dom.js";
import * as format from "./format.js";
import { attempt, tellRefusal } from "./refusal.js";

const SETTINGS = ["train_on", "chat_template", "max_length", "validation_share", "batch_size"];
const TYPING_MS = 350;

export class DatasetView {
  constructor(query, go) {
    this.id = query.get("dataset");
    this.query = query;
    this.go = go;
    this.title = h("h1", {}, "Data");
    this.line = h("p", { class: "lw-line" });
    this.buttons = h("div", { class: "lw-buttons" });
    this.notice = h("div", {});
    this.settings = h("div", { class: "lw-fields" });
    this.body = h("div", { class: "lw-data" }, h("p", { class: "lw-note" }, "Loading the dataset…"));
    this.element = h("article", { class: "lw-data" },
      h("a", { href: "./data", class: "lw-back" }, "All datasets"),
      h("header", { class: "lw-run-head" }, h("div", {}, this.title, this.line), this.buttons),
      this.notice, this.body);
  }

  async start() {
    try {
      const [described, choices, cards] = await Promise.all([get(`datasets/${this.id}`), get("library/choices"), get("models")]);
      Object.assign(this, { described, choices, cards });
    } catch (error) {
      setChildren(this.body);
      tellRefusal(this.notice, "This dataset cannot be shown", error);
      return;
    }
    this.build();
  }

  close() {
    clearTimeout(this.typing);
    this.figures?.close();
    this.row?.close();
  }

  build() {
    const { entry, report } = this.described;
    const { dataset } = entry;
    document.title = `${dataset.name} · LoRA Workbench`;
    setText(this.title, entry.title || dataset.name);
    setText(this.line, factsOf(this.described));
    this.view = this.viewFrom(this.query);
    this.placeSettings();
    this.row = new RowPanel(dataset, report.unit, { onmove: () => this.remember(), ondrop: (line) => this.edit({ kind: "drop", lines: [line] }) });
    this.figures = new FiguresPanel(dataset, report, (line) => this.linkTo(line), (problem) => this.linkOf(problem));
    setChildren(this.body,
      h("section", { class: "lw-panel" }, h("h2", {}, "As a run would see it"), this.settings),
      this.figures.warnings,
      h("div", { class: "lw-split-view" },
        h("div", { class: "lw-data" }, this.row.element, this.problemPanel(report, dataset),
          new EditPanel(this.described, this.choices.edits, (step) => this.edit(step), () => this.undo()).element, this.originPanel()),
        this.figures.element));
    this.body.addEventListener("click", (event) => this.followLine(event));
    this.changed(Number(this.query.get("row") ?? 1) - 1);
  }

  // --- as what it is looked at --------------------------------------------------------------------------------------

  viewFrom(query) {
    const view = { model: query.get("model") ?? this.choices.base_model };
    for (const name of SETTINGS) view[name] = query.get(name) ?? this.choices.fields[name].default;
    return view;
  }

  placeSettings() {
    const ready = this.cards.filter((card) => card.ready || card.reference === this.view.model).map((card) => [card.reference, card.name]);
    if (!ready.some(([reference]) => reference === this.view.model)) ready.push([this.view.model, this.view.model]);
    const change = (name) => (event) => {
      if (!event.target.reportValidity()) return;
      this.view[name] = event.target.value;
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.changed(this.row.index), event.type === "input" ? TYPING_MS : 0);
    };
    const menu = (label, name, options, help) => h("label", { class: "lw-labelled", title: help }, h("span", {}, label),
      h("select", { onchange: change(name) }, ...options.map(([value, text]) => h("option", { value, selected: value === this.view[name] }, text))));
    const field = (name) => {
      const { title, description, enum: options, minimum, maximum, type } = this.choices.fields[name];
      if (options) return menu(title, name, options.map((option) => [option, option]), description);
      const step = type === "integer" ? "1" : "0.01";
      return h("label", { class: "lw-labelled", title: description }, h("span", {}, title),
        h("input", { type: "number", required: true, min: minimum, max: maximum, step, value: String(this.view[name]), oninput: change(name) }));
    };
    setChildren(this.settings, menu("Base model", "model", ready, "Whose chat template and tokenizer are used"), ...SETTINGS.map(field));
  }

  changed(index) {
    this.row.look(index, this.view);
    this.figures.look(this.view);
    this.placeButtons();
    this.remember();
  }

  /** The address reopens what is on the screen. */
  remember() {
    const query = this.searchOf(this.row.index + 1);
    window.history.replaceState(null, "", `${window.location.pathname}?${query}`);
  }

  searchOf(row) {
    const query = new URLSearchParams({ dataset: this.id, row });
    if (this.view.model !== this.choices.base_model) query.set("model", this.view.model);
    for (const name of SETTINGS) if (String(this.view[name]) !== String(this.choices.fields[name].default)) query.set(name, this.view[name]);
    return query;
  }

  // --- buttons ------------------------------------------------------------------------------------------------------

  placeButtons() {
    const { dataset } = this.described.entry;
    const sample = Boolean(this.described.entry.title);
    const train = new URLSearchParams({ dataset: sample ? `sample:${dataset.name}` : dataset.id, base_model: this.view.model });
    for (const name of SETTINGS) train.set(name, this.view[name]);
    setChildren(this.buttons,
      h("a", { class: "lw-button lw-primary", href: `./?${train}` }, "Train with this"),
      h("a", { class: "lw-button", href: `api/datasets/${dataset.id}/original`, download: "" }, "Original file"),
      sample ? null : h("button", { class: "lw-button lw-quiet-danger", onclick: () => this.remove() }, "Remove"));
  }

  problemPanel(report, dataset) {
    const refused = `Download the ${format.whole(dataset.refused)} refused rows`;
    return h("section", { class: "lw-panel" }, h("h2", {}, "Problems of the file"),
      problemGroups(report, (problem) => this.linkOf(problem)),
      dataset.refused ? h("a", { class: "lw-button", href: `api/datasets/${dataset.id}/refused`, download: "" }, refused) : null,
      this.figures.problems);
  }

  /** Where the dataset comes from, who uses it, and its other versions. */
  originPanel() {
    const { entry, versions } = this.described;
    const { dataset, runs } = entry;
    const others = versions.filter((version) => version.id !== dataset.id);
    const facts = [
      ["Source", dataset.source || "–"], ["Licence", dataset.licence || "–"], ["Added", format.moment(dataset.added)], ["Content", dataset.id],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
    const links = (items) => h("ul", { class: "lw-plain" }, ...items.map(([href, text]) => h("li", {}, h("a", { href }, text))));
    return h("section", { class: "lw-panel" }, h("h2", {}, "Origin and use"), h("dl", { class: "lw-facts" }, ...facts),
      runs.length ? h("div", {}, h("h3", {}, "Runs that learn from it"), links(runs.slice(0, 20).map((run) => [`./runs?run=${run}`, run]))) : null,
      others.length ? h("div", {}, h("h3", {}, "Other versions"), links(others.map((version) => [`./data?dataset=${version.id}`, `version ${version.version}: ${format.whole(version.rows)} rows${version.steps.length ? `, ${version.steps.at(-1)}` : ""}`]))) : null);
  }

  // --- lines --------------------------------------------------------------------------------------------------------

  /** The rows with errors are not there to be shown. */
  linkOf(problem) {
    return problem.line !== null && (problem.severity === "warning" || problem.kind === "template-refuses") ? this.linkTo(problem.line) : null;
  }

  linkTo(line) {
    return `./data?dataset=${this.id}&line=${line}`;
  }

  /** A link to a line of this dataset moves the row view. */
  async followLine(event) {
    const link = event.target.closest("a");
    const target = link && new URL(link.href).searchParams;
    if (!target?.get("line") || target.get("dataset") !== this.id) return;
    event.preventDefault();
    event.stopPropagation();
    await attempt(this.notice, "That row cannot be shown", async () => {
      const { index } = await get(`datasets/${this.id}/places/${target.get("line")}`);
      this.row.look(index, this.view);
      this.row.element.scrollIntoView({ block: "start" });
    });
  }

  // --- changes ------------------------------------------------------------------------------------------------------

  async edit(step) {
    await attempt(this.notice, "The dataset was not changed", async () => {
      const { id } = await post(`datasets/${this.id}/edits`, step);
      this.go(`?dataset=${id}`);
    });
  }

  async undo() {
    await attempt(this.notice, "The edit was not undone", async () => {
      const { id } = await post(`datasets/${this.id}/undo`);
      this.go(`?dataset=${id}`);
    });
  }

  async remove() {
    const { dataset } = this.described.entry;
    const consequence = "Its rows and the file it came from are deleted from this machine. This cannot be undone.";
    if (!(await confirmed(`Remove “${dataset.name}”?`, consequence, "Remove"))) return;
    await attempt(this.notice, "The dataset was not removed", async () => {
      await remove(`datasets/${this.id}`);
      this.go("");
    });
  }
}

function factsOf({ entry, report }) {
  const { dataset } = entry;
  const facts = [`${format.whole(dataset.rows)} rows`];
  if (dataset.refused) facts.push(`${format.whole(dataset.refused)} refused`);
  facts.push(dataset.format.replaceAll("_", " "), format.size(dataset.bytes));
  if (dataset.version > 1) facts.push(`version ${dataset.version}`);
  const read = report.reason && !dataset.steps.length ? `. Recognised by ${report.reason}.` : "";
  return facts.join(" · ") + read;
}
