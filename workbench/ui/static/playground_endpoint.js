// How the user's own programs reach the same models: address, key and snippets, in a disclosure that asks when it is opened.

import { get } from "./api.js";
import { h, setChildren } from "./dom.js";
import { copyButton } from "./pane_tools.js";
import { tellRefusal } from "./refusal.js";

const HIDDEN = "•".repeat(16);

/** The disclosure. */
export function endpointPanel() {
  const body = h("div", { class: "lw-endpoint" });
  const details = h("details", { class: "lw-more" }, h("summary", {}, "Use these models from your own programs"), body);
  details.addEventListener("toggle", () => details.open && show(body));
  return h("section", { class: "lw-panel", "aria-label": "Endpoint" }, details);
}

async function show(body) {
  try {
    const facts = await get("endpoint");
    setChildren(body, ...parts(facts));
  } catch (error) {
    tellRefusal(body, "The endpoint cannot be shown", error);
  }
}

function parts(facts) {
  const shown = [];
  const key = h("code", {});
  const reveal = h("button", { class: "lw-quiet-action", "aria-pressed": "false", onclick: () => turn(reveal.getAttribute("aria-pressed") !== "true") }, "Show the key");
  const turn = (open) => {
    reveal.setAttribute("aria-pressed", String(open));
    reveal.textContent = open ? "Hide the key" : "Show the key";
    const said = (text) => (open ? text : text.replaceAll(facts.key, HIDDEN));
    key.textContent = said(facts.key);
    for (const [element, text] of shown) element.textContent = said(text);
  };
  const snippet = (title, text) => {
    const code = h("code", {});
    shown.push([code, text]);
    return h("div", { class: "lw-snippet" }, h("div", { class: "lw-snippet-head" }, h("h2", {}, title), copyButton(() => text, `Copy the ${title} snippet`)), h("pre", { tabindex: "0", "aria-label": title }, code));
  };
  const found = [
    h("p", { class: "lw-note" }, "Everything that speaks OpenAI’s protocol can talk to the base models and adapters here. Whoever has the key can too."),
    h("dl", { class: "lw-facts lw-endpoint-facts" },
      fact("Base address", h("code", {}, facts.address), copyButton(() => facts.address, "Copy the base address")),
      fact("API key", key, reveal, copyButton(() => facts.key, "Copy the API key"))),
    h("details", { class: "lw-more" }, h("summary", {}, `${facts.models.length} model ids`),
      h("ul", { class: "lw-model-ids" }, ...facts.models.map((model) => h("li", {}, h("code", {}, model), copyButton(() => model, `Copy ${model}`))))),
    snippet("curl", facts.curl), snippet("Python", facts.python)];
  turn(false);
  return found;
}

const fact = (title, ...values) => h("div", {}, h("dt", {}, title), h("dd", { class: "lw-with-tools" }, ...values));
