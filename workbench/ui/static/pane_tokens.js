// An answer token by token, each coloured by how much more probable the adapter finds it than the base.

import { post } from "./api.js";
import { h } from "./dom.js";
import { shownToken } from "./pane_bars.js";

const FULL = 3;
/** Natural-log difference at which the colour is full: twenty times as probable. */

/** Both log-probabilities of every token of `answer` to the conversation `turns`; throws a `Refusal`. */
export async function scored(lineup, seat, turns, answer) {
  const { sampling, ...asked } = lineup.requestFor(seat, turns);
  return (await post("chat/score", { ...asked, answer })).tokens;
}

/** The tokens as elements; each tells its numbers when it is pointed at, or reached by the arrow keys. */
export function tokenElements(tokens) {
  const said = h("span", { class: "lw-token-told", role: "status" }, "Point at a token, or use the arrow keys.");
  const marks = tokens.map((token, place) => mark(token, place));
  const line = h("span", { class: "lw-token-line" }, ...marks);
  const tell = (place) => {
    said.textContent = words(tokens[place]);
  };
  line.addEventListener("pointerover", (event) => event.target.dataset.place && tell(Number(event.target.dataset.place)));
  line.addEventListener("focusin", (event) => event.target.dataset.place && tell(Number(event.target.dataset.place)));
  line.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = by && marks[Number(event.target.dataset.place) + by];
    if (!next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return [line, said];
}

function mark(token, place) {
  const difference = token.logprob - token.other_logprob;
  const share = Math.min(1, Math.abs(difference) / FULL);
  const colour = difference >= 0 ? "--lw-likelier" : "--lw-unlikelier";
  const style = share < 0.03 ? null : `background: rgb(var(${colour}) / ${(share * 0.45).toFixed(3)})`;
  const shown = token.ends_turn ? shownToken(token.text) : token.text;
  return h("span", { class: token.ends_turn ? "lw-scored lw-scored-end" : "lw-scored", style, "data-place": String(place), role: "img", "aria-label": `${shownToken(token.text)}: ${timesWords(difference)}`, tabindex: place === 0 ? "0" : "-1" }, shown);
}

const percent = (logprob) => `${(100 * Math.exp(logprob)).toPrecision(3)} %`;

function words(token) {
  return `“${shownToken(token.text)}”: adapter ${percent(token.logprob)}, base ${percent(token.other_logprob)}, ${timesWords(token.logprob - token.other_logprob)}`;
}

/** A difference of log-probabilities in words. */
export function timesWords(difference) {
  if (Math.abs(difference) < 0.01) return "as probable as in the base";
  const times = Math.exp(Math.abs(difference));
  const factor = times >= 1000 ? "over 1000" : times.toPrecision(times < 10 ? 2 : 3);
  return `${factor} times ${difference > 0 ? "more" : "less"} probable`;
}

/** What the colours mean, once a page. */
export function tokenLegend() {
  const step = (colour, share) => h("span", { class: "lw-legend-step", style: `background: rgb(var(${colour}) / ${0.45 * share})` });
  return h("p", { class: "lw-note lw-token-legend" }, "Less probable than in the base ",
    step("--lw-unlikelier", 1), step("--lw-unlikelier", 0.5), h("span", { class: "lw-legend-step" }), step("--lw-likelier", 0.5), step("--lw-likelier", 1),
    " more probable; full colour at 20 times.");
}
