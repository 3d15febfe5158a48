// Parts of the occlusion maps that keep a state of their own; joined in front of the widgets
// that paint them.

const QUICKEST = 60; // positions a second, while that takes less than LONGEST
const SECONDS = 7; // that a small grid takes
const LONGEST = 60; // seconds that any grid takes at the most
const CALM = 2; // rows a second, for those who want little motion

/** Columns and the side of a panel, in px: rows of equal length, in whole pixels of the image. */
function arrange(room, count, { image_width, image_height, pixelated }) {
  const [gap, least] = [14, 190];
  const fitting = clamp(Math.floor((room + gap) / (least + gap)), 1, count);
  const lines = Math.ceil(count / fitting);
  const columns = Math.ceil(count / lines);
  const most = lines > 1 ? 320 : 400; // several lines should still be seen at once
  const side = Math.min(most, Math.floor((room - gap * (columns - 1)) / columns));
  const device = window.devicePixelRatio || 1;
  const longer = Math.max(image_width, image_height);
  let scale = side / longer;
  // Whole multiples keep all pixels of a small image equally large.
  if (pixelated && scale * device > 1) scale = Math.floor(scale * device) / device;
  const [width, height] = [image_width * scale, image_height * scale];
  return { columns, gap, side: longer * scale, width, height };
}

/** One panel: its title, a square with the picture, a note. Maps lie on a grey picture. */
function makePanel(isMap) {
  const title = make("span", { class: "title" });
  const image = make("img", { alt: "", draggable: "false" });
  const canvas = make("canvas", { role: "img" });
  const lost = make("div", { class: "lost", hidden: "" }, "This image cannot be shown.");
  const mark = make("div", { class: "mark", hidden: "" });
  const picture = make("div", { class: "picture" }, image, isMap ? canvas : lost, mark);
  const note = make("div", { class: "note" });
  const stage = make("div", { class: "stage" }, picture);
  const element = make("div", { class: isMap ? "panel map" : "panel" }, title, stage, note);
  return { element, title, image, canvas, lost, mark, picture, stage, note };
}

/** A slider for the opacity of maps, in per cent; `root` gets it as `--opacity`. */
function makeMixing(root, value, changed = () => {}) {
  const slider = make("input", { type: "range", min: "0", max: "100", step: "5", value });
  const share = make("output");
  slider.oninput = () => {
    root.style.setProperty("--opacity", slider.value / 100);
    share.textContent = `${slider.value} %`;
    changed(Number(slider.value));
  };
  slider.oninput();
  return make("label", { class: "mixing" }, "Map opacity", slider, share);
}

/** A colour bar: what it measures, the colours, round numbers; the clean probability if given. */
function makeScale(kind) {
  const unit = make("span", { class: "unit" });
  const clean = make("span", { class: "clean" });
  const gradient = make("canvas", { width: SHADES, height: "1", "aria-hidden": "true" });
  const pointer = make("div", { class: "pointer" });
  const strip = make("div", { class: "strip" }, gradient, pointer);
  const element = make("div", { class: "scale" }, make("div", { class: "says" }, unit, clean), strip);
  element.dataset.kind = kind;
  return {
    element,
    /** `value` is the clean probability; `says` stands in place of what is measured. */
    update({ low, high, shades }, value, says) {
      paintBar(gradient, shades);
      unit.textContent = says ?? UNITS[kind];
      const where = (at) => 100 * clamp((at - low) / (high - low), 0, 1);
      const { ticks, digits } = ticksOf(low, high);
      for (const old of strip.querySelectorAll(".tick")) old.remove();
      for (const at of ticks) {
        const tick = make("span", { class: "tick" }, numberText(at, digits, kind === "difference"));
        tick.style.left = `${where(at)}%`;
        // Those at the ends stay within the bar's length.
        if (where(at) < 4 || where(at) > 96) tick.classList.add(where(at) < 50 ? "first" : "last");
        strip.append(tick);
      }
      pointer.hidden = clean.hidden = value === null;
      if (value === null) return;
      pointer.style.left = `${where(value)}%`;
      clean.textContent = `${numberText(value, digitsOf({ low, high }))} without a patch`;
    },
  };
}

