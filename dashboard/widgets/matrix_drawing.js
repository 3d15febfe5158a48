// How the confusion matrix is measured and drawn; joined in front of matrix.js.

const TALLEST = 800; // px that the cells may take in height
const LABEL_PX = 12; // least height of a row that bears its label

// Viridis (Smith and van der Walt, CC0) at 0, 0.1 ... 1.
const VIRIDIS = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
  [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
];

/** Totals of rows and columns, and each cell's value in the unit that is shown. */
function summarise({ counts, classes, normalise, hide_diagonal }) {
  const k = classes.length;
  const rows = new Array(k).fill(0);
  const columns = new Array(k).fill(0);
  counts.forEach((count, index) => {
    rows[Math.floor(index / k)] += count;
    columns[index % k] += count;
  });
  const values = counts.map((count, index) => {
    if (normalise === "row") return count / (rows[Math.floor(index / k)] || 1);
    if (normalise === "column") return count / (columns[index % k] || 1);
    return count;
  });
  const hidden = (index) => hide_diagonal && Math.floor(index / k) === index % k;
  const most = values.reduce((best, value, i) => (hidden(i) ? best : Math.max(best, value)), 0);
  return { rows, columns, values, most, hidden };
}

/** Finds sizes in px so that the cells are whole device pixels and the labels fit if they can. */
function measure(root, { classes }) {
  const k = classes.length;
  const room = Math.max(240, root.clientWidth);
  const pen = document.createElement("canvas").getContext("2d");
  const style = getComputedStyle(root);
  pen.font = `13px ${style.fontFamily}`;
  const longest = Math.max(...classes.map((name) => pen.measureText(name).width));
  const left = Math.ceil(clamp(longest + 12, 32, Math.max(72, Math.min(190, room * 0.25))));
  const device = window.devicePixelRatio || 1;
  const whole = (px) => Math.max(1, Math.floor(px * device)) / device;
  const widest = k <= 4 ? 112 : k <= 12 ? 68 : 44;
  const width = Math.max(2, whole(Math.min(widest, (room - left - 2) / k, tallest(k))));
  const height = k <= 12 ? Math.min(width, k <= 4 ? 64 : 40) : width;
  const flat = longest + 6 <= width;
  const thinColumns = width < LABEL_PX;
  const thinRows = height < LABEL_PX;
  const top = flat ? 24 : Math.ceil(clamp(longest + 10, 24, 130));
  const across = width * k;
  const down = height * k;
  return { left, top, width, height, across, down, flat, thinColumns, thinRows };
}

function tallest(k) {
  return k <= 12 ? Infinity : TALLEST / k;
}

function drawLabels({ classes }, size, place, box) {
  const labels = { row: [], column: [] };
  const layer = make("div", { class: "labels", "aria-hidden": "true" });
  for (const [axis, thin, length] of [
    ["row", size.thinRows, size.height],
    ["column", size.thinColumns, size.width],
  ]) {
    const step = Math.ceil((LABEL_PX + 2) / length);
    const turned = axis === "column" && !size.flat;
    classes.forEach((name, index) => {
      if (thin && index % step) return;
      const label = make("div", { class: `label ${axis}${turned ? " turned" : ""}` }, name);
      label.title = name;
      const spot = axis === "row" ? box(index, -1) : box(-1, index);
      // A label that stands for its neighbours too is centred on its own row or column.
      const extent = axis === "row" ? "h" : "w";
      const start = axis === "row" ? "y" : "x";
      if (thin) {
        spot[start] += spot[extent] / 2 - LABEL_PX / 2;
        spot[extent] = LABEL_PX;
      }
      place(label, spot);
      label.style.lineHeight = `${turned ? spot.w : spot.h}px`;
      labels[axis].push([index, label]);
      layer.append(label);
    });
  }
  return { labels, layer };
}

/** One element a cell, in rows with headers, so that a screen reader can walk the table. */
function drawElements({ labels }, data, model, colour, place, box) {
  const k = data.classes.length;
  const header = make("div", { role: "row", class: "labels" });
  for (const [index, label] of labels.column) {
    label.setAttribute("role", "columnheader");
    label.dataset.predicted = index;
    header.append(label);
  }
  const size = box(0, 0);
  const showNumbers = Math.max(size.w, size.h) >= 14;
  const rows = data.classes.map((_, row) => {
    const line = make("div", { role: "row", class: "labels" });
    const label = labels.row.find(([index]) => index === row)?.[1];
    if (label) {
      label.setAttribute("role", "rowheader");
      label.dataset.true = row;
      line.append(label);
    }
    for (let column = 0; column < k; column += 1) {
      const index = row * k + column;
      const cell = make("div", { class: "cell", role: "gridcell" });
      cell.dataset.true = row;
      cell.dataset.predicted = column;
      place(cell, box(row, column));
      if (model.hidden(index)) cell.dataset.hidden = "";
      else {
        const fill = colour(model.values[index] / (model.most || 1));
        if (fill) {
          cell.style.background = `rgb(${fill})`;
          cell.style.color = luminance(fill) > 0.18 ? "#000" : "#fff";
        }
        const text = numberText(data.counts[index] ? model.values[index] : 0, data.normalise);
        if (showNumbers && text.length * 7 + 2 <= size.w) cell.textContent = text;
      }
      line.append(cell);
    }
    return line;
  });
  return [header, ...rows];
}

