// A conversation turn by turn, as it stands in the file.

import { h } from "./dom.js";

/** The turns of a conversation record; running text is one turn. */
export function turnList({ messages, text, tools }) {
  const turns = text === null ? messages.map(({ role, content, extra }) => turn(role, content, extra)) : [turn("text", text, "")];
  const offered = tools ? [h("p", {}, h("span", { class: "lw-role" }, "tools"), tools)] : [];
  return h("div", { class: "lw-row" }, ...offered, ...turns);
}

function turn(role, content, extra) {
  return h("p", {}, h("span", { class: `lw-role lw-role-${role}` }, role), content, extra ? h("code", {}, ` ${extra}`) : null);
}
