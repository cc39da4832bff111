// <lw-data>: the library of datasets, with ?arrival=ID a file on its way into it, with ?dataset=ID one of them.

import { ArrivalView } from "./data_arrival.js";
import { DatasetView } from "./data_dataset.js";
import { LibraryView } from "./data_library.js";

class DataPage extends HTMLElement {
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
    if (!link || link.download || event.metaKey || event.ctrlKey || event.button !== 0) return;
    const target = new URL(link.href);
    if (target.pathname !== window.location.pathname) return;
    event.preventDefault();
    this.go(target.search);
  }

  /** Show what `search` names, such as `?dataset=ID`. */
  go(search) {
    window.history.pushState(null, "", `${window.location.pathname}${search}`);
    this.open();
    window.scrollTo(0, 0);
  }

  open() {
    this.view?.close();
    const query = new URLSearchParams(window.location.search);
    document.title = "Data · LoRA Workbench";
    this.view = this.viewFor(query, (search) => this.go(search));
    this.replaceChildren(this.view.element);
    this.view.start();
  }

  viewFor(query, go) {
    if (query.get("arrival")) return new ArrivalView(query.get("arrival"), go);
    if (query.get("dataset")) return new DatasetView(query, go);
    return new LibraryView(go);
  }
}

customElements.define("lw-data", DataPage);
