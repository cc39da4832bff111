// <lw-runs>: the table of runs; with ?run=ID in the address one of them, with ?compare=ID,ID several beside each other.

import { ComparisonView } from "./comparison.js";
import { RunTable } from "./run_table.js";
import { RunView } from "./run_view.js";

class RunsPage extends HTMLElement {
  connectedCallback() {
    this.back = () => this.open();
    window.addEventListener("popstate", this.back);
    this.addEventListener("click", (event) => this.follow(event));
    this.open();
  }

  disconnectedCallback() {
    window.removeEventListener("popstate", this.back);
    this.view?.close();
  }

  /** Links within this page change what it shows, not the page. */
  follow(event) {
    const link = event.target.closest("a");
    if (!link?.href || event.metaKey || event.ctrlKey || event.button !== 0) return;
    const target = new URL(link.href);
    if (target.pathname !== window.location.pathname) return;
    event.preventDefault();
    this.go(target);
  }

  go(target) {
    window.history.pushState(null, "", target);
    this.open();
    window.scrollTo(0, 0);
  }

  open() {
    this.view?.close();
    document.title = "Runs · LoRA Workbench";
    this.view = this.wanted(new URLSearchParams(window.location.search));
    this.replaceChildren(this.view.element);
    this.view.start();
  }

  wanted(address) {
    const go = (query) => this.go(new URL(`runs${query}`, document.baseURI));
    if (address.get("run")) return new RunView(address.get("run"), go);
    const compared = (address.get("compare") ?? "").split(",").filter(Boolean);
    return compared.length ? new ComparisonView(compared, go) : new RunTable();
  }
}

customElements.define("lw-runs", RunsPage);
