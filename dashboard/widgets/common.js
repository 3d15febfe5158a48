// Joined in front of every widget's own file by component.py: a widget is one module.

const instances = new WeakMap();

// A reply that has not come after this long will not come: the server was restarted.
const PATIENCE_MS = 3000;

/** Makes an element. Text goes in as text nodes, never as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Draws a small icon from the path data of a 16 x 16 picture, in the colour of the text. */
function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const shape = document.createElementNS(space, "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}

/** Lays an element over a part [x0, y0, x1, y1) of a picture of a width and a height. */
function lay(element, [x0, y0, x1, y1], width, height) {
  element.style.left = `${(100 * x0) / width}%`;
  element.style.top = `${(100 * y0) / height}%`;
  element.style.width = `${(100 * (x1 - x0)) / width}%`;
  element.style.height = `${(100 * (y1 - y0)) / height}%`;
}

/** The focused element, looked up through every shadow root on the way. */
function deepActive() {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  return active;
}

/**
 * Keeps one view alive over all runs of the component.
 *
 * Streamlit calls the widget again for each change of data or theme, and calls what an overtaken
 * call returned as soon as it returns: only the latest call may take the view down.
 *
 * `create(root, link)` returns `{update(data), destroy()}`. `link.send(payload)` tells Python;
 * `link.waiting()` says whether Python's answer to the last message is still to come, so that a
 * view does not fall back to what it showed before the user acted.
 */
function run(component, create) {
  const { parentElement, data, setTriggerValue } = component;
  let link = instances.get(parentElement);
  if (!link) {
    const root = make("div", { class: "root" });
    parentElement.append(root);
    link = { root, sent: 0, sentAt: 0, heard: 0 };
    link.send = (payload) => {
      link.sent += 1;
      link.sentAt = performance.now();
      link.trigger("event", { ...payload, n: link.sent });
    };
    link.waiting = () =>
      link.sent > link.heard && performance.now() - link.sentAt < PATIENCE_MS;
    link.view = create(root, link);
    instances.set(parentElement, link);
  }
  link.trigger = setTriggerValue;
  link.heard = data.heard;
  link.sent = Math.max(link.sent, data.heard);
  link.view.update(data);

  const turn = {};
  link.turn = turn;
  return () => {
    if (link.turn !== turn) return;
    instances.delete(parentElement);
    link.view.destroy();
    link.root.remove();
  };
}
