// Exceptions of a rule, added one by one: {name of a control: access} as JSON in a hidden field of the form.
const [control, access, list, kept] = ["#except-control", "#except-access", "#exceptions", "[name=exceptions]"].map(what => element.querySelector(what));

function write(exceptions, focus) {
  kept.value = JSON.stringify(exceptions);
  list.replaceChildren(...Object.entries(exceptions).map(([name, is]) => {
    const title = [...control.options].find(option => option.value === name).text;
    const row = document.createElement("li"), button = document.createElement("button");
    Object.assign(button, { type: "button", className: "reglab-button", textContent: "Remove", ariaLabel: `Remove ${title}` });
    button.addEventListener("click", () => {
      const { [name]: gone, ...rest } = exceptions;
      write(rest, control);
    });
    row.append(`${title}: ${is} `, button);
    return row;
  }));
  focus?.focus();
  kept.dispatchEvent(new Event("input", { bubbles: true }));
}
element.querySelector("#except-add").addEventListener("click", () => {
  write({ ...JSON.parse(kept.value || "{}"), [control.value]: access.value });
});
