const $ = (id) => document.getElementById(id);
const BY_ID = Object.fromEntries(DATA.nodes.map((n) => [n.id, n]));
const GIVEN = JSON.stringify(DATA.values);
const LAST = DATA.steps.length - 1;
let at = 0;
let timer = null;

// -- functions of formulas that JavaScript has not under their names -------------------------

const fx = {
  sigmoid: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
  rsqrt: (x) => 1 / Math.sqrt(x),
  copysign: (x, y) => (y < 0 || Object.is(y, -0) ? -Math.abs(x) : Math.abs(x)),
  round: (x) => {  // halves to the even neighbour
    const r = Math.round(x);
    return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
  },
  erf: (x) => {  // its series near 0, a continued fraction farther out
    const a = Math.abs(x);
    if (Number.isNaN(x) || a > 6) return Number.isNaN(x) ? x : Math.sign(x);
    if (a < 2.5) {
      let term = x, sum = x;
      for (let n = 1; n < 80; n++) { term *= (-x * x) / n; sum += term / (2 * n + 1); }
      return (2 / Math.sqrt(Math.PI)) * sum;
    }
    let f = 0;
    for (let n = 120; n > 0; n--) f = n / 2 / (a + f);
    return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + f) * Math.sqrt(Math.PI)));
  },
};

// -- numbers and texts: as minigrad.viz.stepping.values has them -----------------------------

function number(x) {
  if (typeof x === "string") return x;
  if (typeof x === "boolean") return x ? "True" : "False";
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  const a = Math.abs(x);
  if (Number.isInteger(x) && a < 1e6) return Object.is(x, -0) ? "-0" : String(x);
  if (a >= 1e4 && a < 1e6) return x.toFixed(0);
  if (a >= 1e6 || a < 1e-4) {
    const [mantissa, exponent] = x.toExponential(3).split("e");
    return Number(mantissa) + "e" + exponent.replace("+", "");
  }
  return String(Number(x.toPrecision(4)));
}

function scalar(key) {
  let value = DATA.values[key] === undefined ? "?" : DATA.values[key].elements;
  while (Array.isArray(value)) value = value.length === 1 ? value[0] : "?";
  return value === undefined ? "?" : value;
}

