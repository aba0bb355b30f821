"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);
const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
const { raises: RAISES, lowers: LOWERS, paper: PAPER, detail: DETAIL, kept: KEPT, spread: SPREAD, gain: GAIN } = data.colors;
const state = { item: null, views: null, target: 0, other: -1, slice: 0, hovered: -1, pinned: -1, cursor: null, zoom: 1 };

// ---- what travels in the page ----------------------------------------------------------------

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

async function inflate(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

const doubles = (text) => (text === null ? null : new Float64Array(bytes(text).buffer));

// Labels travel as runs from the first pixel to the last: all labels, then all lengths.
async function unpackLabels(text, count) {
  const runs = new Int32Array(await inflate(text)), n = runs.length / 2;
  const labels = runs.subarray(0, n).every((label) => label < 32768) ? new Int16Array(count) : new Int32Array(count);
  for (let i = 0, at = 0; i < n; at += runs[n + i], i++) labels.fill(runs[i], at, at + runs[n + i]);
  return labels;
}

// Maps travel as differences of whole steps, along each row of each slice.
async function unpackMap(map, peak) {
  const steps = new Int16Array(await inflate(map.steps)), values = new Float32Array(steps.length);
  for (let i = 0, level = 0; i < steps.length; i++) {
    level = i % map.width === 0 ? steps[i] : level + steps[i];
    values[i] = (level / map.levels) * peak;
  }
  return values;
}

const unpack = (item) => (item.unpacked ??= unpackNow(item));

async function unpackNow(item) {
  const count = item.width * item.height * item.depth;
  for (const layer of item.layers)
    layer.labels = layer.runs === null ? null : await unpackLabels(layer.runs, count);
  for (const target of item.targets) {
    for (const name of ["importances", "errors", "only", "without"])
      target[name] = doubles(target[name]);
    if (target.map) target.map.values = await unpackMap(target.map, target.peak);
    target.ranked = target.importances === null ? [] : rank(target.importances);
    target.rankOf = new Int32Array(target.ranked.length);
    target.ranked.forEach((id, place) => { target.rankOf[id] = place; });
  }
}

function rank(importances) {
  const sizes = importances.map(Math.abs);
  return [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a] || a - b);
}

// ---- the photograph: its colours, and its detail on one light grey -------------------------------

async function pixelsOf(source, width, height) {
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = width; canvas.height = height;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0, width, height);
  return pen.getImageData(0, 0, width, height).data;
}

// A moving average of an odd width along rows (stride 1) or columns, mirrored at the border.
function average(values, width, height, window, vertical) {
  const out = new Float32Array(values.length), reach = (window - 1) / 2;
  const n = vertical ? height : width, step = vertical ? width : 1;
  const mirror = (i) => { const k = ((i % (2 * n)) + 2 * n) % (2 * n); return k < n ? k : 2 * n - 1 - k; };
  for (let line = 0; line < (vertical ? width : height); line++) {
    const start = vertical ? line : line * width;
    let sum = 0;
    for (let i = -reach; i <= reach; i++) sum += values[start + mirror(i) * step];
    for (let i = 0; i < n; i++) {
      out[start + i * step] = sum / window;
      sum += values[start + mirror(i + reach + 1) * step] - values[start + mirror(i - reach) * step];
    }
  }
  return out;
}

function detailOf(rgba, offset, width, height) {
  const count = width * height, grey = new Float32Array(count);
  for (let i = 0, at = offset; i < count; i++, at += 4)
    grey[i] = Math.round(0.299 * rgba[at] + 0.587 * rgba[at + 1] + 0.114 * rgba[at + 2]);
  const window = Math.max(3, Math.round(Math.max(width, height) / 10) | 1);
  let mean = grey;
  for (let i = 0; i < 3; i++) mean = average(average(mean, width, height, window, true), width, height, window, false);
  let sum = 0, squares = 0;
  for (let i = 0; i < count; i++) { grey[i] -= mean[i]; sum += grey[i]; squares += grey[i] * grey[i]; }
  const spread = Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
  const gain = spread > 1e-3 ? Math.min(GAIN, SPREAD / spread) : 0;
  return Int8Array.from(grey, (value) => Math.round(DETAIL * Math.tanh((value * gain) / DETAIL)));
}

