// What scatter.js shows: colours of the points, the density, the legend, words for one point.

const SPLITS = ["train", "val", "test"];
const NO_CLASS = 65535;

/**
 * Places, colours and shapes of all points in drawing order: the greyed ones first, the `chosen`
 * last and so on top. Null while the colours belong to other points.
 */
function arrange(points, data, dimmed, textColour, backColour) {
  const m = points.drawn;
  const codes = fromBase64(data.codes, data.wide ? Uint16Array : Uint8Array);
  if (codes.length !== m) return null;
  const palette = data.palette.map(readColour);
  const [text, back] = [readColour(textColour), readColour(backColour)];
  const grey = text.map((value, i) => Math.round(0.42 * value + 0.58 * back[i]));
  const bits = data.selected === null ? null : fromBase64(data.selected, Uint8Array);
  const isChosen = (i) => bits !== null && (bits[i >> 3] >> (i & 7)) & 1;
  const isBright = (i) =>
    (dimmed === null || codes[i] === dimmed) && (bits === null || isChosen(i));
  const order = new Uint32Array(m);
  let low = 0;
  let high = m;
  for (let i = 0; i < m; i += 1) {
    const onTop = dimmed === null ? isChosen(i) : isBright(i);
    if (onTop) order[(high -= 1)] = i;
    else order[low++] = i;
  }
  const chosen = m - low;
  const strength = chosen ? 0.95 : m > 20000 ? 0.75 : 0.88;
  const places = new Float32Array(2 * m);
  const colours = new Uint8Array(4 * m);
  const shapes = new Uint8Array(m);
  for (let at = 0; at < m; at += 1) {
    const i = order[at];
    const bright = isBright(i);
    places[2 * at] = points.places[2 * i];
    places[2 * at + 1] = points.places[2 * i + 1];
    colours.set(bright ? palette[codes[i]] ?? grey : grey, 4 * at);
    colours[4 * at + 3] = Math.round(255 * (bright ? strength : 0.32));
    shapes[at] = data.shapes[codes[i]] ?? 0;
  }
  return { places, colours, shapes, chosen };
}

/** A picture of how many points there are in each place, in one colour. */
function densityPicture(points, ink) {
  const side = points.density;
  const picture = make("canvas", { class: "density", width: side, height: side, "aria-hidden": "true" });
  const context = picture.getContext("2d");
  const image = context.createImageData(side, side);
  for (let i = 0; i < side * side; i += 1) {
    const row = side - 1 - Math.floor(i / side);
    const value = points.grid[row * side + (i % side)];
    image.data.set([...ink, Math.round(value * 0.32)], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return picture;
}

/** Writes the legend; pointing at an entry tells its code, leaving it tells null. */
function fillLegend(legend, data, quiet, only) {
  const { items, scale } = data.legend;
  legend.replaceChildren();
  if (scale) {
    const strip = make("span", { class: "strip", "aria-hidden": "true" });
    strip.style.background = `linear-gradient(to right, ${data.palette.join(",")})`;
    legend.append(make("span", {}, scale.low), strip, make("span", {}, scale.high));
  }
  for (const item of items) {
    const entry = make("button", { type: "button", class: "entry" });
    entry.append(swatch(item, data, quiet), item.name, make("span", { class: "quiet" }, item.count));
    entry.title = `${item.name}: point here to see only these`;
    entry.onpointerenter = entry.onfocus = () => only(item.code);
    entry.onpointerleave = entry.onblur = () => only(null);
    legend.append(entry);
  }
}

function swatch(item, data, quiet) {
  const small = make("canvas", { class: "swatch", width: 24, height: 24, "aria-hidden": "true" });
  const context = small.getContext("2d");
  context.fillStyle = context.strokeStyle = data.palette[item.code] ?? quiet;
  plainShape(context, data.shapes[item.code] ?? 0, 12, 12, 9);
  return small;
}

/** Label, prediction and split of a point, as elements. */
function describePoint(points, i) {
  const rows = [make("strong", {}, points.classes[points.labels[i]])];
  const predicted = points.predicted[i];
  if (predicted !== NO_CLASS) {
    const right = predicted === points.labels[i];
    const answer = right ? "predicted so" : `predicted ${points.classes[predicted]}`;
    rows.push(make("span", {}, answer));
  }
  rows.push(make("span", { class: "quiet" }, SPLITS[points.splits[i]] ?? ""));
  return rows;
}

/** Draws the frame of the unit square, its scales in percent, and what its sides are. */
function drawAxes(context, [across, up], toScreen, looks) {
  const [left, bottom] = toScreen(0, 0);
  const [right, top] = toScreen(1, 1);
  context.strokeStyle = context.fillStyle = looks.quiet;
  context.lineWidth = 1;
  context.strokeRect(left, top, right - left, bottom - top);
  context.font = `12px ${looks.font}`;
  context.textBaseline = "middle";
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const [x, y] = toScreen(share, share);
    context.fillRect(x, bottom, 1, 5);
    context.fillRect(left - 5, y, 5, 1);
    context.textAlign = "center";
    context.fillText(`${100 * share}`, x, bottom + 13);
    context.textAlign = "right";
    context.fillText(`${100 * share}`, left - 8, y);
  }
  context.fillStyle = looks.text;
  context.textAlign = "center";
  context.fillText(`${across}, %`, (left + right) / 2, bottom + 30);
  context.save();
  context.translate(left - 38, (top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(`${up}, %`, 0, 0);
  context.restore();
  context.textAlign = "start";
  context.textBaseline = "alphabetic";
}

/** Draws a closed outline, dashed and lightly filled. */
function drawOutline(context, outline, toScreen, looks) {
  context.beginPath();
  for (const [x, y] of outline) context.lineTo(...toScreen(x, y));
  context.closePath();
  context.strokeStyle = context.fillStyle = looks.accent;
  context.lineWidth = 1.5;
  context.setLineDash([5, 3]);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 0.1;
  context.fill();
  context.globalAlpha = 1;
}

/** Draws a ring around a place, with its name beside it. */
function drawMark(context, mark, toScreen, radius, looks) {
  const [x, y] = toScreen(mark.x, mark.y);
  ring(context, [x, y], radius + 5, 4.5, looks.back);
  ring(context, [x, y], radius + 5, 2, looks.text);
  context.font = `600 12px ${looks.font}`;
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeStyle = looks.back;
  context.fillStyle = looks.text;
  context.strokeText(mark.name, x + radius + 9, y + 4);
  context.fillText(mark.name, x + radius + 9, y + 4);
}

function ring(context, [x, y], radius, width, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
}
