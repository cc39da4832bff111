// Another OpenAI-compatible server as a pane: its address, then which of its models.

import { get } from "./api.js";
import { ask } from "./dialog.js";
import { h } from "./dom.js";
import { dialog } from "./playground_shelf.js";
import { Seat } from "./playground_lineup.js";

/** Ask for a server and one of its models; resolves to a seat or null. */
export async function externalSeat() {
  const found = await ask("A model on another server", {
    intro: "Any server that speaks OpenAI’s protocol, such as vLLM or SGLang. What you ask is sent there. A key is taken from the environment variable WORKBENCH_ENDPOINT_KEY of this server.",
    fields: [{ name: "endpoint", label: "Address", value: "http://127.0.0.1:8000/v1", help: "It usually ends in /v1." }],
    verb: "Look for models",
    submit: async ({ endpoint }) => ({ endpoint: endpoint.trim(), models: await get(`chat/external?${new URLSearchParams({ endpoint: endpoint.trim() })}`) }),
  });
  if (!found) return null;
  const model = found.models.length === 1 ? found.models[0] : await choose(found.models);
  return model && new Seat({ endpoint: found.endpoint, model });
}

function choose(models) {
  return dialog("Which of its models?", (body, close) => {
    body.append(h("ul", { class: "lw-shelf" }, ...models.map((model) => h("li", {}, h("button", { class: "lw-quiet-action", onclick: () => close(model) }, model)))));
    if (!models.length) body.append(h("p", { class: "lw-note" }, "This server offers no models."));
  });
}