function fill(template) {
  return template.replace(/⟦([^⟧]+)⟧/g, (match, key, offset) => {
    const text = number(scalar(key));
    const before = template.slice(0, offset).trimEnd(), after = template.slice(offset + match.length).trimStart();
    const alone = "(=,:[".includes(before.slice(-1)) && ")=,;]".includes(after.slice(0, 1));
    return text.startsWith("-") && !alone ? `(${text})` : text;
  });
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// -- tensors ---------------------------------------------------------------------------------

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function colour(share, zero) {  // blue below zero, red above; without a zero between, one scale
  if (zero === null) return [255 - 218 * share, 255 - 156 * share, 255 - 20 * share];
  const t = share < zero ? (zero - share) / Math.max(zero, 1 - zero) : (share - zero) / Math.max(zero, 1 - zero);
  return share < zero ? [255 - 218 * t, 255 - 156 * t, 255 - 20 * t] : [255 - 75 * t, 255 - 191 * t, 255 - 213 * t];
}

function paint(rows, columns, pixel, label, size) {
  const canvas = element("canvas", { width: columns, height: rows, role: "img", "aria-label": label });
  const scale = Math.max(1, Math.min(12, Math.floor(size / Math.max(rows, columns))));
  canvas.style.width = columns * scale + "px";
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) image.data.set([...pixel(i), 255], 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}

function heat(map, label) {
  const cells = bytes(map.cells);
  const zero = map.low < 0 && map.high > 0 ? -map.low / (map.high - map.low) : null;
  return paint(map.rows, map.columns, (i) => (cells[i] ? colour((cells[i] - 1) / 254, zero) : [120, 120, 120]), label, 256);
}

function pictures(set, label) {
  const cells = bytes(set.cells), depth = set.colour ? 3 : 1, size = set.rows * set.columns * depth;
  const all = element("div", { class: "pictures" });
  for (let k = 0; k < set.n; k++) {
    const pixel = (i) => [0, 1, 2].map((c) => cells[k * size + i * depth + (depth === 3 ? c : 0)]);
    all.append(paint(set.rows, set.columns, pixel, `${label}, picture ${k + 1}`, set.n > 4 ? 64 : 128));
  }
  return all;
}

function matrix(shown) {
  const depth = shown.shape.length;
  const columns = depth ? shown.shape[depth - 1] : 1;
  const flat = [shown.elements].flat(Infinity), table = element("table");
  const largest = Math.max(...flat.map((x) => (Number.isFinite(x) ? Math.abs(x) : 0)), 1e-300);
  for (let start = 0; start < flat.length; start += columns) {
    const row = element("tr");
    for (const x of flat.slice(start, start + columns)) {
      const cell = element("td", {}, number(x));
      const tint = Number.isFinite(x) ? Math.round((45 * Math.abs(x)) / largest) : 0;
      cell.style.background = `color-mix(in srgb, var(${x < 0 ? "--blue" : "--red"}) ${tint}%, transparent)`;
      row.append(cell);
    }
    table.append(row);
  }
  return element("div", { class: "matrix", tabindex: "0", role: "group", "aria-label": shown.type }, table);
}

function summary(shown) {
  const s = shown.stats;
  const facts = ["mean", "std", "min", "max"].filter((k) => k in s).map((k) => `${k} ${number(s[k])}`);
  if (s["not finite"]) facts.push(`${s["not finite"]} of ${s.size} not finite`);
  return facts.join(", ");
}

function tensor([name, key]) {
  const shown = DATA.values[key];
  const caption = element("figcaption", {}, element("b", {}, name));
  if (shown === undefined) return element("figure", {}, caption, " not kept");
  caption.append(" " + shown.type);
  if ("elements" in shown) return element("figure", {}, caption, matrix(shown));
  const label = `${name}: ${shown.type}, ${summary(shown)}`;
  const picture = shown.images ? pictures(shown.images, label) : heat(shown.heat, label);
  return element("figure", {}, caption, picture, element("figcaption", {}, summary(shown)));
}

// -- one step --------------------------------------------------------------------------------

const PHASES = { start: "Given", forward: "Forward", turn: "Backward", backward: "Backward", leaf: "Backward", end: "Done" };

function words(step) {
  return [step.title, ...step.lines.map(fill), ...step.tensors.map(([name, key]) => {
    const shown = DATA.values[key];
    if (!shown) return `${name} is not kept`;
    return "stats" in shown ? `${name}: ${shown.type}, ${summary(shown)}` : `${name}: ${[shown.elements].flat(Infinity).map(number).join(" ")}`;
  })].join(". ");
}

function card(step) {
  const node = step.node ? BY_ID[step.node] : null, parts = [element("h2", {}, step.title)];
  if (node && node.line) {
    parts.push(element("div", { class: "source" }, node.line, element("small", {}, node.place)));
  }
  const list = element("ul", { class: "lines" });
  for (const template of step.lines) {
    const isNote = !/[=]|gets|⟦/.test(template), text = fill(template), cut = text.lastIndexOf(" = ");
    const item = element("li", isNote ? { class: "note" } : {});
    if (!isNote && cut > 0 && /⟧$/.test(template)) item.append(text.slice(0, cut + 3), element("b", {}, text.slice(cut + 3)));
    else item.append(text);
    list.append(item);
  }
  parts.push(list);
  if (step.tensors.length) parts.push(element("div", { class: "tensors" }, ...step.tensors.map(tensor)));
  $("card").replaceChildren(...parts);
  $("card").className = step.phase === "forward" ? "forward" : "";
}

function known(key) {
  return at >= (DATA.shown[key] ?? (key.startsWith("v:") ? 0 : LAST + 1));
}

function graph(step) {
  for (const node of DATA.nodes) {
    const group = document.querySelector(`#graph [id="${node.id}"]`);
    if (!group) return;
    const [, , value, label, gradient] = group.querySelectorAll("text");
    group.classList.toggle("now", step.node === node.id);
    group.classList.toggle("later", !known(`v:${node.id}`));
    value.classList.toggle("unseen", !known(`v:${node.id}`));
    for (const text of [label, gradient]) if (text) text.classList.toggle("unseen", !known(`g:${node.id}`));
    if (PROGRAM) {
      value.textContent = number(scalar(`v:${node.id}`));
      if (gradient) gradient.textContent = number(scalar(`g:${node.id}`));
    }
  }
  for (const edge of DATA.edges) {
    const group = document.querySelector(`#graph [id="${edge.id}"]`), text = group.querySelector("text");
    group.classList.toggle("now", step.edges.includes(edge.id));
    if (!text) continue;
    text.classList.toggle("unseen", !known(`l:${edge.id}`));
    if (PROGRAM) text.textContent = "× " + number(scalar(`l:${edge.id}`));
  }
  follow(step);
}

function follow(step) {  // the box that is spoken of, in the middle of what one sees
  const box = $("graph"), target = step.node && document.querySelector(`#graph [id="${step.node}"]`);
  if (!target) return;
  const outer = box.getBoundingClientRect(), inner = target.getBoundingClientRect();
  if (inner.left < outer.left || inner.right > outer.right) box.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
  if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += (inner.top + inner.bottom - outer.top - outer.bottom) / 2;
}

function brief(key) {
  const shown = DATA.values[key];
  if (!shown) return "";
  if (!shown.shape.length) return number(scalar(key));
  return key.startsWith("g:") ? `± ${number(size(shown))}` : shown.type;
}

function size(shown) {  // the root of the mean square
  if ("stats" in shown) return Math.hypot(shown.stats.mean ?? NaN, shown.stats.std ?? NaN);
  const flat = [shown.elements].flat(Infinity).map(Number);
  return Math.sqrt(flat.reduce((sum, x) => sum + x * x, 0) / flat.length);
}

function variables() {
  const body = element("tbody");
  for (const node of DATA.nodes) {
    const editable = PROGRAM && node.kind !== "op" && typeof scalar(`v:${node.id}`) === "number";
    const value = element("td", { class: "number", id: `value-${node.id}` });
    if (editable) {
      const input = element("input", { type: "number", step: "any", value: number(scalar(`v:${node.id}`)), "aria-label": `Value of ${node.name}`, id: `edit-${node.id}` });
      input.addEventListener("input", () => change(node.id, input));
      value.append(input);
    }
    body.append(element("tr", { id: `row-${node.id}` },
      element("td", {}, node.name + (node.formula ? ` = ${node.formula}` : "")), value,
      element("td", { class: "number gradient", id: `gradient-${node.id}` })));
  }
  const head = element("thead", {}, element("tr", {}, ...["", "value", "gradient"].map((t) => element("th", { scope: "col" }, t))));
  const parts = [element("h2", {}, "Values and gradients"), element("table", {}, head, body)];
  if (Object.entries(DATA.values).some(([key, shown]) => key.startsWith("g:") && shown.shape.length)) {
    parts.push(element("p", { class: "hint" }, "± is the usual size of a gradient's elements, the root of their mean square."));
  }
  if (PROGRAM) {
    const reset = element("button", { type: "button", id: "reset" }, "As it was");
    reset.addEventListener("click", () => { restore(); });
    parts.push(element("p", { class: "hint" }, "Change a value: forward and backward are computed anew, here in the page."), reset);
  }
  $("variables").replaceChildren(...parts);
}

function table(step) {
  for (const node of DATA.nodes) {
    $(`row-${node.id}`).classList.toggle("now", step.node === node.id);
    if (!$(`edit-${node.id}`)) $(`value-${node.id}`).textContent = known(`v:${node.id}`) ? brief(`v:${node.id}`) : "";
    $(`gradient-${node.id}`).textContent = known(`g:${node.id}`) ? brief(`g:${node.id}`) : "";
  }
}

function go(to) {
  at = Math.max(0, Math.min(LAST, to));
  draw();
  if (at === LAST) stop();
}

function draw() {
  const step = DATA.steps[at];
  document.body.classList.toggle("going-back", !["start", "forward"].includes(step.phase));
  $("phase").textContent = PHASES[step.phase];
  $("slider").value = at;
  $("slider").setAttribute("aria-valuetext", `${at + 1} of ${LAST + 1}: ${step.title}`);
  $("counter").textContent = `${at + 1} of ${LAST + 1}`;
  for (const id of ["first", "back"]) $(id).disabled = at === 0;
  for (const id of ["next", "last"]) $(id).disabled = at === LAST;
  card(step); graph(step); table(step);
  $("status").textContent = words(step);
}

// -- changing leaves -------------------------------------------------------------------------

function put(key, value) {
  DATA.values[key] = { shape: [], type: "", elements: value };
}

function compute() {
  const gradients = { [DATA.root]: 1 }, order = DATA.nodes.filter((n) => n.kind === "op").map((n) => n.id);
  const operands = (op) => PROGRAM[op].inputs.map((s) => (typeof s === "string" ? Number(scalar(`v:${s}`)) : s));
  for (const op of order) put(`v:${op}`, PROGRAM[op].value(...operands(op)));
  for (const op of order.reverse()) {
    if (!(op in gradients)) continue;
    const y = scalar(`v:${op}`), values = operands(op);
    for (const edge of DATA.edges.filter((e) => e.to === op && e.flows)) {
      const slope = PROGRAM[op].slopes[edge.input];
      if (!slope) continue;
      const passed = slope(gradients[op], y, ...values);
      put(`c:${edge.id}`, passed);
      put(`l:${edge.id}`, slope(1, y, ...values));
      gradients[edge.from] = (gradients[edge.from] ?? 0) + passed;
    }
  }
  for (const [id, g] of Object.entries(gradients)) put(`g:${id}`, g);
}

function change(id, input) {
  const value = input.valueAsNumber;
  input.setAttribute("aria-invalid", Number.isNaN(value));
  if (Number.isNaN(value)) return;
  put(`v:${id}`, value);
  compute();
  draw();
}

function restore() {
  DATA.values = JSON.parse(GIVEN);
  variables();
  draw();
}

// -- hands -----------------------------------------------------------------------------------

function stop() {
  clearInterval(timer);
  timer = null;
  $("play").textContent = "▶ play";
  $("play").setAttribute("aria-label", "Play");
  $("play").setAttribute("aria-pressed", "false");
}

function play() {
  if (timer) return stop();
  if (at === LAST) go(0);
  timer = setInterval(() => go(at + 1), 1600);
  $("play").textContent = "⏸ pause";
  $("play").setAttribute("aria-label", "Pause");
  $("play").setAttribute("aria-pressed", "true");
}

function byHand(to) {
  stop();
  go(to);
}

const MOVES = { ArrowRight: () => at + 1, ArrowLeft: () => at - 1, Home: () => 0, End: () => LAST };

document.addEventListener("keydown", (event) => {
  const busy = event.target.tagName === "INPUT";
  if (event.ctrlKey || event.metaKey || event.altKey || busy) return;
  if (event.key in MOVES) { byHand(MOVES[event.key]()); event.preventDefault(); }
  else if (event.key === " " && event.target.tagName !== "BUTTON") { play(); event.preventDefault(); }
});

$("slider").max = LAST;
$("slider").addEventListener("input", () => byHand(Number($("slider").value)));
$("first").addEventListener("click", () => byHand(0));
$("back").addEventListener("click", () => byHand(at - 1));
$("next").addEventListener("click", () => byHand(at + 1));
$("last").addEventListener("click", () => byHand(LAST));
$("play").addEventListener("click", play);

let touched = null;
$("card").addEventListener("touchstart", (e) => { touched = e.touches[0]; }, { passive: true });
$("card").addEventListener("touchend", (e) => {
  const dx = e.changedTouches[0].clientX - touched.clientX, dy = e.changedTouches[0].clientY - touched.clientY;
  if (Math.abs(dx) > 50 && Math.abs(dx) > 2 * Math.abs(dy)) byHand(at + (dx < 0 ? 1 : -1));
}, { passive: true });

function fit() {  // as large as there is room, but to be read
  const svg = document.querySelector("#graph svg");
  if (!svg) return;
  const box = svg.viewBox.baseVal, room = $("graph").clientWidth - 16;
  const scale = Math.max(0.95, Math.min(1.7, room / box.width));
  svg.setAttribute("width", box.width * scale);
  svg.setAttribute("height", box.height * scale);
  svg.removeAttribute("role");
}

function prepare() {
  for (const node of DATA.nodes) {
    const group = document.querySelector(`#graph [id="${node.id}"]`);
    if (!group) break;
    const texts = group.querySelectorAll("text");
    for (const i of [1, 3]) if (texts[i]) texts[i].classList.add("label");
    if (texts[4]) texts[4].classList.add("gradient");
    group.addEventListener("click", () => {
      const steps = DATA.steps.map((s, i) => [s, i]).filter(([s]) => s.node === node.id);
      const later = steps.find(([, i]) => i > at) ?? steps[0];
      if (later) byHand(later[1]);
    });
  }
  for (const title of document.querySelectorAll("#graph svg title")) title.remove();
}

prepare();
fit();
addEventListener("resize", fit);
variables();
go(Number((/^#step=(\d+)$/.exec(location.hash) || [0, 0])[1]));