async function photograph(item, band) {
  const view = item.photos[band];
  if (!view.rgba) {
    view.rgba = await pixelsOf(view.source, item.width, item.height * item.depth);
    view.details = [];
  }
  const offset = 4 * item.width * item.height * state.slice;
  view.details[state.slice] ??= detailOf(view.rgba, offset, item.width, item.height);
  return { rgba: view.rgba, offset, detail: view.details[state.slice] };
}

// ---- numbers ----------------------------------------------------------------------------------------

function number(value, sign) {
  if (value === null || Number.isNaN(value)) return "unknown";
  if (value === 0) return "0";
  const size = Math.abs(value), short = Number(size.toPrecision(3));
  const text = size < 1e-4 || size >= 1e6 ? short.toExponential() : String(short);
  return (value < 0 ? "\u2212" : sign ? "+" : "") + text;
}

// A standard error that is zero but for rounding is zero.
const errorOf = (target, id) => (target.errors === null ? "" : number(target.errors[id] < 1e-9 * target.peak ? 0 : target.errors[id]));
const current = () => state.item.targets[state.target];
const labelsOf = (target) => state.item.layers[target.layer].labels;
const fullOf = (target) => {
  const together = get("shared").checked || state.other >= 0;
  const alike = state.item.targets.filter((each) => each.unit === target.unit);
  return together ? Math.max(...alike.map((each) => each.limit)) : target.limit;
};

function valueAt(target, row, column) {
  const { width, height } = state.item, plane = width * height;
  if (!target.map) {
    const label = labelsOf(target)[state.slice * plane + row * width + column];
    return label < 0 ? 0 : target.importances[label];
  }
  const { values, width: w, height: h } = target.map, start = state.slice * w * h;
  if (w >= width) return values[start + Math.floor((row * h) / height) * w + Math.floor((column * w) / width)];
  // A map in fewer pixels than the picture is interpolated between them.
  const y = Math.min(h - 1, Math.max(0, ((row + 0.5) * h) / height - 0.5)), x = Math.min(w - 1, Math.max(0, ((column + 0.5) * w) / width - 0.5));
  const top = Math.floor(y), left = Math.floor(x), below = Math.min(h - 1, top + 1), right = Math.min(w - 1, left + 1);
  const at = (r, c) => values[start + r * w + c];
  const upper = at(top, left) + (x - left) * (at(top, right) - at(top, left));
  const lower = at(below, left) + (x - left) * (at(below, right) - at(below, left));
  return upper + (y - top) * (lower - upper);
}

// ---- painting ---------------------------------------------------------------------------------------

// The colour of a share of the limit: the legend's, plus the photograph's detail or over its colour.
function colorOf(share, opacity, ground, detail, out, at) {
  const tone = share > 0 ? RAISES : LOWERS, alpha = opacity * Math.abs(share);
  for (let c = 0; c < 3; c++) {
    const base = ground === null ? PAPER : ground[c];
    const lift = ground === null ? (1 - KEPT * alpha) * detail : 0;
    out[at + c] = Math.round(base + alpha * (tone[c] - base)) + lift;
  }
  out[at + 3] = 255;
}

function painted(target) {
  const full = fullOf(target), mode = get("mode").value, labels = target.map ? null : labelsOf(target);
  const shown = labels && mode !== "all" ? new Set(target.ranked.slice(0, Number(get("top").value))) : null;
  const plane = state.item.width * state.item.height, start = state.slice * plane;
  return {
    share: (row, column) => (full === 0 ? 0 : Math.max(-1, Math.min(1, valueAt(target, row, column) / full))),
    visible: (pixel) => shown === null || shown.has(labels[start + pixel]) === (mode === "only"),
    edge: (row, column) => {
      // Where pixels are enlarged a line of pixels would be a bar: `mark` draws thin ones.
      if (!labels || state.item.times > 1 || !get("boundaries").checked) return false;
      const { width, height } = state.item, at = start + row * width + column;
      return (column + 1 < width && labels[at] !== labels[at + 1]) || (row + 1 < height && labels[at] !== labels[at + width]);
    },
  };
}

// Controls may change faster than a picture is painted: one more painting waits, never two.
let drawing = Promise.resolve(), waits = false;
function paint() {
  if (!waits) {
    waits = true;
    drawing = drawing.then(() => { waits = false; return paintNow(); });
  }
  return drawing;
}