function drawCanvas({ classes }, model, size, colour, root) {
  const k = classes.length;
  const device = window.devicePixelRatio || 1;
  const cell = Math.round(size.width * device);
  const canvas = make("canvas", { "aria-hidden": "true" });
  canvas.width = canvas.height = cell * k;
  canvas.style.left = `${size.left}px`;
  canvas.style.top = `${size.top}px`;
  canvas.style.width = canvas.style.height = `${size.across}px`;
  const pen = canvas.getContext("2d");
  const faint = getComputedStyle(root).color;
  model.values.forEach((value, index) => {
    const x = (index % k) * cell;
    const y = Math.floor(index / k) * cell;
    if (model.hidden(index)) {
      pen.globalAlpha = 0.16;
      pen.fillStyle = faint;
      pen.fillRect(x, y, cell, cell);
      pen.globalAlpha = 1;
      return;
    }
    const fill = colour(value / (model.most || 1));
    if (!fill) return;
    pen.fillStyle = `rgb(${fill})`;
    pen.fillRect(x, y, cell, cell);
  });
  return canvas;
}

/** The colour bar: the same square-root scale as the cells, with the values it stands for. */
function drawScale({ gradient, bar, unit }, { normalise }, { most }, colour) {
  const pen = gradient.getContext("2d");
  for (let x = 0; x < 256; x += 1) {
    pen.fillStyle = `rgb(${colour(((x + 1) / 256) ** 2)})`;
    pen.fillRect(x, 0, 1, 1);
  }
  const shares = normalise !== "counts";
  const quarter = shares ? most / 4 : Math.round(most / 4);
  const least = shares ? 0 : 1;
  const values = most > least ? [least, quarter, most] : [most];
  const wanted = [...new Set(values)].filter((value) => value > 0 || shares);
  for (const tick of bar.querySelectorAll(".tick")) tick.remove();
  for (const value of wanted) {
    const text = shares ? percent(value) : value.toLocaleString("en");
    const tick = make("span", { class: "tick" }, text);
    const where = 100 * Math.sqrt(value / (most || 1));
    tick.style.left = `${where}%`;
    if (where < 8) tick.style.transform = "none";
    bar.append(tick);
  }
  const units = { counts: "Images", row: "Of the true class", column: "Of the predicted class" };
  unit.textContent = units[normalise];
  bar.parentElement.hidden = most === 0;
}

/** «true 8, predicted 3: 5 images, 11 % of true 8», and the like for a whole class. */
function sentence({ row, column }, { classes, counts, normalise }, { rows, columns }) {
  const k = classes.length;
  const none = (index) => index === null || index < 0;
  const of = (part, total) => percent(total ? part / total : 0);
  if (none(column)) {
    const right = counts[row * k + row];
    return `true ${classes[row]}: ${plural(rows[row], "image")}, ` +
      `${right.toLocaleString("en")} predicted right (${of(right, rows[row])})`;
  }
  if (none(row)) {
    const right = counts[column * k + column];
    return `predicted ${classes[column]}: ${plural(columns[column], "image")}, ` +
      `${right.toLocaleString("en")} of them right (${of(right, columns[column])})`;
  }
  const count = counts[row * k + column];
  const share = normalise === "column"
    ? `${of(count, columns[column])} of predicted ${classes[column]}`
    : `${of(count, rows[row])} of true ${classes[row]}`;
  return `true ${classes[row]}, predicted ${classes[column]}: ${plural(count, "image")}, ${share}`;
}

function percent(share) {
  const value = share * 100;
  const digits = value > 0 && value < 1 ? 1 : value > 99 && value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} %`;
}

/** What stands in a cell: nothing for nothing, so that what is there stands out. */
function numberText(value, normalise) {
  if (!value) return "";
  if (normalise === "counts") return value.toLocaleString("en");
  return value < 0.005 ? "<1" : String(Math.round(value * 100));
}

/** Colour of a level in (0, 1]: viridis, running out of the background of either theme. */
function ramp(level, ground, least) {
  const dark = luminance(ground) < 0.4;
  const where = (dark ? 0.2 + 0.8 * level : 0.9 * (1 - level)) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(where), VIRIDIS.length - 2);
  const strength = Math.min(1, least + 1.2 * level);
  return VIRIDIS[low].map((from, channel) => {
    const full = from + (VIRIDIS[low + 1][channel] - from) * (where - low);
    return Math.round(ground[channel] + (full - ground[channel]) * strength);
  });
}

/** Relative luminance of WCAG 2. */
function luminance(colour) {
  const [red, green, blue] = colour.map((level) => {
    const share = level / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Red, green and blue (0 to 255) of the page behind the widget. */
function background(root) {
  const probe = make("span");
  probe.style.color = "var(--st-background-color)";
  root.append(probe);
  const levels = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return levels;
}
