// What is wrong with rows, grouped by kind: how often, on which lines, what to do.

import { h } from "./dom.js";
import { whole } from "./format.js";

const SHOWN = 8;

/** The problems of `report` as a list of kinds; `linkFor(problem)` gives the address of a row, or null. */
export function problemGroups(report, linkFor = () => null) {
  const kinds = new Map();
  for (const problem of report.problems) {
    if (!kinds.has(problem.kind)) kinds.set(problem.kind, []);
    kinds.get(problem.kind).push(problem);
  }
  if (!kinds.size) return h("p", { class: "lw-note" }, "Nothing is wrong with this file.");
  const groups = [...kinds.entries()].sort(([, one], [, other]) => rank(one[0]) - rank(other[0]));
  return h("div", { class: "lw-kinds" }, ...groups.map(([kind, found]) => group(kind, found, report.counts[kind] ?? found.length, report.unit, linkFor)));
}

const rank = (problem) => (problem.severity === "error" ? 0 : 1);

function group(kind, found, count, unit, linkFor) {
  const { severity } = found[0];
  const list = h("ul", {}, ...found.slice(0, SHOWN).map((problem) => item(problem, unit, linkFor)));
  const rest = found.slice(SHOWN);
  const note = count > found.length ? h("p", { class: "lw-note" }, `The first ${whole(found.length)} of ${whole(count)} are listed.`) : null;
  const more = h("button", { class: "lw-button lw-plain-button", hidden: !rest.length, onclick: () => {
    list.append(...rest.map((problem) => item(problem, unit, linkFor)));
    more.remove();
  } }, `Show ${whole(rest.length)} more`);
  return h("details", { class: `lw-kind lw-${severity}`, open: severity === "error" },
    h("summary", {}, h("span", { class: "lw-place" }, severity), ` ${kind.replaceAll("-", " ")} `, h("span", { class: "lw-times" }, `${whole(count)} ×`)),
    list, more, note);
}

function item(problem, unit, linkFor) {
  const place = problem.line === null ? null : `${unit === "row" ? "Row" : "Line"} ${whole(problem.line)}`;
  const link = place && linkFor(problem);
  return h("li", {},
    place ? h("span", { class: "lw-place" }, link ? h("a", { href: link }, place) : place, ": ") : null,
    `${problem.message} `, h("span", { class: "lw-remedy" }, problem.remedy),
    problem.excerpt ? h("code", {}, problem.excerpt) : null);
}