async function paintNow() {
  const item = state.item, { width, height } = item;
  const { rgba, offset, detail } = await photograph(item, Number(get("band").value || 0));
  const canvas = get("paint"), pen = canvas.getContext("2d", { willReadFrequently: true });
  const picture = pen.createImageData(width, height), out = picture.data;
  const opacity = get("opacity").value / 100, colored = get("color").checked;
  const left = painted(current()), right = state.other < 0 ? left : painted(item.targets[state.other]);
  const split = state.other < 0 ? width : Math.round((get("swipe").value / 100) * width);
  for (let row = 0, pixel = 0, at = 0; row < height; row++)
    for (let column = 0; column < width; column++, pixel++, at += 4) {
      const side = column < split ? left : right;
      if (!side.visible(pixel)) { out[at] = out[at + 1] = out[at + 2] = PAPER; out[at + 3] = 255; continue; }
      const from = offset + at, line = side.edge(row, column);
      const ground = colored ? [rgba[from], rgba[from + 1], rgba[from + 2]] : null;
      colorOf(side.share(row, column), opacity, ground, line ? -DETAIL : detail[pixel], out, at);
      if (colored && line) for (let c = 0; c < 3; c++) out[at + c] *= 0.6;
    }
  pen.putImageData(picture, 0, 0);
  drawScale(fullOf(current()), opacity);
  mark();
}

function drawScale(full, opacity) {
  const canvas = get("bar"), pen = canvas.getContext("2d");
  canvas.width = 401;
  const strip = pen.createImageData(401, 12);
  for (let i = 0, at = 0; i < 401 * 12; i++, at += 4)
    colorOf(full === 0 ? 0 : ((i % 401) - 200) / 200, opacity, null, 0, strip.data, at);
  pen.putImageData(strip, 0, 0);
  const maps = [current(), ...(state.other < 0 ? [] : [state.item.targets[state.other]])];
  const beyond = full > 0 && maps.some((target) => target.peak > full * (1 + 1e-9));
  [...get("ticks").children].forEach((tick, i) => {
    const end = i % 4 === 0 && beyond ? (i ? "\u2265 " : "\u2264 ") : "";
    tick.textContent = full === 0 ? (i === 2 ? "all importances are zero" : "") : end + number((i / 2 - 1) * full, true);
  });
}

// The outline of the region under the pointer, and of the pinned one; the line of the swipe.
function mark() {
  const canvas = get("marks"), pen = canvas.getContext("2d", { willReadFrequently: true }), { width, height } = state.item;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const scale = canvas.width / width, target = current(), labels = target.map ? null : labelsOf(target);
  const start = state.slice * width * height;
  const outline = (id) => {
    const path = new Path2D(), inside = (row, column) =>
      row >= 0 && column >= 0 && row < height && column < width && labels[start + row * width + column] === id;
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        if (!inside(row, column)) continue;
        const x = column * scale, y = row * scale, line = (a, b, c, d) => { path.moveTo(a, b); path.lineTo(c, d); };
        if (!inside(row - 1, column)) line(x, y, x + scale, y);
        if (!inside(row + 1, column)) line(x, y + scale, x + scale, y + scale);
        if (!inside(row, column - 1)) line(x, y, x, y + scale);
        if (!inside(row, column + 1)) line(x + scale, y, x + scale, y + scale);
      }
    pen.lineCap = "round";
    for (const [color, thick] of [["#fff", 6], ["#111", 2.5]]) { pen.strokeStyle = color; pen.lineWidth = thick; pen.stroke(path); }
  };
  if (labels && state.item.times > 1 && get("boundaries").checked) {
    const path = new Path2D();
    for (let row = 0, at = start; row < height; row++)
      for (let column = 0; column < width; column++, at++) {
        const x = (column + 1) * scale, y = (row + 1) * scale;
        if (column + 1 < width && labels[at] !== labels[at + 1]) { path.moveTo(x, y - scale); path.lineTo(x, y); }
        if (row + 1 < height && labels[at] !== labels[at + width]) { path.moveTo(x - scale, y); path.lineTo(x, y); }
      }
    pen.strokeStyle = `rgb(${[1, 1, 1].map(() => PAPER - DETAIL).join(",")})`;
    pen.lineWidth = 1.5;
    pen.stroke(path);
  }
  if (labels) for (const id of new Set([state.pinned, state.hovered])) if (id >= 0) outline(id);
  const cross = (x, y) => {
    for (const [color, thick] of [["#fff", 5], ["#111", 2]]) { pen.strokeStyle = color; pen.lineWidth = thick; pen.strokeRect(x - 7, y - 7, 14, 14); }
  };
  if (!labels && state.cursor) cross((state.cursor[1] + 0.5) * scale, (state.cursor[0] + 0.5) * scale);
  if (state.other >= 0) {
    const x = Math.round((get("swipe").value / 100) * canvas.width);
    pen.fillStyle = "#fff"; pen.fillRect(x - 2, 0, 4, canvas.height);
    pen.fillStyle = "#111"; pen.fillRect(x - 0.5, 0, 1.5, canvas.height);
  }
}

