// A number to type, and a slider beside it where the field has one. What is typed stays as it is typed: the server reads it,
// and here it is read only to place the slider. Loaded once into the head of the page; each field calls this when it is drawn.
// Its props: `id`, `called` its label, `hint`, `usual` what an empty field means, `slider` [low, high, step], `log`, `whole`, `locked`.
window.reglabElement = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

window.reglabNumber = (element, props, trigger, watch) => {
  const make = window.reglabElement, id = props.id, ranged = props.slider?.length;
  const text = make("input", { type: "text", id: `${id}-text`, inputmode: "decimal", autocomplete: "off", spellcheck: "false",
    maxlength: 40, "aria-describedby": `${id}-hint ${id}-note ${id}-refused` });
  const range = ranged ? make("input", { type: "range", "aria-label": `${props.called}, slider` }) : null;
  const hint = make("span", { class: "hint", id: `${id}-hint` }), note = make("span", { class: "note", id: `${id}-note` });
  element.replaceChildren(make("div", { class: `number-control${ranged ? " ranged" : ""}` },
    make("label", { for: text.id }, props.called), hint, text, ...(range ? [range] : []), note,
    make("p", { class: "refused", id: `${id}-refused`, "aria-live": "polite" })));
  let field = {};

  function read(typed) {
    const [found = ""] = typed.replace("\u2212", "-").replace(/(?<=\d)[ '\u2019_\u00a0\u202f](?=\d)/g, "").match(/[-+.,\de]*\d[.,\d]*(e[-+]?\d+)?/i) || [];
    return Number(field.whole ? found.replace(/[,.](?=\d{3}(\D|$))/g, "") : found.replace(",", ".")) || (/\d/.test(found) ? 0 : NaN);
  }
  const value = () => read(text.value.trim() || field.usual || "");

  function place() {
    if (!range || !field.slider) return;   // a page that is drawn again may have its props a moment later
    const [low, high] = field.slider, now = Math.min(high, Math.max(low, value()));
    if (!Number.isNaN(now)) range.value = field.log ? 1000 * Math.log(now / low) / Math.log(high / low) : now;
    range.setAttribute("aria-valuetext", text.value.trim() || field.usual || "");
  }

  function draw() {
    field = { ...props, ...window.reglabTold?.[id] };
    if (text.value !== `${props.value ?? ""}`) text.value = props.value ?? "";
    text.placeholder = field.usual || "";
    text.disabled = Boolean(field.locked);
    note.textContent = field.note || "";
    hint.textContent = hint.title = field.hint || "";
    if (range && field.slider) {
      const [low, high, step] = field.slider;
      Object.assign(range, field.log ? { min: 0, max: 1000, step: 1 } : { min: low, max: high, step }, { disabled: text.disabled });
    }
    place();
  }

  function set(number) {
    text.value = String(Number(number.toPrecision(12)));
    typed();
  }
  function typed() {
    props.value = text.value;
    place();
    trigger("input");
  }
  // Of a logarithmic slider two digits are enough: 0.0123 is 0.012.
  const shown = () => {
    const [low, high] = field.slider, there = low * (high / low) ** (range.value / 1000);
    return field.log ? Number((field.whole ? Math.round(there) : there).toPrecision(2)) : Number(range.value);
  };
  // One step up or down: the slider's own; a whole number; else 1, 2, 5, 10 ... as on a scale of ratios.
  function next(now, way) {
    if (range && !field.log) {
      const [low, high, step] = field.slider, there = now + way * step;
      return there < low && now >= low ? low : there > high && now <= high ? high : there;
    }
    if (field.whole) return now + way;
    if (!(now > 0)) return now;
    const ten = 10 ** Math.floor(Math.log10(now) + 1e-9), steps = [0.5, 1, 2, 5, 10].map(s => Number((s * ten).toPrecision(3)));
    return way > 0 ? steps.find(s => s > now * 1.001) : steps.findLast(s => s < now * 0.999);
  }

  text.addEventListener("input", typed);
  text.addEventListener("keydown", event => {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Enter") trigger("submit");
    if (!way || text.disabled || Number.isNaN(value())) return;
    event.preventDefault();
    set(next(value(), way));
  });
  range?.addEventListener("input", () => set(shown()));
  element.addEventListener("told", draw);
  watch(["value", "locked", "usual", "hint", "slider"], draw);
  draw();
};
