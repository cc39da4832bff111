// How a batch is spoken of, in lists and on its own page.

import { h } from "./dom.js";
import { duration, whole } from "./format.js";

/** What a batch is called. */
export const nameOf = ({ request, source }) => request.name || source;

/** Where a batch stands, as a mark. */
export function statusOf({ status, done, total, errors }) {
  const share = status === "finished" ? "" : ` ${Math.floor((100 * done) / Math.max(1, total))} %`;
  const failed = errors ? `, ${whole(errors)} failed` : "";
  return h("span", {}, h("span", { class: `lw-status lw-status-${status}` }, status), `${share}${failed}`);
}

/** How long it took, takes, and how fast it is. */
export const timeWords = ({ status, seconds, seconds_left: left, tokens_per_second: speed }) =>
  [`${duration(seconds)}${status === "finished" ? "" : " so far"}`, left !== null ? `${duration(left)} left` : "", speed ? `${speed.toFixed(0)} tokens/s` : ""].filter(Boolean).join(" · ");
