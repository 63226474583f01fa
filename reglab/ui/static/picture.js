// A picture, as somebody gives it: chosen, dropped, pasted anywhere on the tab, photographed, or an example, which the list of
// examples sends here as the event `given`. The value is {path, url, name} of what was uploaded, or null.
const box = element.querySelector(".reglab-picture"), input = box.querySelector("input"), image = box.querySelector("img");
const video = box.querySelector("video"), said = box.querySelector("output");
const [photograph, cancel, clear] = ["photograph", "cancel", "clear"].map(name => box.querySelector(`[data-do=${name}]`));
let turn = 0;

async function give(file) {
  const mine = ++turn;
  said.textContent = "";
  watchThrough(null);
  try {
    const { path, url } = await upload(file);
    if (mine === turn) replace({ path, url, name: file.name });
  } catch {
    said.textContent = "The picture did not get here: choose a smaller one, or try again.";
  }
  draw();
}

function replace(value) {
  props.value = value;
  trigger("replaced");
}

// What the browser cannot read is not shown at all, instead of as a broken picture: what is wrong with it, the answer says.
async function draw() {
  const url = props.value?.url || "";
  clear.hidden = !url;
  if (image.dataset.url === url) return;
  box.classList.remove("shown");
  Object.assign(image, { alt: url ? `The picture that was given: ${props.value.name}` : "" }).dataset.url = url;
  if (!url) return image.removeAttribute("src");
  image.src = url;
  try {
    await image.decode();
  } catch {
    return;
  }
  image.style.imageRendering = image.naturalWidth < 100 ? "pixelated" : "";   // of an example, pixels rather than a blur
  box.classList.toggle("shown", image.dataset.url === url);
}

// ---- the camera
function watchThrough(stream) {
  if (video.srcObject) video.srcObject.getTracks().forEach(track => track.stop());
  video.srcObject = stream;
  box.classList.toggle("watching", Boolean(stream));
  photograph.textContent = stream ? "Take the photo" : "Use the camera";
  cancel.hidden = !stream;
}

function rest() {                                  // the camera is on only while somebody sees what it sees
  if (document.hidden || !box.checkVisibility()) watchThrough(null);
  if (!element.isConnected) document.removeEventListener("visibilitychange", rest);
}
document.addEventListener("visibilitychange", rest);
new ResizeObserver(rest).observe(box);             // which has no size once another tab is open, or it was drawn anew

async function look() {
  if (!video.srcObject) {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }).catch(() => null);
    said.textContent = stream ? "" : "There is no camera that this page may use: allow it, or choose a picture.";
    watchThrough(stream);
    return rest();
  }
  if (!video.videoWidth) {
    said.textContent = "The camera shows nothing yet: wait a moment, then take the photo.";
    return;
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob(blob => blob && give(new File([blob], "photo.png", { type: "image/png" })));
}

// ---- the ways in
function paste(event) {
  if (!element.isConnected) return document.removeEventListener("paste", paste);   // drawn anew, with a listener of its own
  if (!element.checkVisibility()) return;
  const file = [...event.clipboardData.files].find(each => each.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    give(file);
  } else if (!event.target.closest("input, textarea")) {
    said.textContent = "There is no picture in what was pasted: copy one first.";
  }
}
document.addEventListener("paste", paste);
input.addEventListener("change", () => {
  if (input.files[0]) give(input.files[0]);
  input.value = "";                                  // so that the same file counts when it is chosen again
});
box.addEventListener("given", event => give(event.detail));
box.addEventListener("dragover", event => event.preventDefault());
box.addEventListener("drop", event => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) give(event.dataTransfer.files[0]);
});
photograph.hidden = !navigator.mediaDevices?.getUserMedia;
photograph.addEventListener("click", look);
cancel.addEventListener("click", () => {
  said.textContent = "";
  watchThrough(null);
  photograph.focus();
});
clear.addEventListener("click", () => {
  turn += 1;
  said.textContent = "";
  replace(null);
  draw();
  input.focus();
});
watch("value", draw);
draw();
