// Filters the toggle board while one types: every word must occur among those that a technique is found by (`value`).
// Gradio runs this as the body of a function that is given `element`. Toggles that are passed over stay as they are.
const input = element.querySelector("input"), answer = element.querySelector("output");

input.addEventListener("input", filter);
input.addEventListener("keydown", event => {
  if (event.key !== "Escape") return;
  input.value = "";
  filter();
});

function filter() {
  const board = document.querySelector("#board");
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const section of board.querySelectorAll(".section")) {
    let here = 0;
    for (const technique of section.querySelectorAll(".technique")) {
      const says = props.value[technique.id.replace("technique-", "")];
      const hit = words.every(word => says.includes(word));
      technique.classList.toggle("passed-over", !hit);
      here += hit;
    }
    section.classList.toggle("passed-over", here === 0);
    found += here;
  }
  answer.textContent = found ? "" : "No technique is called so or says so.";
}