/**
 * Goes over all positions, row by row.
 *
 * `size()` gives rows and columns; `show(reached)` is called for each step, with how many
 * positions have been reached, and `changed()` when it starts, stops or ends.
 */
function makePlayer(size, show, changed) {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  let reached = Infinity;
  let request = 0;
  let last = 0;
  let due = 0; // parts of a step that time has brought so far

  const player = {
    get playing() {
      return request !== 0;
    },
    get whole() {
      return reached === Infinity;
    },
    get reached() {
      return reached;
    },
    play() {
      if (player.playing) return;
      if (player.whole) {
        reached = 0;
        due = 1; // the first position at once
      }
      last = performance.now();
      request = requestAnimationFrame(tick);
      changed();
    },
    pause() {
      if (!player.playing) return;
      cancelAnimationFrame(request);
      request = 0;
      changed();
    },
    reset() {
      const before = reached;
      player.pause();
      reached = Infinity;
      if (before !== reached) changed();
    },
  };

  function tick(now) {
    const { rows, columns } = size();
    const count = rows * columns;
    const pace = Math.max(clamp(count / SECONDS, 6, QUICKEST), count / LONGEST);
    const step = calm.matches ? columns : 1;
    // After a pause of the browser's own, as in a hidden tab, it goes on where it was.
    due += (clamp(now - last, 0, 500) / 1000) * (calm.matches ? CALM : pace);
    last = now;
    request = requestAnimationFrame(tick);
    const steps = Math.floor(due);
    if (!steps) return;
    due -= steps;
    reached += steps * step;
    if (reached < count) {
      show(reached);
      return;
    }
    show(count);
    player.reset();
  }

  return player;
}

/**
 * Goes through a list of images, by buttons and keys.
 *
 * One step at a time, for each must start from what is shown; quick presses queue up.
 */
function makeStepper(link) {
  const button = (name, path) => {
    const attributes = { type: "button", class: "button", "aria-label": name, title: name };
    return make("button", attributes, icon(path));
  };
  const previous = button("Previous image (p)", "M10 3L5 8l5 5");
  const next = button("Next image (n)", "M6 3l5 5-5 5");
  const place = make("span", { class: "place", role: "status" });
  const element = make("div", { class: "stepper", role: "group", "aria-label": "Images" });
  element.append(previous, place, next);
  let [index, total, queued] = [0, 1, 0];

  function move(step, held) {
    if (link.waiting()) {
      if (!held) queued += step;
      return;
    }
    const to = index + step;
    if (to < 0 || to >= total) return;
    link.send({ action: step < 0 ? "previous" : "next" });
  }

  function onKey(event) {
    const steps = { p: -1, "[": -1, n: 1, "]": 1 };
    if (!(event.key in steps) || total <= 1 || event.defaultPrevented) return;
    // On many keyboards brackets need AltGr, which counts as Control and Alt.
    const typed = event.getModifierState("AltGraph");
    if (!typed && (event.ctrlKey || event.altKey || event.metaKey)) return;
    if (takesText(event.composedPath()[0])) return;
    move(steps[event.key], event.repeat);
    event.preventDefault();
  }

  previous.onclick = () => move(-1, false);
  next.onclick = () => move(1, false);
  document.addEventListener("keydown", onKey);
  return {
    element,
    update(update) {
      ({ index, total } = update);
      element.hidden = total <= 1;
      const text = `${(index + 1).toLocaleString("en")} of ${total.toLocaleString("en")}`;
      if (place.textContent !== text) place.textContent = text;
      previous.disabled = index <= 0;
      next.disabled = index >= total - 1;
      if (!queued || link.waiting()) return;
      const step = Math.sign(queued);
      queued -= step;
      move(step, true);
    },
    destroy: () => document.removeEventListener("keydown", onKey),
  };
}

/** Whether an element makes something of letters. */
function takesText(element) {
  if (!(element instanceof Element)) return false;
  const buttons = ["range", "checkbox", "radio", "button"].map((type) => `:not([type=${type}])`);
  const own = [`input${buttons.join("")}`, "textarea", "select", "[contenteditable=true]"];
  const roles = ["listbox", "combobox", "menu", "textbox"].map((role) => `[role=${role}]`);
  return Boolean(element.closest([...own, ...roles].join()));
}
