const cards = data.items.map((item, index) => ({ item, index, ...item.card }));

// A thumbnail is painted when it comes into view, from what its page is painted from.
async function paintThumbnail(canvas, item) {
  await unpack(item);
  const { width, height } = item, target = item.targets[0], slice = item.depth >> 1;
  const photo = item.photos[0];
  const rgba = await pixelsOf(photo.source, width, height * item.depth);
  const detail = detailOf(rgba, 4 * width * height * slice, width, height);
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d"), picture = pen.createImageData(width, height);
  const before = [state.item, state.slice];
  Object.assign(state, { item, slice });
  for (let row = 0, pixel = 0; row < height; row++)
    for (let column = 0; column < width; column++, pixel++) {
      const share = target.limit === 0 ? 0 : Math.max(-1, Math.min(1, valueAt(target, row, column) / target.limit));
      colorOf(share, data.colors.opacity, null, detail[pixel], picture.data, 4 * pixel);
    }
  [state.item, state.slice] = before;
  pen.putImageData(picture, 0, 0);
  canvas.dataset.painted = "yes";
}

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries)
    if (isIntersecting) {
      watcher.unobserve(target);
      paintThumbnail(target, cards[Number(target.dataset.index)].item);
    }
}, { rootMargin: "200px" });

function cardOf(card) {
  const entry = make("li"), button = make("button", undefined, "card"), canvas = make("canvas");
  button.type = "button";
  canvas.dataset.index = card.index;
  canvas.setAttribute("aria-hidden", "true");
  const { width, height } = card.item;
  Object.assign(canvas, { width, height });
  const answer = make("strong", card.class, card.right === false ? "wrong" : "");
  button.append(canvas, answer, make("small", card.name));
  if (card.right === false) button.append(make("small", `truth: ${card.truth}`));
  if (card.map !== card.class) button.append(make("small", `map of ${card.map}`));
  const known = [["score", card.score], ["confidence", card.confidence], ["reliability", card.reliability]];
  button.append(make("small", known.filter(([, value]) => value !== null).map(([name, value]) => `${name} ${number(value)}`).join(", ")));
  button.addEventListener("click", () => { location.hash = `image-${card.index}`; });
  entry.append(button);
  watcher.observe(canvas);
  card.entry = entry;
  return entry;
}

function arrange() {
  const least = (id) => (get(id).value === "" ? -Infinity : Number(get(id).value));
  const verdict = get("by-verdict").value, label = get("by-class").value;
  const shown = cards.filter((card) =>
    (label === "" || card.class === label) &&
    (verdict === "" || card.right === (verdict === "right")) &&
    (card.score ?? -Infinity) >= least("by-score") &&
    (card.confidence ?? -Infinity) >= least("by-confidence"));
  const key = get("sort").value, name = key.replace("-", ""), sign = key.startsWith("-") ? 1 : -1;
  const missing = (value) => value === null;
  if (name === "name") shown.sort((a, b) => a.name.localeCompare(b.name));
  else if (name !== "order")
    shown.sort((a, b) => missing(a[name]) - missing(b[name]) || sign * (a[name] - b[name]) || a.index - b.index);
  get("cards").replaceChildren(...shown.map((card) => card.entry));
  get("found").textContent = `${shown.length} of ${cards.length} images`;
}

async function paintMeans() {
  for (const mean of data.means) {
    const entry = make("li"), canvas = make("canvas"), { width, height } = mean.map;
    const values = await unpackMap(mean.map, mean.peak);
    Object.assign(canvas, { width, height });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `mean map of ${mean.class}`);
    const pen = canvas.getContext("2d"), picture = pen.createImageData(width, height);
    values.forEach((value, pixel) => colorOf(mean.peak === 0 ? 0 : value / mean.peak, data.colors.opacity, null, 0, picture.data, 4 * pixel));
    pen.putImageData(picture, 0, 0);
    entry.append(canvas, make("strong", mean.class), make("small", `${mean.count} ${mean.count === 1 ? "image" : "images"}, full colour ${number(mean.peak)}`));
    get("mean-list").append(entry);
  }
}

async function route() {
  const match = location.hash.match(/^#image-(\d+)$/), item = match && data.items[Number(match[1])];
  get("gallery").hidden = Boolean(item);
  get("viewer").hidden = !item;
  if (item) {
    await openItem(item);
    get("facts").textContent = [item.card.name, ...item.facts].join(" · ");
    get("back").focus();
    scrollTo(0, 0);
  } else {
    document.title = data.heading;
    if (state.opened !== undefined) cards[state.opened].entry.querySelector("button").focus();
  }
  state.opened = item ? Number(match[1]) : undefined;
}

connect();
get("back").hidden = false;
get("back").addEventListener("click", () => { location.hash = ""; });
get("gallery-title").textContent = data.heading;
get("gallery-facts").textContent = data.facts;
const classes = [...new Set(cards.map((card) => card.class))].sort((a, b) => a.localeCompare(b));
get("by-class").replaceChildren(...["", ...classes].map((label) => {
  const option = make("option", label || "all");
  option.value = label;
  return option;
}));
get("verdict-line").hidden = cards.every((card) => card.right === null);
get("means").hidden = data.means.length === 0;
cards.forEach(cardOf);
for (const id of ["by-class", "by-verdict", "by-score", "by-confidence", "sort"]) get(id).addEventListener("input", arrange);
get("filters").addEventListener("submit", (event) => event.preventDefault());
arrange();
addEventListener("hashchange", route);
Promise.all([route(), paintMeans()]).then(() => { document.body.dataset.ready = "yes"; });
