// Words, numbers and elements of the page for all parts of the chart.

function words(chart, value) {
  if (chart.name === "accuracy") return `${(value * 100).toFixed(1)} %`;
  const size = Math.abs(value);
  return size >= 1e5 || (size > 0 && size < 1e-3) ? value.toExponential(1) : value.toFixed(size < 10 ? 3 : 1);
}

// A point of a curve, with its standard error where that is known: "57.9 ± 3.5 %".
function valueOf(chart, series, spot) {
  const value = words(chart, series.y[spot]), error = series.se[spot];
  return Number.isFinite(error) ? value.replace(" %", ` ± ${(error * 100).toFixed(1)} %`) : value;
}

// A difference of two accuracies, with a true minus, as views/numbers.py writes it.
function points(difference) {
  return `${(difference * 100).toFixed(1).replace("-", "\u2212")} points`;
}

function tidy(epoch) {
  return String(Math.round(epoch * 100) / 100);
}

function clock(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

function pad(n) {
  return String(n).padStart(2, "0");
}

function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : NaN;
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function range(from, to) {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}


// ----------------------------------------------------------------------------------------------------- the page

function part(name) {
  return element.querySelector(`[data-part=${name}]`);
}

// One child of `parent` for each item, after the first `skip` children: made when missing, kept when there, dropped when too many.
function rows(parent, items, makeOne, fill, skip = 0) {
  while (parent.children.length > items.length + skip) parent.lastElementChild.remove();
  while (parent.children.length < items.length + skip) parent.append(makeOne());
  items.forEach((item, index) => fill(parent.children[index + skip], item, index));
}

function paintName(node, run) {
  set(node, "class", "name");
  set(node, "data-role", run.role);
  set(node, "title", run.name);                   // a long name is cut off with an ellipsis
  write(node, run.name);
}

function make(tag, ...children) {
  const node = document.createElement(tag);
  node.append(...children);
  return node;
}

function draft(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  return node;
}

function stretch(line, x1, y1, x2, y2) {
  set(line, "x1", x1);
  set(line, "y1", y1);
  set(line, "x2", x2);
  set(line, "y2", y2);
}

function place(text, x, y) {
  set(text, "x", x);
  set(text, "y", y);
}

// Both write only what differs: an untouched element costs the browser nothing.
function write(node, text) {
  const next = text === undefined || text === null ? "" : String(text);
  if (node.textContent !== next) node.textContent = next;
}

function set(node, name, value) {
  if (value === undefined || value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// A browser may refuse to remember (private windows, embedded pages): then the switch is simply off next time.
function remember(key, value) {
  try { localStorage.setItem(key, value); } catch { /* see above */ }
}

function recall(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}
