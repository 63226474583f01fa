// A link to read and to copy. Gradio runs this as the body of a function that is given `element`, `props` and `watch`.
// The server knows the text of the link alone; what stands before it is wherever this page was opened.
const input = element.querySelector("input"), button = element.querySelector("button"), answer = element.querySelector("output");

function draw() {
  const { text, error, said } = props.value || {};
  input.value = text ? `${location.origin}${location.pathname}?cfg=${text}` : "";
  button.disabled = !text;
  answer.textContent = error || said || "";
  answer.className = error ? "error" : "";
  element.style.display = error || text ? "" : "none";
}

button.addEventListener("click", async () => {
  if (props.value.address) {                     // a bookmark of this page then keeps the set-up too
    const here = new URL(location.href);
    here.searchParams.set("cfg", props.value.text);
    history.replaceState(history.state, "", here);
  }
  input.select();
  let copied = true;
  try {
    await navigator.clipboard.writeText(input.value);
  } catch {                                      // not allowed, or not there without https
    copied = document.execCommand("copy");
  }
  answer.textContent = copied ? "Copied." : "Press Ctrl+C to copy it.";
});

watch("value", draw);
draw();
