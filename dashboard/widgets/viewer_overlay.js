// The map that may lie over the viewer's picture; joined in front of viewer.js.

const FINE = 2; // pixels of the canvas for one of the image: cells end at halves
const POINT = "Point at the picture to read the map.";

let opacity = 60; // per cent; one for all pictures, in whatever viewer of the page

function makeOverlay(root) {
  const canvas = make("canvas", { class: "overlay", role: "img", hidden: "" });
  const mark = make("div", { class: "patch", hidden: "" });
  const reading = make("span", { class: "reading", "aria-live": "polite" });
  const mixing = makeMixing(root, opacity, (value) => {
    opacity = value;
  });
  const scale = makeScale("probability");
  const line = make("div", { class: "line" }, reading, mixing);
  const element = make("div", { class: "reader", hidden: "" }, line, scale.element);
  let data = null;
  let maps = [];
  let place = null; // of pointer or cursor: shares of the picture's width and height

  function read() {
    mark.hidden = !data || !place;
    if (!data) return;
    if (!place) {
      reading.textContent = POINT;
      return;
    }
    const { image_width: width, image_height: height } = data;
    const at = nearest(place.x * width, place.y * height, data);
    lay(mark, patchBox(at, data), width, height);
    reading.textContent = sentence(at, maps, data);
  }

  return {
    canvas,
    mark,
    element,
    /** Shows a map as Python gives it, or none. */
    show(next) {
      data = next;
      canvas.hidden = element.hidden = !data;
      if (data) {
        maps = data.panels.map((panel) => ({ ...panel, values: decode(panel.values) }));
        const { low, high, colours } = data.scales.probability;
        const shade = { low, high, shades: shadesOf(colours) };
        canvas.width = FINE * data.image_width;
        canvas.height = FINE * data.image_height;
        const style = getComputedStyle(root);
        const looks = { blank: style.getPropertyValue("--st-background-color"), line: style.color };
        paintMap(canvas, maps[0].values, shade, data, Infinity, looks);
        canvas.setAttribute("aria-label", summary(maps[0], data));
        scale.update(shade, data.clean, data.says);
      }
      read();
    },
    /** Reads the map at a place of the picture, or nowhere (null). */
    point(at) {
      place = at;
      read();
    },
  };
}
