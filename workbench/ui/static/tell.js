// How elements of our own reach the form: what is told lands in a hidden field, whose change the server hears.

/** Tell the hidden field of class `lw-told-NAME` a text. */
export function tell(name, text) {
  const field = document.querySelector(`.lw-told-${name} :is(textarea, input)`);
  const prototype = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
  Object.getOwnPropertyDescriptor(prototype.prototype, "value").set.call(field, text);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

let told = 0;

/** A button with `data-change` puts its settings into the form; the number makes the same change heard twice. */
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-change]");
  if (!button) return;
  told += 1;
  tell("change", JSON.stringify({ fields: JSON.parse(button.dataset.change), told }));
});
