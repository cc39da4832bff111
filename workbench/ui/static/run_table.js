// The table of runs: searched, filtered and ordered by the server, with the columns that this browser chose.

import { get } from "./api.js";
import { h, select, setChildren, setText } from "./dom.js";
import { Poll } from "./poll.js";
import { QueuePanel } from "./queue_panel.js";
import { tellRefusal } from "./refusal.js";
import { COLUMNS, keepColumns, shownColumns } from "./run_columns.js";
import { RunRows } from "./run_rows.js";
import { isActive, STATUSES } from "./status.js";

const BUSY_MS = 2000;
const IDLE_MS = 6000;
const TYPING_MS = 150;
const NEWEST = "-created";

export class RunTable {
  constructor() {
    const asked = new URLSearchParams(window.location.search);
    this.query = asked.get("q") ?? "";
    this.status = asked.get("status") ?? "";
    this.sort = asked.get("sort") ?? NEWEST;
    this.archived = asked.has("archived");
    this.chosen = new Set((asked.get("select") ?? "").split(",").filter(Boolean));
    this.shown = shownColumns();
    this.columns = COLUMNS.filter((column) => this.shown.has(column.key));
    this.runs = [];
    this.build();
    this.poll = new Poll(() => this.refresh(), () => (this.runs.some((run) => isActive(run.status)) ? BUSY_MS : IDLE_MS));
  }

  start() {
    return this.poll.start();
  }

  close() {
    clearTimeout(this.typing);
    this.poll.stop();
  }

  build() {
    this.rows = new RunRows((id, chosen) => this.choose(id, chosen));
    this.queue = new QueuePanel(() => this.poll.now());
    this.heads = h("tr", {});
    this.table = h("div", { class: "lw-scroll" },
      h("table", { class: "lw-table lw-runs-table" }, h("thead", {}, this.heads), this.rows.element));
    this.body = h("div", {}, h("p", { class: "lw-note" }, "Loading the runs…"));
    this.found = h("span", { class: "lw-note", role: "status" });
    this.compare = h("a", { class: "lw-button", role: "link" }, "Compare");
    this.drawHeads();
    this.tellChosen();
    this.element = h("section", { class: "lw-run-list" },
      h("div", { class: "lw-list-head" }, h("h1", {}, "Runs"), h("a", { class: "lw-button lw-primary", href: "./" }, "New run")),
      this.filters(), this.queue.element, this.body);
  }

  filters() {
    const search = h("input", { type: "search", placeholder: "Name, model, rank>=8, tag:paper", "aria-label": "Search runs" });
    search.value = this.query;
    search.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.ask({ query: search.value }), TYPING_MS);
    });
    const archived = h("input", { type: "checkbox", checked: this.archived });
    archived.addEventListener("change", () => this.ask({ archived: archived.checked }));
    const choices = [["", "every"], ...STATUSES.map((status) => [status, status])];
    return h("div", { class: "lw-filters" }, search,
      select("Status", choices, this.status, (status) => this.ask({ status })),
      h("label", { class: "lw-check" }, archived, "Archived too"),
      this.columnMenu(), this.compare, this.found);
  }

  columnMenu() {
    const ticks = COLUMNS.filter((column) => !column.fixed).map((column) => {
      const tick = h("input", { type: "checkbox", checked: this.shown.has(column.key) });
      tick.addEventListener("change", () => this.showColumn(column.key, tick.checked));
      return h("label", { class: "lw-check" }, tick, column.title);
    });
    return h("details", { class: "lw-menu" }, h("summary", { class: "lw-button" }, "Columns"), h("div", { class: "lw-menu-box" }, ...ticks));
  }

  showColumn(key, shown) {
    if (shown) this.shown.add(key);
    else this.shown.delete(key);
    keepColumns(this.shown);
    this.columns = COLUMNS.filter((column) => this.shown.has(column.key));
    this.drawHeads();
    this.draw();
  }

  /** Ask the server anew, and let the address say what is asked. */
  ask(changes) {
    Object.assign(this, changes);
    const address = new URL(window.location);
    const words = { q: this.query, status: this.status, sort: this.sort === NEWEST ? "" : this.sort, archived: this.archived ? "yes" : "" };
    for (const [name, value] of Object.entries(words)) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    window.history.replaceState(null, "", address);
    this.drawHeads();
    this.poll.now();
  }

  get fullQuery() {
    return [this.query, this.status && `status:${this.status}`, this.archived && "is:any"].filter(Boolean).join(" ");
  }

  async refresh() {
    const asked = `runs?query=${encodeURIComponent(this.fullQuery)}&sort=${encodeURIComponent(this.sort)}`;
    try {
      const [runs] = await Promise.all([get(asked), this.queue.refresh()]);
      this.runs = runs;
      this.draw();
    } catch (error) {
      tellRefusal(this.body, "The runs cannot be shown", error);
    }
  }

  draw() {
    if (!this.runs.length) {
      setText(this.found, "");
      setChildren(this.body, this.fullQuery ? nothing("No run matches.", "") : nothing("No runs yet.", "Make the first one: choose a base model and a dataset, and start."));
      return;
    }
    this.rows.show(this.runs, this.columns, this.chosen);
    setText(this.found, `${this.runs.length.toLocaleString("en")} ${this.runs.length === 1 ? "run" : "runs"}`);
    if (this.body.firstChild !== this.table) setChildren(this.body, this.table);
  }

  drawHeads() {
    const wanted = this.sort.replace(/^-/, "");
    const heads = this.columns.map((column) => {
      const order = column.sort !== wanted ? null : this.sort.startsWith("-") ? "descending" : "ascending";
      const mark = order === null ? "" : order === "descending" ? " ↓" : " ↑";
      const button = h("button", { class: "lw-sort", onclick: () => this.orderBy(column, order) }, column.title + mark);
      return h("th", { scope: "col", class: column.figure ? "lw-figure" : null, "aria-sort": order }, button);
    });
    const focused = [...this.heads.querySelectorAll("button")].indexOf(document.activeElement);
    setChildren(this.heads, h("th", { scope: "col", class: "lw-choose" }, h("span", { class: "lw-unseen" }, "Compare")), ...heads);
    if (focused >= 0) this.heads.querySelectorAll("button")[focused]?.focus();
  }

  /** Numbers begin with the largest, words with the first; again turns it round. */
  orderBy(column, order) {
    const first = column.figure || column.key === "created" ? "-" : "";
    const turned = order === "descending" ? "" : "-";
    this.ask({ sort: (order === null ? first : turned) + column.sort });
  }

  choose(id, chosen) {
    if (chosen) this.chosen.add(id);
    else this.chosen.delete(id);
    this.tellChosen();
  }

  tellChosen() {
    const enough = this.chosen.size >= 2;
    this.compare.setAttribute("aria-disabled", String(!enough));
    setText(this.compare, this.chosen.size ? `Compare ${this.chosen.size}` : "Compare");
    if (enough) this.compare.href = `./runs?compare=${[...this.chosen].map(encodeURIComponent).join(",")}`;
    else this.compare.removeAttribute("href");
  }
}

function nothing(heading, text) {
  return h("div", { class: "lw-empty" }, h("p", {}, h("strong", {}, heading)), h("p", {}, text));
}
