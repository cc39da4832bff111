// What the votes say: ratings with their intervals, win rates of pairs, and the votes as a preference dataset.

import { get, post } from "./api.js";
import { h, select, setChildren } from "./dom.js";
import { whole } from "./format.js";
import { intervalBar, scaleOf } from "./playground_votes_interval.js";
import { attempt, tellRefusal } from "./refusal.js";

const CENTRE = 1000;

export class StandingView {
  constructor(lineup) {
    this.lineup = lineup;
    this.pair = "";
    this.body = h("div", { class: "lw-standing" }, h("p", { class: "lw-note" }, "Counting the votes…"));
    this.filter = h("div", {});
    this.notice = h("div", { role: "status" });
    this.element = h("section", { class: "lw-panel lw-blind" }, h("div", { class: "lw-list-head" }, h("h2", {}, "What the votes say"), this.filter), this.body, this.notice);
    lineup.addEventListener("base", () => {
      this.pair = "";
      if (this.element.isConnected) this.refresh();
    });
  }

  async refresh() {
    try {
      const base = new URLSearchParams({ base_model: this.lineup.baseModel });
      const [all, told, count] = await Promise.all([get(`votes?${base}`), get(`votes?${this.query()}`), get(`votes/preferences?${this.query()}`)]);
      this.drawFilter(all);
      this.draw(told, count);
    } catch (error) {
      tellRefusal(this.body, "The votes cannot be shown", error);
    }
  }

  query() {
    const query = new URLSearchParams({ base_model: this.lineup.baseModel });
    for (const name of this.pair ? JSON.parse(this.pair) : []) query.append("pair", name);
    return query;
  }

  drawFilter(all) {
    const label = labels(all);
    const pairs = all.pairs.map(({ name, other }) => [JSON.stringify([name, other]), `${label(name)} and ${label(other)}`]);
    setChildren(this.filter, pairs.length > 1
      ? select("Votes between", [["", "All"], ...pairs], this.pair, (value) => {
        this.pair = value;
        this.refresh();
      })
      : null);
  }

  draw(told, count) {
    if (!told.votes) {
      setChildren(this.body, h("p", { class: "lw-note" }, "No votes over this base model yet. After some, ratings with their uncertainty stand here."));
      return;
    }
    const label = labels(told);
    setChildren(this.body, ratings(told, label), pairTable(told, label), this.exports(told, count));
  }

  exports(told, { rows, ties, both_bad }) {
    const left = [ties && `${whole(ties)} ${ties === 1 ? "tie" : "ties"}`, both_bad && `${whole(both_bad)} “both bad”`].filter(Boolean).join(" and ");
    const words = `${whole(told.votes)} ${told.votes === 1 ? "vote" : "votes"} make ${whole(rows)} ${rows === 1 ? "row" : "rows"} of preferences${left ? `; ${left} left out` : ""}.`;
    const keep = h("button", { class: "lw-button", disabled: !rows, onclick: () => this.keep(keep) }, "Put them into the library");
    return h("div", { class: "lw-export" }, h("p", { class: "lw-note" }, words), h("div", { class: "lw-buttons" },
      rows ? h("a", { class: "lw-button", href: `api/votes/preferences.jsonl?${this.query()}`, download: "preferences.jsonl" }, "Download JSONL") : null, keep));
  }

  async keep(button) {
    button.disabled = true;
    await attempt(this.notice, "The votes were not added", async () => {
      const dataset = await post(`votes/dataset?${this.query()}`, {});
      setChildren(this.notice, h("p", { class: "lw-note" }, `${whole(dataset.rows)} rows are in the library: `, h("a", { href: `./data?dataset=${dataset.id}` }, "open the dataset")));
    });
    button.disabled = false;
  }
}

/** From the name that votes are counted under to what it was last called. */
function labels({ contestants }) {
  const known = new Map(contestants.map(({ name, label }) => [name, label]));
  return (name) => known.get(name) ?? name;
}

function ratings({ ratings: rows, both_bad }, label) {
  if (!rows.length) return h("p", { class: "lw-note" }, `${whole(both_bad)} “both bad” ${both_bad === 1 ? "says" : "say"} nothing about who is better.`);
  const scale = scaleOf(rows, CENTRE);
  return table("Bradley-Terry ratings; 400 points are odds of ten to one, 1,000 is their average", ["", "Rating", "95 % interval", "", "Votes"],
    rows.map(({ name, rating, low, high, votes }) => [label(name), whole(rating), `${whole(low)} to ${whole(high)}`, intervalBar({ value: rating, low, high }, scale), whole(votes)]));
}

function pairTable({ pairs }, label) {
  if (!pairs.length) return null;
  const percent = (share) => `${Math.round(100 * share)} %`;
  return table("Win rates of those who met; a tie is half a win", ["", "Win rate", "95 % interval", "", "Votes"],
    pairs.map(({ name, other, rate, low, high, votes }) => [`${label(name)} over ${label(other)}`, percent(rate), `${percent(low)} to ${percent(high)}`,
      intervalBar({ value: rate, low, high }, { from: 0, to: 1, mark: 0.5 }), whole(votes)]));
}

function table(caption, heads, rows) {
  const kind = (place) => (place === 3 ? "lw-interval-cell" : place ? "lw-figure" : "");
  return h("div", { class: "lw-scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", { class: "lw-table" }, h("caption", {}, caption),
    h("thead", {}, h("tr", {}, ...heads.map((head, place) => h(head ? "th" : "td", { scope: head ? "col" : null, class: kind(place) }, head)))),
    h("tbody", {}, ...rows.map(([first, ...cells]) => h("tr", {}, h("th", { scope: "row" }, first), ...cells.map((cell, place) => h("td", { class: kind(place + 1) }, cell)))))));
}