// ---- what is said -----------------------------------------------------------------------------------

function say() {
  const target = current(), id = state.hovered >= 0 ? state.hovered : state.pinned;
  for (const row of get("rows").children) {
    const own = Number(row.dataset.id);
    row.classList.toggle("on", own === state.hovered);
    row.classList.toggle("pinned", own === state.pinned);
  }
  mark();
  if (target.peak === 0) { get("readout").textContent = "All importances of this target are zero."; return; }
  if (target.map) {
    if (!state.cursor) { get("readout").textContent = ""; return; }
    const [row, column] = state.cursor, [rows, columns] = state.item.shape.slice(-2);
    const place = `row ${Math.floor((row * rows) / state.item.height)}, column ${Math.floor((column * columns) / state.item.width)}`;
    get("readout").textContent = `${place}: ${number(valueAt(target, row, column), true)}`;
    return;
  }
  if (id < 0) { get("readout").textContent = ""; return; }
  const plusMinus = target.errors ? ` ± ${errorOf(target, id)}` : "";
  const word = target.sure[id] ? `, ${target.sure[id]} among the ${target.among} strongest` : "";
  get("readout").textContent =
    `segment ${id}: ${number(target.importances[id], true)}${plusMinus}, ` +
    `rank ${target.rankOf[id] + 1} of ${target.ranked.length}${word}${id === state.pinned ? ", pinned" : ""}`;
}

function sayAsked() {
  const target = current(), mode = get("mode").value, k = Number(get("top").value);
  if (target.map || mode === "all") { get("asked").textContent = ""; return; }
  const what = mode === "only" ? `with only the ${k} strongest` : `without the ${k} strongest`;
  const scores = mode === "only" ? target.only : target.without;
  const known = scores !== null && !Number.isNaN(scores[k]);
  get("asked").textContent = known ? `Score ${what}: ${number(scores[k])}.` : `The model was not asked ${what}.`;
}

const hover = (id) => { if (id !== state.hovered) { state.hovered = id; say(); } };

function pin(id) {
  state.pinned = id === state.pinned ? -1 : id;
  say();
}

function placeOf(event) {
  const box = get("stage").getBoundingClientRect(), { width, height } = state.item;
  const column = Math.floor(((event.clientX - box.left) / box.width) * width);
  const row = Math.floor(((event.clientY - box.top) / box.height) * height);
  return row < 0 || column < 0 || row >= height || column >= width ? null : [row, column];
}

function point(event) {
  const place = placeOf(event);
  if (current().map) { state.cursor = place; return say(); }
  const { width, height } = state.item;
  hover(place === null ? -1 : labelsOf(current())[state.slice * width * height + place[0] * width + place[1]]);
}

// Arrow keys walk the ranks; in a map per pixel they move the cursor.
function walk(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const target = current();
  if (event.key === "Escape") { state.hovered = state.pinned = -1; state.cursor = null; return say(); }
  if (target.map) {
    const { width, height } = state.item, far = Math.max(1, Math.round(Math.max(width, height) / 40));
    const move = { ArrowRight: [0, far], ArrowLeft: [0, -far], ArrowDown: [far, 0], ArrowUp: [-far, 0] }[event.key];
    if (!move) return undefined;
    const [row, column] = state.cursor ?? [height >> 1, width >> 1];
    state.cursor = [Math.max(0, Math.min(height - 1, row + move[0])), Math.max(0, Math.min(width - 1, column + move[1]))];
  } else if (event.key === "Enter" || event.key === " ") {
    if (state.hovered >= 0) pin(state.hovered);
  } else {
    const last = target.ranked.length - 1, from = state.hovered >= 0 ? target.rankOf[state.hovered] : -1;
    const place = event.key === "Home" ? 0 : event.key === "End" ? last : step ? Math.max(0, Math.min(last, from + step)) : null;
    if (place === null) return undefined;
    state.hovered = target.ranked[place];
  }
  event.preventDefault();
  return say();
}

