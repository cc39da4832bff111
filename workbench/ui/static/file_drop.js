// A place to drop a file of rows on, or to choose one.

import { h } from "./dom.js";

const FILES = ".jsonl,.ndjson,.json,.csv,.tsv,.txt,.parquet,.gz";

/**
 * The place; `take(file)` is told of every file. `what` is what is wanted, such as “a file”; `kind` a class of the
 * button; `more` stands below it.
 */
export function fileDrop({ id, what, help, kind = "" }, take, ...more) {
  const input = h("input", { type: "file", accept: FILES, class: "lw-hidden-file", id, "aria-label": `Choose ${what}` });
  input.addEventListener("change", () => input.files[0] && take(input.files[0]));
  const zone = h("div", { class: "lw-drop" },
    h("p", {}, h("strong", {}, `Drop ${what} here`)),
    h("p", { class: "lw-note" }, help),
    h("label", { class: `lw-button ${kind}`, for: id }, "Choose a file"), input, ...more);
  const over = (event) => {
    event.preventDefault();
    zone.classList.add("lw-over");
  };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", () => zone.classList.remove("lw-over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("lw-over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  return zone;
}
