// What every page can do: keep a text as a file, and read and write its own address.

window.workbench = {
  /** Let the browser keep `text` as a file called `name`. */
  save(name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  },
};
