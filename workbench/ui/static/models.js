// <lw-models>: searching the Hugging Face hub for a base model.
// <lw-download reference="…">: fetching the chosen one, with its progress and a way to stop.

import { get, post, request } from "./api.js";
import { h, problemBox, setChildren, setText } from "./dom.js";
import { size, whole } from "./format.js";
import { Poll } from "./poll.js";
import { tellRefusal } from "./refusal.js";
import { tell } from "./tell.js";

const PAUSE = 700;

class ModelSearch extends HTMLElement {
  connectedCallback() {
    this.words = h("input", { type: "search", placeholder: "llama 3.2 1b", "aria-label": "Search the hub" });
    this.found = h("div", { class: "lw-found", "aria-live": "polite" },
      h("p", { class: "lw-note" }, "Only models with safetensors weights are shown, the most downloaded first."));
    const form = h("form", { class: "lw-search", onsubmit: (event) => this.search(event) }, this.words,
      h("button", { class: "lw-button" }, "Search"));
    setChildren(this, form, this.found);
  }

  async search(event) {
    event.preventDefault();
    const words = this.words.value.trim();
    if (!words) return;
    setChildren(this.found, h("p", { class: "lw-note" }, "Asking the hub…"));
    try {
      const models = await get(`models/search?query=${encodeURIComponent(words)}`);
      setChildren(this.found, models.length ? table(models) : nothing(words));
    } catch (error) {
      tellRefusal(this.found, "Nothing was found", error);
    }
  }
}

const nothing = (words) => h("p", { class: "lw-note" }, `The hub has no model whose name holds “${words}”.`);

function table(models) {
  const heads = ["Model", "Parameters", "Download", "Downloads a month", "Likes", "Licence", ""];
  return h("div", { class: "lw-scroll", tabindex: "0", "aria-label": "Models of the hub" },
    h("table", { class: "lw-table" },
      h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...models.map(row))));
}

function row(model) {
  const name = model.reference.replace(/^hub:/, "");
  const known = (number, text) => (number ? text(number) : "–");
  return h("tr", {},
    h("th", { scope: "row" }, name, model.gated ? h("span", { class: "lw-tag" }, "gated") : null),
    h("td", { class: "lw-figure" }, known(model.parameters, whole)),
    h("td", { class: "lw-figure" }, known(model.download_bytes, size)),
    h("td", { class: "lw-figure" }, whole(model.downloads)),
    h("td", { class: "lw-figure" }, whole(model.likes)),
    h("td", {}, model.licence || "–"),
    h("td", {}, h("button", { type: "button", class: "lw-button", "aria-label": `Choose ${name}`,
      onclick: () => tell("model", model.reference) }, "Choose")));
}

class ModelDownload extends HTMLElement {
  connectedCallback() {
    this.reference = this.getAttribute("reference");
    this.poll = new Poll(() => this.look(), () => (this.running ? PAUSE : null));
    this.show(null);
    this.poll.start();
  }

  disconnectedCallback() {
    this.poll.stop();
  }

  async look() {
    const downloads = await get("models/downloads");
    this.show(downloads.find((each) => each.reference === this.reference) ?? null);
  }

  show(download) {
    this.running = download?.phase === "running";
    if (!this.running) {
      this.bar = null;
      setChildren(this, ...this.resting(download));
      return;
    }
    this.bar ??= this.working();
    setText(this.words, download.detail + (download.done === null ? "" : `, ${Math.floor(100 * download.done)} %`));
    if (download.done !== null) this.bar.value = download.done;
  }

  working() {
    const bar = h("progress", { max: "1", "aria-label": "Share of the download that is there" });
    this.words = h("span", { class: "lw-note" });
    setChildren(this, h("div", { class: "lw-download" }, bar, this.words,
      h("button", { type: "button", class: "lw-button", onclick: () => this.stop() }, "Stop")));
    return bar;
  }

  resting(download) {
    if (download?.phase === "finished") return [h("p", { class: "lw-note" }, "Fetched: it is on this machine now.")];
    const again = download ? "Go on" : "Fetch it now";
    const button = h("button", { type: "button", class: "lw-button", onclick: () => this.begin() }, again);
    if (download?.phase === "failed") {
      const problem = { message: download.problem, remedy: download.remedy };
      return [problemBox("It was not fetched", [problem]), button];
    }
    const words = download ? "Stopped; what was fetched is kept." : "A run fetches it by itself; fetching it now saves the wait.";
    return [h("div", { class: "lw-download" }, button, h("span", { class: "lw-note" }, words))];
  }

  async begin() {
    this.show(await post("models/downloads", { reference: this.reference }));
    this.poll.now();
  }

  async stop() {
    await request("models/downloads/stop", { method: "POST", body: { reference: this.reference } });
    this.poll.now();
  }
}

customElements.define("lw-models", ModelSearch);
customElements.define("lw-download", ModelDownload);
