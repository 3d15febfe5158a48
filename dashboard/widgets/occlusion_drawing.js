// Places, colours and words of the occlusion maps; joined in front of the widgets
// that paint them.

const SHADES = 256; // of a scale
const UNITS = {
  probability: "Probability with the patch",
  difference: "Difference",
  relative: "Within each map, from 0 to 1",
};

function decode(text) {
  return new Float32Array(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
}

/** The pixels that a patch hides, clipped at the border: x0, y0 and the first beyond, x1, y1. */
function patchBox({ row, column }, { patch, stride, image_width, image_height }) {
  const along = (place, size) => {
    const from = place * stride - Math.floor(patch / 2);
    return [Math.max(0, from), Math.min(size, from + patch)];
  };
  const [x0, x1] = along(column, image_width);
  const [y0, y1] = along(row, image_height);
  return [x0, y0, x1, y1];
}

/** The part of a map that stands for a position: all that is nearer to it than to any other. */
function cellBox({ row, column }, { stride, rows, columns, image_width, image_height }) {
  const along = (place, count, size) => {
    const edge = (before) => before * stride + 0.5 - stride / 2;
    return [Math.max(0, edge(place)), place === count - 1 ? size : edge(place + 1)];
  };
  const [x0, x1] = along(column, columns, image_width);
  const [y0, y1] = along(row, rows, image_height);
  return [x0, y0, x1, y1];
}

/** The position nearest to a point of the image, in its pixels. */
function nearest(x, y, { stride, rows, columns }) {
  const along = (at, count) => clamp(Math.round((at - 0.5) / stride), 0, count - 1);
  return { row: along(y, rows), column: along(x, columns) };
}

/** Red, green and blue of a colour in any of CSS's ways to write it. */
function levels(colour) {
  const canvas = make("canvas", { width: "1", height: "1" });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

/** A colour, opaque, as the four bytes of a pixel in one number. */
function pack([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** All shades of a scale, as pixels. */
function shadesOf(colours) {
  const stops = colours.map(levels);
  return Uint32Array.from({ length: SHADES }, (_, shade) => {
    const where = (shade / (SHADES - 1)) * (stops.length - 1);
    const low = Math.min(Math.floor(where), stops.length - 2);
    const between = (from, channel) => from + (stops[low + 1][channel] - from) * (where - low);
    return pack(stops[low].map(between).map(Math.round));
  });
}

/**
 * Paints a map over the whole canvas.
 *
 * Positions from `reached` on are left blank, those without a value are hatched. `looks` are the
 * theme's: `blank`, and `line` of the hatching.
 */
function paintMap(canvas, values, { low, high, shades }, data, reached, looks) {
  const { rows, columns, stride, image_width, image_height } = data;
  // One column and one row more, a copy of the last: they fill what is left up to the border.
  const [wide, tall] = [columns + 1, rows + 1];
  const cells = new ImageData(wide, tall);
  const pixels = new Uint32Array(cells.data.buffer);
  const blank = pack(levels(looks.blank));
  for (let y = 0; y < tall; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      const position = Math.min(y, rows - 1) * columns + Math.min(x, columns - 1);
      const share = (values[position] - low) / (high - low);
      if (position >= reached) pixels[y * wide + x] = blank;
      else if (Number.isFinite(share)) {
        pixels[y * wide + x] = shades[Math.round(clamp(share, 0, 1) * (SHADES - 1))];
      }
    }
  }
  const small = make("canvas", { width: wide, height: tall });
  small.getContext("2d").putImageData(cells, 0, 0);
  const pen = canvas.getContext("2d");
  hatch(pen, canvas, looks);
  pen.imageSmoothingEnabled = false;
  const [across, down] = [canvas.width / image_width, canvas.height / image_height];
  const from = 0.5 - stride / 2;
  pen.drawImage(small, from * across, from * down, wide * stride * across, tall * stride * down);
}

function hatch(pen, { width, height }, { blank, line }) {
  const step = 6 * (window.devicePixelRatio || 1);
  pen.fillStyle = blank;
  pen.fillRect(0, 0, width, height);
  pen.strokeStyle = line;
  pen.lineWidth = step / 6;
  pen.beginPath();
  for (let x = -height; x < width; x += step) {
    pen.moveTo(x, height);
    pen.lineTo(x + height, 0);
  }
  pen.stroke();
}

/** Paints the shades of a scale into a canvas of as many pixels. */
function paintBar(canvas, shades) {
  const strip = new ImageData(SHADES, 1);
  new Uint32Array(strip.data.buffer).set(shades);
  canvas.getContext("2d").putImageData(strip, 0, 0);
}

/** Round numbers between two, about five of them. */
function ticksOf(low, high) {
  const rough = (high - low) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5].find((times) => times * unit >= rough * 0.999) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-6); n * step <= high + step * 1e-6; n += 1) ticks.push(n * step);
  return { ticks, digits };
}

/** Digits after the point that a scale needs: two, more where it has little extent. */
function digitsOf({ low, high }) {
  const extent = low < 0 ? 10 * high : high - low; // of differences even a tenth is much
  return clamp(2 - Math.round(Math.log10(extent)), 2, 6);
}

function numberText(value, digits, signed = false) {
  const text = Math.abs(value).toFixed(digits);
  if (!Number(text)) return text;
  if (value < 0) return `−${text}`;
  return signed ? `+${text}` : text;
}

function valueText(value, kind, scales) {
  if (!Number.isFinite(value)) return "not computed yet";
  return numberText(value, digitsOf(scales[kind]), kind === "difference");
}

/** «Patch at row 7, column 12: exact 0.34, estimate 0.31, difference −0.03; without …». */
function sentence(at, maps, { columns, patch, stride, clean, scales }) {
  const values = maps.map(({ title, kind, values }) => {
    const name = /^[A-Z][a-z ]*$/.test(title) ? title.toLowerCase() : title;
    return `${name} ${valueText(values[at.row * columns + at.column], kind, scales)}`;
  });
  const where = `row ${at.row * stride}, column ${at.column * stride}`;
  const place = patch === null ? `At ${where}` : `Patch at ${where}`;
  const bare = clean === null ? "" : `; without a patch ${valueText(clean, "probability", scales)}`;
  return values.length ? `${place}: ${values.join(", ")}${bare}` : `${place}${bare}`;
}

/** A map in words: its ends and where they are. */
function summary({ title, kind, values }, { columns, stride, scales }) {
  let [least, most, known] = [-1, -1, 0];
  values.forEach((value, position) => {
    if (!Number.isFinite(value)) return;
    known += 1;
    if (least < 0 || value < values[least]) least = position;
    if (most < 0 || value > values[most]) most = position;
  });
  if (!known) return `${title}: not computed yet`;
  const end = (position) => {
    const [row, column] = [Math.floor(position / columns), position % columns];
    const place = `row ${row * stride}, column ${column * stride}`;
    return `${valueText(values[position], kind, scales)} at ${place}`;
  };
  const missing = values.length - known;
  const rest = missing ? `; ${plural(missing, "position")} not computed yet` : "";
  return `${title}: from ${end(least)} to ${end(most)}${rest}`;
}
