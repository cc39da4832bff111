// Where the prompts of a batch come from: a file, a dataset of the library, or the rows that a run held out.

import { get, post, Refusal } from "./api.js";
import { h, select, setChildren, setText } from "./dom.js";
import { fileDrop } from "./file_drop.js";
import { size, whole } from "./format.js";
import { upload } from "./upload.js";

const KINDS = [["file", "A prompt file"], ["dataset", "A dataset"], ["run", "Rows that a run held out"]];
const HELP = "Text with a prompt a line, JSONL, a JSON list, CSV, TSV or Parquet; with answers to measure against, or without.";

export class SourceForm {
  /** @param {() => void} onchange  told when another source was read, or none can be */
  constructor(lineup, onchange) {
    Object.assign(this, { lineup, onchange, kind: "file", columns: { question: "", answer: "" } });
    this.found = null;
    this.switches = KINDS.map(([kind, title]) => h("button", { class: "lw-switch", type: "button", onclick: () => this.choose(kind) }, title));
    this.place = h("div", {});
    this.told = h("div", { class: "lw-told", role: "status" });
    this.wrong = h("p", { class: "lw-wrong-words", role: "alert" });
    this.element = h("div", { class: "lw-source" }, h("div", { class: "lw-switches", role: "group", "aria-label": "Where the prompts come from" }, ...this.switches), this.place, this.wrong, this.told);
    lineup.addEventListener("base", () => this.kind === "run" && this.choose("run"));
  }

  /** What the server is told of the source; null while there is none. */
  get value() {
    return this.id ? { kind: this.kind, id: this.id, columns: this.columns } : null;
  }

  async choose(kind) {
    this.kind = kind;
    this.switches.forEach((button, place) => button.setAttribute("aria-pressed", String(KINDS[place][0] === kind)));
    this.forget();
    if (kind === "file") setChildren(this.place, fileDrop({ id: "lw-prompt-file", what: "a prompt file", help: HELP }, (file) => this.send(file)));
    else await this.attempt(async () => setChildren(this.place, kind === "dataset" ? await this.datasetField() : await this.runField()));
  }

  forget() {
    this.id = "";
    this.found = null;
    this.columns = { question: "", answer: "" };
    setChildren(this.told);
    setText(this.wrong, "");
    this.onchange();
  }

  async send(file) {
    this.forget();
    setChildren(this.told, h("p", { class: "lw-note" }, `Reading ${file.name}, ${size(file.size)}…`));
    await this.attempt(async () => {
      const found = await upload(`batches/prompts?${new URLSearchParams({ name: file.name })}`, file);
      this.id = found.id;
      this.tell(found);
    });
  }

  async datasetField() {
    const datasets = await get("datasets");
    if (!datasets.length) return h("p", { class: "lw-note" }, "The library is empty: add a dataset on the data page.");
    const choices = datasets.map(({ id, name, rows }) => [id, `${name}, ${whole(rows)} rows`]);
    return this.menu("Dataset", choices);
  }

  async runField() {
    const runs = (await get("runs")).filter((run) => run.base_model === this.lineup.baseModel && run.status !== "queued");
    if (!runs.length) return h("p", { class: "lw-note" }, "No run over this base model yet.");
    return this.menu("Run", runs.map(({ id, name }) => [id, name || id]));
  }

  menu(title, choices) {
    const [first] = choices[0];
    this.read(first);
    return select(title, choices, first, (id) => this.read(id));
  }

  /** Read source `id`, with these columns. */
  async read(id, columns = { question: "", answer: "" }) {
    setText(this.wrong, "");
    this.columns = columns;
    const body = { kind: this.kind, id, columns };
    await this.attempt(async () => {
      const found = await post("batches/source", body);
      this.id = id;
      this.tell(found);
    });
  }

  tell(found) {
    this.found = found;
    setChildren(this.told, found.unclear ? h("p", { class: "lw-wrong-words" }, "Which column holds the prompt? Choose it below.") : this.summary(found),
      this.columnFields(found), found.first.length ? examples(found.first) : null);
    this.onchange();
  }

  summary({ name, prompts, references, read_as: readAs, skipped, beyond, labels }) {
    const known = references === prompts ? "all with a reference answer" : references ? `${whole(references)} with a reference answer` : "without reference answers";
    const parts = [`${whole(prompts)} ${prompts === 1 ? "prompt" : "prompts"} in ${name}, ${known}; read as ${readAs}.`];
    if (beyond) parts.push(`The file goes on: only the first ${whole(prompts)} are taken.`);
    if (skipped) parts.push(`${whole(skipped)} rows without a question are left out.`);
    if (labels.length) parts.push(`The references are ${labels.length} labels: ${labels.join(", ")}.`);
    return h("p", { class: "lw-line" }, parts.join(" "));
  }

  /** Of a table: which column is the prompt, and which the reference. */
  columnFields({ columns, unclear, id }) {
    if (this.kind !== "file" || columns.length < 2) return null;
    const named = columns.map((name) => [name, name]);
    const change = (changes) => {
      const wanted = { ...this.columns, ...changes };
      if (!wanted.question) wanted.answer = "";
      this.read(id, wanted);
    };
    const fields = h("div", { class: "lw-fields" },
      select("Prompt", [["", "As recognised"], ...named], this.columns.question, (question) => change({ question })),
      select("Reference", [["", "None"], ...named], this.columns.answer, (answer) => change({ answer })));
    fields.lastElementChild.querySelector("select").disabled = !this.columns.question;
    return h("details", { class: "lw-more", open: unclear || Boolean(this.columns.question) }, h("summary", {}, "Choose the columns"), fields);
  }

  async attempt(act) {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.id = "";
      this.found = null;
      setChildren(this.told);
      this.refuse(error.problems);
      this.onchange();
    }
  }

  /** Say beside this field what is wrong with it. */
  refuse(problems) {
    setText(this.wrong, problems.map(({ message, remedy }) => `${message} ${remedy}`).join(" "));
  }
}

function examples(prompts) {
  return h("details", { class: "lw-more" }, h("summary", {}, `The first ${prompts.length === 1 ? "prompt" : `${prompts.length} prompts`}`),
    h("ol", { class: "lw-examples" }, ...prompts.map(({ messages, reference }) =>
      h("li", {}, h("span", {}, messages.at(-1).content), reference ? h("span", { class: "lw-note" }, ` ${reference}`) : null))));
}
