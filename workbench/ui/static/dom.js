// Making and changing elements. Text is always set as text, so nothing that a user or a model wrote becomes markup.

/** An element: `h("button", { class: "x", onclick: f, disabled: true }, "text", child)`. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value === "boolean") element[name] = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set the text of `element` if it is another one; a screen reader and a selection are left in peace otherwise. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The children of `element` are now `children`. */
export function setChildren(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** A box that lists problems, each with its remedy. */
export function problemBox(heading, problems) {
  const items = problems.map((problem) =>
    h("li", {}, `${problem.message} `, h("span", { class: "lw-remedy" }, problem.remedy ?? "")),
  );
  return h("div", { class: "lw-problems", role: "alert" }, h("strong", {}, heading), h("ul", {}, ...items));
}

/** A labelled select; `choices` are `[value, text]` pairs. */
export function select(label, choices, value, onchange) {
  const options = choices.map(([key, text]) => h("option", { value: key, selected: key === value }, text));
  return h("label", { class: "lw-field" }, h("span", {}, label), h("select", { onchange: (event) => onchange(event.target.value) }, ...options));
}

/** Ask the user to confirm something that cannot be undone; resolves to true or false. */
export function confirmed(question, consequence, verb) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "lw-dialog", "aria-label": question });
    const answer = (yes) => {
      dialog.close();
      dialog.remove();
      resolve(yes);
    };
    dialog.append(
      h("h2", {}, question),
      h("p", {}, consequence),
      h("div", { class: "lw-buttons" },
        h("button", { class: "lw-button", onclick: () => answer(false) }, "Keep"),
        h("button", { class: "lw-button lw-danger", onclick: () => answer(true) }, verb)),
    );
    dialog.addEventListener("cancel", () => answer(false));
    (document.querySelector(".gradio-container") ?? document.body).append(dialog);
    dialog.showModal();
  });
}
