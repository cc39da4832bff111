// The number under a moving slider: asked of the server directly, some frames before the form's own answer arrives.
//
// The panel bears what it counted last; a slider's new value goes into that, and only the number is painted. All else,
// and every problem, comes with the form's answer a moment later.

import { post, Refusal } from "./api.js";
import { setText } from "./dom.js";
import { whole } from "./format.js";

let asked = 0;

document.addEventListener("input", (event) => {
  const name = /\blw-live-(\w+)/.exec(event.target.closest?.(".lw-live")?.className)?.[1];
  const panel = document.querySelector(".lw-count[data-config]");
  const value = Number(event.target.value);
  if (name && panel && event.target.value !== "") recount(panel, name, value);
}, true);

async function recount(panel, name, value) {
  const config = JSON.parse(panel.dataset.config);
  if (!(name in config.method)) return;
  config.method[name] = value;
  panel.dataset.config = JSON.stringify(config);
  asked += 1;
  const question = asked;
  try {
    const { trainable } = await post("params", config);
    if (question === asked && panel.isConnected) setText(panel.querySelector(".lw-number"), whole(trainable));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error; // what is wrong is told beside the field
  }
}
