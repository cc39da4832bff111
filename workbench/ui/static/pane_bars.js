// The likeliest next tokens of two models as bars beside each other.

import { h } from "./dom.js";

/** A token so that its spaces and line breaks can be seen. */
export const shownToken = (token) => token.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "(empty)";

/** The five likeliest first tokens of two models, such as an adapter and its base; `names` is how the two are called. */
export function distanceBars(distance, names) {
  return h("div", { class: "lw-bars" }, bars(names[0], distance.top, "lw-bar-adapter"), bars(names[1], distance.top_base, "lw-bar-base"));
}

function bars(caption, shares, kind) {
  const rows = shares.map(({ token, probability }) => h("tr", {},
    h("th", { scope: "row" }, shownToken(token)),
    h("td", {}, h("span", { class: `lw-share ${kind}`, style: `width: ${Math.max(0.5, 100 * probability)}%` })),
    h("td", { class: "lw-figure" }, shareText(probability))));
  return h("table", { class: "lw-bar-table" }, h("caption", {}, caption), h("tbody", {}, ...rows));
}

const shareText = (probability) => (probability < 0.001 ? "< 0.1 %" : `${(100 * probability).toFixed(1)} %`);
