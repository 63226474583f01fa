// By which number runs are compared, over which axis, and to which target. Its value is text with a JSON object of these.
const form = element.querySelector("form");
const told = () => JSON.stringify(Object.fromEntries(new FormData(form)));

form.addEventListener("change", () => {
  props.value = told();
  trigger("input");
});
form.addEventListener("submit", event => event.preventDefault());
