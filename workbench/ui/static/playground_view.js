// How the chat shows answers: as text, as Markdown, token by token, or with what differs from another pane; and whether
// the panes scroll together.

import { h, setChildren } from "./dom.js";
import { tokenLegend } from "./pane_tokens.js";

const KINDS = [["text", "Text"], ["markdown", "Markdown"], ["tokens", "Tokens against the base"]];

export class ChatView {
  constructor(chat) {
    Object.assign(this, { chat, kind: "text", against: null });
    this.menu = h("select", { onchange: () => this.choose(this.menu.value) });
    this.link = h("input", { type: "checkbox", checked: true });
    this.legend = h("div", { hidden: true });
    this.element = h("div", { class: "lw-controls" },
      h("label", { class: "lw-field" }, h("span", {}, "Show answers as"), this.menu),
      h("label", { class: "lw-check" }, this.link, "Linked scrolling"));
  }

  /** What can be chosen, as panes come and go. */
  offer() {
    const { seats } = this.chat.lineup;
    if (this.kind === "differences" && !seats.includes(this.against)) this.kind = "text";
    const value = this.kind === "differences" ? `differences ${seats.indexOf(this.against)}` : this.kind;
    const others = seats.length > 1 ? seats.map((seat, place) => [`differences ${place}`, `Differences from pane ${place + 1}, ${this.chat.lineup.nameOf(seat)}`]) : [];
    setChildren(this.menu, ...[...KINDS, ...others].map(([key, words]) => h("option", { value: key, selected: key === value }, words)));
    this.draw();
  }

  choose(value) {
    const [kind, place] = value.split(" ");
    this.kind = kind;
    this.against = place === undefined ? null : this.chat.lineup.seats[Number(place)];
    this.draw();
  }

  draw() {
    this.legend.hidden = this.kind !== "tokens" && this.kind !== "differences";
    setChildren(this.legend, this.kind === "tokens" ? tokenLegend() : this.kind === "differences" ? diffLegend() : null);
    for (const pane of this.chat.panes) pane.answers.forEach((answer) => answer.draw());
  }

  /** One pane was scrolled: the others follow, each by its own length; their own following is not followed again. */
  scrolled(pane) {
    const { said } = pane;
    const echo = pane.followedTo !== undefined && Math.abs(said.scrollTop - pane.followedTo) < 2;
    pane.followedTo = undefined;
    if (!this.link.checked || echo || pane.busy) return;
    const share = said.scrollTop / Math.max(1, said.scrollHeight - said.clientHeight);
    for (const other of this.chat.panes) {
      if (other !== pane) other.followTo(share * (other.said.scrollHeight - other.said.clientHeight));
    }
  }
}

const diffLegend = () => h("p", { class: "lw-note" }, h("ins", {}, "only here"), " ", h("del", {}, "only in the other answer"));
