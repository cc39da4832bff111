// A dataset in figures: its lengths against the max length, what an epoch takes, and the warnings that save a run.

import { get } from "./api.js";
import { problemGroups } from "./data_problems.js";
import { h, setChildren } from "./dom.js";
import * as format from "./format.js";
import { histogram } from "./histogram.js";
import { Poll } from "./poll.js";
import { tellRefusal } from "./refusal.js";

const COUNTING_MS = 700;
const FIRST_WORDS = 10;

export class FiguresPanel {
  /** @param {(line: number) => string} linkTo the address of a row  @param {(problem: object) => ?string} linkOf of a problem's */
  constructor(dataset, report, linkTo, linkOf) {
    this.dataset = dataset;
    this.unit = report.unit;
    this.linkOf = linkOf;
    this.warnings = h("div", { "aria-live": "polite" });
    this.problems = h("div", {});
    this.status = h("p", { class: "lw-line", role: "status" });
    this.counted = h("div", { class: "lw-data" });
    this.element = h("section", { class: "lw-panel lw-figures" },
      h("h2", {}, "Figures"), this.status, this.counted, fileFigures(report.statistics, linkTo, report.unit));
  }

  close() {
    this.poll?.stop();
  }

  /** Count as `view` would have it, and show the figures as they refine. */
  look(view) {
    this.close();
    this.over = false;
    this.view = { ...view };
    this.poll = new Poll(() => this.refresh(), () => (this.over ? null : COUNTING_MS));
    this.element.setAttribute("aria-busy", "true");
    setChildren(this.status, "Counting tokens…");
    this.poll.start();
  }

  async refresh() {
    const poll = this.poll;
    try {
      const figures = await get(`datasets/${this.dataset.id}/figures?${new URLSearchParams(this.view)}`);
      if (poll === this.poll) this.show(figures);
    } catch (error) {
      tellRefusal(this.counted, "The tokens cannot be counted", error);
      this.over = true;
      setChildren(this.status);
    }
  }

  show(figures) {
    const { seen, rows, complete, report } = figures.counted;
    this.over = complete;
    this.element.setAttribute("aria-busy", String(!complete));
    setChildren(this.status, complete ? `All ${format.whole(rows)} rows are counted.` : `Counting tokens: ${format.whole(seen)} of ${format.whole(rows)} rows${report ? "; the figures refine" : ""}.`);
    if (!report) return;
    setChildren(this.warnings, adviceBox(figures.advice));
    setChildren(this.problems, this.rowProblems(report));
    const limit = Number(this.view.max_length);
    const cut = `${format.whole(report.cut_rows)} rows (${percent(figures.cut_share)}) will be cut`;
    setChildren(this.counted,
      h("figure", { class: "lw-figure-box" }, histogram(report.lengths, limit, cut), h("figcaption", { class: "lw-note" }, `Rows by their tokens; ${cut} at ${format.whole(limit)}.`)),
      factList(factsOf(figures)), speedNote(figures.speed));
  }

  /** What is wrong with rows only once they are tokens. */
  rowProblems(report) {
    if (!report.problems.length) return null;
    const counts = Object.fromEntries(Object.entries(COUNTS).map(([kind, field]) => [kind, report[field]]));
    return h("div", {}, h("h3", {}, "In tokens"), problemGroups({ problems: report.problems, counts, unit: this.unit }, this.linkOf));
  }
}

const COUNTS = { cut: "cut_rows", untrained: "untrained_rows", "no-end": "unended_rows", "lost-content": "lossy_rows", "template-refuses": "refused_rows" };

const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

function factsOf(figures) {
  const { report } = figures.counted;
  return [
    [figures.counted.complete ? "Tokens" : "Tokens so far", format.whole(report.tokens)],
    ["Trained", percent(figures.trained_share)],
    ["Longest row", `${format.whole(report.longest)} tokens`],
    ["Teach nothing", `${format.whole(report.untrained_rows)} rows`],
    ["Train on", `${format.whole(figures.train_rows)} rows`],
    ["Held out", `${format.whole(figures.validation_rows)} rows`],
    ["Tokens an epoch", format.whole(figures.tokens_an_epoch)],
    ["Steps an epoch", format.whole(figures.steps_an_epoch)],
    ["Time an epoch", figures.seconds_an_epoch === null ? "–" : `about ${format.duration(figures.seconds_an_epoch)}`],
    ["Packed batches", `${percent(report.packed_fill)} full`],
  ];
}

function speedNote(speed) {
  if (!speed) return h("p", { class: "lw-note" }, "The time is known after the first run on this device.");
  const other = speed.same_model ? "" : ", which had another base model";
  return h("p", { class: "lw-note" }, `Time by the ${format.whole(speed.tokens_per_second)} tokens/s of `, h("a", { href: `./runs?run=${speed.run}` }, speed.name), `${other}.`);
}

function adviceBox(advice) {
  if (!advice.length) return null;
  return h("section", { class: "lw-warnings", "aria-label": "Before you train" }, h("strong", {}, "Before you train"),
    h("ul", {}, ...advice.map((found) => h("li", {}, `${found.message} `, h("span", { class: "lw-remedy" }, found.remedy)))));
}

const factList = (facts) => h("dl", { class: "lw-facts" }, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

/** What is known of the rows without a tokenizer. */
function fileFigures(statistics, linkTo, unit) {
  if (!statistics) return null;
  const turns = Object.entries(statistics.turns).map(([count, rows]) => `${count === "0" ? "text" : count}: ${format.whole(rows)}`).join(", ");
  const scripts = Object.entries(statistics.scripts).map(([script, rows]) => `${script}: ${format.whole(rows)}`).join(", ");
  return h("div", { class: "lw-data" },
    factList([
      ["Turns a row", turns],
      ["Repeated exactly", `${format.whole(statistics.duplicates)} rows`],
      ["Repeated nearly", `${format.whole(statistics.near_duplicates)} rows`],
      ["Script", scripts],
    ]),
    firstWords(statistics.first_words), outliers(statistics.outliers, linkTo, unit));
}

function firstWords(words) {
  const most = words[0]?.[1] ?? 1;
  return h("div", {}, h("h3", {}, "Answers begin with"), h("table", { class: "lw-bar-table" }, h("tbody", {}, ...words.slice(0, FIRST_WORDS).map(([text, rows]) =>
    h("tr", {}, h("th", { scope: "row" }, text || "nothing"), h("td", { class: "lw-bar-cell" }, h("span", { class: "lw-hbar", style: `width: ${(100 * rows) / most}%` })), h("td", { class: "lw-figure" }, format.whole(rows)))))));
}

function outliers(found, linkTo, unit) {
  if (!found.length) return null;
  const word = unit === "row" ? "Row" : "Line";
  return h("details", { class: "lw-more" }, h("summary", {}, `${format.whole(found.length)} rows unlike the others`),
    h("ul", { class: "lw-plain" }, ...found.map(({ line, reason }) => h("li", {}, h("a", { href: linkTo(line) }, `${word} ${format.whole(line)}`), ` ${reason}`))));
}
