// Markdown as elements: headings, lists, quotes, code, bold, italics. What a model wrote never becomes markup of its own,
// and links and images stay text, so that nothing is fetched and nowhere is led to.

import { h } from "./dom.js";

const FENCE = /^\s*(```|~~~)/;
const ITEM = /^\s*(?:[-*+]|\d+[.)])\s+/;
const HEADING = /^(#{1,6})\s+/;
const QUOTE = /^>\s?/;
const INLINE = /(`+)(.+?)\1|\*\*(?=\S)(.+?)\*\*|\*(?=[^\s*])([^*]+?)\*|(?<!\w)_(?=\S)([^_]+?)_(?!\w)/s;

/** The blocks of `text`. */
export function markdown(text) {
  const lines = text.split("\n");
  const blocks = [];
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else blocks.push(block(lines));
  }
  return blocks;
}

/** Take one block off the front of `lines`. */
function block(lines) {
  if (FENCE.test(lines[0])) return fenced(lines);
  if (HEADING.test(lines[0])) return h("p", { class: "lw-md-heading" }, ...inline(lines.shift().replace(HEADING, "")));
  if (ITEM.test(lines[0])) return list(lines);
  if (QUOTE.test(lines[0])) return h("blockquote", {}, ...markdown(taken(lines, (line) => QUOTE.test(line)).map((line) => line.replace(QUOTE, "")).join("\n")));
  const words = taken(lines, (line, place) => place === 0 || (line.trim() && ![FENCE, HEADING, ITEM, QUOTE].some((form) => form.test(line))));
  return h("p", {}, ...inline(words.join("\n")));
}

function fenced(lines) {
  const fence = FENCE.exec(lines.shift())[1];
  const code = taken(lines, (line) => !line.trim().startsWith(fence));
  lines.shift();
  return h("pre", { tabindex: "0" }, h("code", {}, code.join("\n")));
}

function list(lines) {
  const ordered = /^\s*\d/.test(lines[0]);
  const first = Number(/\d+/.exec(lines[0])?.[0] ?? 1);
  const items = [];
  for (const line of taken(lines, (each) => ITEM.test(each) || /^\s{2,}\S/.test(each))) {
    if (ITEM.test(line)) items.push(line.replace(ITEM, ""));
    else items[items.length - 1] += `\n${line.trim()}`;
  }
  return h(ordered ? "ol" : "ul", ordered ? { start: String(first) } : {}, ...items.map((item) => h("li", {}, ...inline(item))));
}

/** The lines from the front for which `wanted` holds. */
function taken(lines, wanted) {
  const found = [];
  while (lines.length && wanted(lines[0], found.length)) found.push(lines.shift());
  return found;
}

function inline(text) {
  const found = INLINE.exec(text);
  if (!found) return [text];
  const [whole, , code, strong, star, score] = found;
  const element = code !== undefined ? h("code", {}, code) : strong !== undefined ? h("strong", {}, ...inline(strong)) : h("em", {}, ...inline(star ?? score));
  return [text.slice(0, found.index), element, ...inline(text.slice(found.index + whole.length))].filter((part) => part !== "");
}
