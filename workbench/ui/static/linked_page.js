// A page of several views: the address says which, and links within the page change the view, not the page.

/** An element whose class says its `name` and `viewFor(query, go)`: a view with `element`, `start()` and `close()`. */
export class LinkedPage extends HTMLElement {
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

  follow(event) {
    const link = event.target.closest("a");
    if (!link?.href || link.download || event.metaKey || event.ctrlKey || event.button !== 0) return;
    const target = new URL(link.href);
    if (target.pathname !== window.location.pathname) return;
    event.preventDefault();
    this.go(target.search);
  }

  /** Show what `search` names, such as `?run=ID`. */
  go(search) {
    window.history.pushState(null, "", `${window.location.pathname}${search}`);
    this.open();
    window.scrollTo(0, 0);
  }

  open() {
    this.view?.close();
    document.title = `${this.name} · LoRA Workbench`;
    this.view = this.viewFor(new URLSearchParams(window.location.search), (search) => this.go(search));
    this.replaceChildren(this.view.element);
    this.view.start();
  }
}
