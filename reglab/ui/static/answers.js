// Where the page is one column, a new picture brings its answer into sight; other ways to look at the same one move nothing.
let answered = "";
watch("value", () => {
  const asked = document.querySelector(".reglab-picture img")?.dataset.url || "";
  if (asked === answered || !element.querySelector("section, .warning")) return;
  answered = asked;
  if (matchMedia("(max-width: 899px)").matches) element.scrollIntoView({ block: "start" });
});