// ---- targets, rows, controls --------------------------------------------------------------------

function fillRows() {
  const target = current();
  get("among").textContent = target.map ? "" : `top ${target.among}`;
  get("rows").replaceChildren(...target.ranked.map((id, place) => {
    const row = make("tr");
    row.dataset.id = id;
    row.tabIndex = place === 0 ? 0 : -1;  // one stop of the tab key; arrows go on from there
    const value = target.importances[id];
    row.append(make("td", place + 1), make("td", id));
    const cell = make("td"), line = make("div", undefined, "value"), bar = make("i");
    bar.style.width = target.peak === 0 ? "0" : `${(56 * Math.abs(value)) / target.peak}px`;
    bar.style.background = `rgb(${(value > 0 ? RAISES : LOWERS).join(",")})`;
    line.append(bar, make("span", number(value, true)));
    cell.append(line);
    row.append(cell, make("td", errorOf(target, id)), make("td", target.sure[id] ?? ""));
    row.addEventListener("pointerenter", () => hover(id));
    row.addEventListener("focus", () => hover(id));
    row.addEventListener("click", () => pin(id));
    row.addEventListener("keydown", (event) => {
      const next = { ArrowDown: row.nextSibling, ArrowUp: row.previousSibling }[event.key];
      if (next) { event.preventDefault(); row.tabIndex = -1; next.tabIndex = 0; next.focus(); }
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pin(id); }
    });
    return row;
  }));
}

function meterOf(target) {
  const meter = make("span", undefined, "meter"), [low, high] = target.range, span = high - low || 1;
  const zero = (0 - low) / span, end = (target.score - low) / span;
  const bar = make("i");
  bar.style.left = `${100 * Math.min(zero, end)}%`;
  bar.style.width = `${100 * Math.abs(end - zero)}%`;
  meter.append(bar);
  if (target.hidden !== null) {
    const tick = make("b");
    tick.style.left = `calc(${(100 * (target.hidden - low)) / span}% - 1px)`;
    meter.append(tick);
  }
  return meter;
}

function fillTargets() {
  get("targets").replaceChildren(...state.item.targets.map((target, index) => {
    const line = make("label", undefined, "target"), button = make("input");
    Object.assign(button, { type: "radio", name: "target", checked: index === state.target });
    button.addEventListener("change", () => choose(index));
    line.append(button, make("span", target.name, "name"));
    if (target.score !== null) line.append(meterOf(target));
    if (target.note) line.append(make("small", target.note));
    return line;
  }));
}

function choose(index) {
  state.target = index;
  state.hovered = state.pinned = -1;
  state.cursor = null;
  const target = current(), perSegment = !target.map;
  get("title").textContent = data.title || target.title;
  document.title = data.title ? `${data.title}: ${target.title}` : target.title;
  get("words").textContent = target.words;
  for (const id of ["list", "mode-line", "top-line", "boundary-line"]) get(id).hidden = !perSegment;
  if (perSegment) {
    const top = get("top");
    top.max = target.ranked.length;
    top.value = Math.min(top.max, Number(top.dataset.wanted || 5));
  }
  get("keys").textContent = perSegment
    ? "Arrow keys walk the regions by rank, Enter pins one, Escape lets go."
    : "Point at the picture, or move about in it with the arrow keys.";
  fillRows();
  outputs();
  say();
  return paint();
}

function outputs() {
  get("opacity").nextElementSibling.textContent = `${get("opacity").value} %`;
  get("top").nextElementSibling.textContent = get("top").value;
  if (state.item.depth > 1) get("slice").nextElementSibling.textContent = state.item.slices[state.slice];
  sayAsked();
}

function compare() {
  state.other = Number(get("other").value);
  get("swipe-line").hidden = state.other < 0;
  if (state.other >= 0) {
    const other = state.item.targets[state.other], alike = other.unit === current().unit;
    const scales = alike ? "" : `; the colour bar is that of the left map, the right one has its own (full colour at ${number(other.limit)} ${other.unit})`;
    get("swipe-names").textContent = `left: ${current().name}; right: ${other.name}${scales}`;
  }
  get("shared-line").hidden = state.item.targets.length < 2 || state.other >= 0;
  return paint();
}

