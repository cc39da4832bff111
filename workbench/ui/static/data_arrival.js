// A file on its way into the library: how far its check is, what was found, as what it is read, and what to do with it.

import { get, post, remove } from "./api.js";
import { showDone } from "./data_library.js";
import { ColumnForm } from "./data_columns.js";
import { problemGroups } from "./data_problems.js";
import { h, problemBox, select, setChildren, setText } from "./dom.js";
import * as format from "./format.js";
import { Poll } from "./poll.js";
import { attempt, tellRefusal } from "./refusal.js";

const BUSY_MS = 400;

export class ArrivalView {
  constructor(id, go) {
    this.id = id;
    this.go = go;
    this.title = h("h1", {}, "Data");
    this.line = h("p", { class: "lw-line", role: "status" });
    this.buttons = h("div", { class: "lw-buttons" });
    this.notice = h("div", {});
    this.bar = h("progress", { max: "1", "aria-label": "Check" });
    this.body = h("div", { class: "lw-data" });
    this.element = h("article", { class: "lw-data" },
      h("a", { href: "./data", class: "lw-back" }, "All datasets"),
      h("header", { class: "lw-run-head" }, h("div", {}, this.title, this.line), this.buttons),
      this.notice, this.bar, this.body);
    this.poll = new Poll(() => this.refresh(), () => (this.over ? null : BUSY_MS));
  }

  async start() {
    this.choices = await get("library/choices");
    await this.poll.start();
  }

  close() {
    this.poll.stop();
  }

  async refresh() {
    try {
      const arrival = await get(`arrivals/${this.id}`);
      const settled = arrival.stage === "checked" || arrival.stage === "failed";
      if (settled && !this.over) this.showFound(arrival);
      if (!settled) this.showProgress(arrival);
      this.over = settled;
    } catch (error) {
      tellRefusal(this.notice, "This file cannot be shown", error);
      this.over = true;
      this.bar.hidden = true;
    }
  }

  showProgress({ name, stage, done, bytes }) {
    setText(this.title, name);
    const words = { receiving: "Receiving", fetching: "Fetching from the hub", checking: "Checking every row" }[stage];
    setText(this.line, `${words}, ${format.size(bytes)}${done ? `, ${Math.round(100 * done)} %` : ""}`);
    this.bar.hidden = false;
    showDone(this.bar, done);
    if (this.shown !== "progress") {
      setChildren(this.buttons, h("button", { class: "lw-button", onclick: () => this.drop() }, "Cancel"));
      setChildren(this.body);
      this.shown = "progress";
    }
  }

  showFound(arrival) {
    const { name, report, bytes, stage } = arrival;
    this.shown = "found";
    this.bar.hidden = true;
    setText(this.title, name);
    if (stage === "failed") {
      setText(this.line, format.size(bytes));
      setChildren(this.notice, problemBox("This file was not checked", [{ message: arrival.problem, remedy: arrival.remedy }]));
      setChildren(this.buttons, this.dropButton());
      return;
    }
    const rows = report.rows ? `${format.whole(report.rows)} rows can be used, ${format.whole(report.refused)} cannot` : "no row can be used";
    setText(this.line, `${format.size(bytes)}, ${report.kind || "no known kind"}: ${rows}.`);
    setChildren(this.buttons, ...this.buttonsFor(arrival));
    setChildren(this.notice, arrival.dataset ? this.knownNotice(arrival.dataset) : report.rows ? null : refusedNotice(name));
    setChildren(this.body, this.formatPanel(arrival), h("section", { class: "lw-panel" }, h("h2", {}, "What was found"), problemGroups(report)));
  }

  knownNotice(dataset) {
    return h("div", { class: "lw-warnings" }, "A file of this very content is in the library already. ", h("a", { href: `./data?dataset=${dataset}` }, "Open it"));
  }

  buttonsFor({ report, dataset }) {
    const buttons = [];
    if (dataset) buttons.push(h("a", { class: "lw-button lw-primary", href: `./data?dataset=${dataset}` }, "Open the dataset"));
    else if (report.rows) {
      const words = report.refused ? `Use the ${format.whole(report.rows)} good rows` : `Use the ${format.whole(report.rows)} rows`;
      buttons.push(h("button", { class: "lw-button lw-primary", onclick: () => this.take() }, words));
    }
    if (report.refused && report.rows && !dataset) {
      buttons.push(h("a", { class: "lw-button", href: `api/arrivals/${this.id}/refused`, download: "" }, `Download the ${format.whole(report.refused)} refused rows`));
    }
    return [...buttons, this.dropButton()];
  }

  dropButton() {
    return h("button", { class: "lw-button", onclick: () => this.drop() }, "Discard");
  }

  /** As what the rows are read, why, and the choice to read them otherwise. */
  formatPanel({ report, layout }) {
    const titles = new Map(this.choices.formats.map((each) => [each.kind, `${each.title}: ${each.example}`]));
    const chosen = layout?.kind ?? "";
    const options = [["", "As recognised"], ...[...titles.entries()]];
    this.columns = h("div", {});
    const found = layout ? "Read as you chose." : report.format ? `Recognised as ${this.titleOf(report.format)} by ${report.reason}.` : "No known format fits these rows: say which column is which.";
    const panel = h("section", { class: "lw-panel" }, h("h2", {}, "Format"), h("p", { class: "lw-line" }, found),
      select("Read the rows as", options, chosen || (report.format || layout ? "" : "columns"), (kind) => this.choose(kind, layout)), this.columns);
    if (chosen === "columns" || (!report.format && !layout && report.counts["unknown-format"])) this.showColumns(layout);
    return panel;
  }

  titleOf(kind) {
    return this.choices.formats.find((each) => each.kind === kind)?.title ?? kind;
  }

  choose(kind, layout) {
    if (kind === "columns") this.showColumns(layout);
    else this.readAs(kind ? { kind } : null);
  }

  showColumns(layout) {
    const form = new ColumnForm(this.id, layout, (chosen) => this.readAs(chosen));
    setChildren(this.columns, form.element);
    form.start();
  }

  async readAs(layout) {
    await attempt(this.notice, "The rows cannot be read like this", async () => {
      await post(`arrivals/${this.id}/check`, { layout });
      this.over = false;
      setChildren(this.notice);
      await this.poll.now();
    });
  }

  async take() {
    await attempt(this.notice, "The dataset was not added", async () => {
      const dataset = await post(`arrivals/${this.id}/take`);
      this.go(`?dataset=${dataset.id}`);
    });
  }

  async drop() {
    await attempt(this.notice, "The file was not discarded", async () => {
      await remove(`arrivals/${this.id}`);
      this.go("");
    });
  }
}

function refusedNotice(name) {
  return h("div", { class: "lw-problems", role: "alert" }, h("strong", {}, `${name} cannot be used as it is`), " What is wrong, and what to do, stands below.");
}