function options(select, names, first) {
  select.replaceChildren(...names.map((name, index) => {
    const option = make("option", name);
    option.value = index + first;
    return option;
  }));
}

function zoom(times) {
  state.zoom = Math.max(1, Math.min(8, state.zoom * times));
  get("stage").style.width = `${100 * state.zoom}%`;
}

function download(name, blob) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const fileName = (ending) => `${current().name.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60) || "map"}.${ending}`;

function asCsv() {
  const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const lines = ["target,segment,rank,importance,standard_error"];
  for (const target of state.item.targets)
    target.ranked.forEach((id, place) => lines.push(
      [quoted(target.name), id, place + 1, target.importances[id], target.errors ? target.errors[id] : ""].join(",")));
  if (!state.item.targets.some((target) => !target.map)) {
    lines[0] = "row,column,importance";
    for (let row = 0; row < state.item.height; row++)
      for (let column = 0; column < state.item.width; column++)
        lines.push([row, column, valueAt(current(), row, column)].join(","));
  }
  return lines.join("\r\n") + "\r\n";
}

async function openItem(item) {
  await unpack(item);
  Object.assign(state, { item, target: 0, other: -1, slice: item.depth >> 1, hovered: -1, pinned: -1, cursor: null });
  const ratio = Math.max(1, Math.min(item.times, 8));
  Object.assign(get("paint"), { width: item.width, height: item.height });
  const wide = Math.max(item.width * ratio, Math.min(640, 640 * (item.width / item.height)));
  Object.assign(get("marks"), { width: Math.round(wide), height: Math.round((wide * item.height) / item.width) });
  get("stage").classList.toggle("crisp", item.times > 1);
  get("facts").textContent = item.facts.join(" · ");
  for (const [id, hidden] of [["slice-line", item.depth < 2], ["band-line", item.photos.length < 2],
    ["other-line", item.targets.length < 2], ["shared-line", item.targets.length < 2]]) get(id).hidden = hidden;
  Object.assign(get("slice"), { max: item.depth - 1, value: state.slice });
  options(get("band"), item.photos.map((photo) => photo.name), 0);
  const units = new Set(item.targets.map((target) => target.unit));
  get("shared-line").lastChild.textContent = ` one scale for all targets${units.size > 1 ? " of one unit" : ""}`;
  options(get("other"), ["nothing", ...item.targets.map((target) => target.name)], -1);
  get("other").value = -1;
  get("mode").value = "all";
  get("swipe-line").hidden = true;
  get("opacity").value = Math.round(100 * data.colors.opacity);
  zoom(0);
  fillTargets();
  await choose(0);
}

function connect() {
  for (const id of ["opacity", "top", "mode", "boundaries", "color", "shared", "band", "swipe"])
    get(id).addEventListener("input", () => {
      if (id === "top") get("top").dataset.wanted = get("top").value;
      outputs();
      paint();
    });
  get("slice").addEventListener("input", () => { state.slice = Number(get("slice").value); outputs(); say(); paint(); });
  get("other").addEventListener("input", compare);
  get("stage").addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") point(event); });
  get("stage").addEventListener("pointerleave", (event) => {
    if (event.pointerType === "touch") return;
    if (current().map) { state.cursor = null; say(); } else hover(-1);
  });
  get("stage").addEventListener("click", (event) => {
    point(event);
    if (!current().map && state.hovered >= 0) pin(state.hovered);
  });
  get("stage").addEventListener("keydown", walk);
  get("closer").addEventListener("click", () => zoom(1.5));
  get("farther").addEventListener("click", () => zoom(1 / 1.5));
  get("png").addEventListener("click", () => get("paint").toBlob((blob) => download(fileName("png"), blob)));
  get("csv").addEventListener("click", () => download(fileName("csv"), new Blob(["\ufeff", asCsv()], { type: "text/csv" })));
  for (const button of document.querySelectorAll(".theme"))
    button.addEventListener("click", () => {
      const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      const shown = root.dataset.theme === "auto" ? system : root.dataset.theme;
      root.dataset.theme = shown === "dark" ? "light" : "dark";
    });
}
