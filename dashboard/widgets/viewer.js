const LEFT = "M10 3L5 8l5 5";
const RIGHT = "M6 3l5 5-5 5";
const CLOSE = "M4 4l8 8M12 4l-8 8";
const LARGEST_ZOOM = 16;
const PICKING = "Picture: arrow keys move over its pixels, Shift extends, Enter picks";

export default function (component) {
  return run(component, createViewer);
}

function createViewer(root, link) {
  const button = (name, ...content) => {
    const attributes = { type: "button", class: "button", "aria-label": name, title: name };
    return make("button", attributes, ...content);
  };
  const previous = button("Previous image (left arrow)", icon(LEFT));
  const next = button("Next image (right arrow)", icon(RIGHT));
  const position = make("span", { class: "place", role: "status" });
  const name = make("span", { class: "name" });
  const smaller = button("Zoom out", "−");
  const fit = button("Zoom to fit", "Fit");
  const larger = button("Zoom in", "+");
  const clear = button("Clear the region", "Clear region");
  const close = button("Close (Escape)", icon(CLOSE), "Close");
  const bar = make("div", { class: "bar" });
  bar.append(previous, position, next, name, clear, smaller, fit, larger, close);

  const image = make("img", { draggable: "false" });
  const lost = make("div", { class: "lost", hidden: "" }, "This image cannot be shown.");
  const region = make("div", { class: "region" });
  const cross = make("div", { class: "cross" });
  const overlay = makeOverlay(root);
  const shown = [image, overlay.canvas, lost, overlay.mark, region, cross];
  const picture = make("div", { class: "picture" }, ...shown);
  const stage = make("div", { class: "stage" }, picture);
  const readout = make("span", { class: "readout", "aria-live": "polite" });
  const help = make("span", { class: "help" });
  const foot = make("div", { class: "foot" }, readout, help);
  const verdicts = makeVerdicts(
    link,
    () => here && !queued && !closing && !link.waiting(),
    (step) => move(step, false),
  );
  root.append(bar, stage, overlay.element, verdicts.element, foot);
  root.tabIndex = -1;

  const opener = deepActive();
  let data = null;
  let zoom = 1; // 1 = fits the stage
  let chosen = null; // [x0, y0, x1, y1) in pixels of the image
  let at = null; // pixel under pointer or cursor
  let corner = null; // pixel where a drag, or Shift and arrows, began
  let dragging = false;
  let queued = 0; // steps to take once Python has answered
  let closing = false;
  let wanted = null; // address of the picture to show
  let here = false; // whether it is on screen

  function layout() {
    const room = { w: root.clientWidth, h: data.height };
    let scale = Math.min(room.w / data.image_width, room.h / data.image_height);
    // Whole multiples keep all pixels of a small image equally large.
    if (data.pixelated && scale > 1) scale = Math.floor(scale);
    else if (!data.pixelated) scale = Math.min(scale, 2);
    picture.style.width = `${data.image_width * scale * zoom}px`;
    picture.style.height = `${data.image_height * scale * zoom}px`;
    stage.style.height = `${room.h}px`;
    smaller.disabled = fit.disabled = zoom <= 1;
    larger.disabled = zoom >= LARGEST_ZOOM;
    stage.tabIndex = data.picker || zoom > 1 ? 0 : -1;
    paint();
  }

  function frame(element, box) {
    lay(element, box, data.image_width, data.image_height);
  }

  function paint() {
    region.hidden = !data.picker || !chosen;
    if (!region.hidden) frame(region, chosen);
    cross.hidden = !data.picker || !at;
    if (!cross.hidden) frame(cross, [at.x, at.y, at.x + 1, at.y + 1]);
    clear.hidden = !data.picker;
    clear.disabled = !chosen;
    const parts = [];
    if (at) parts.push(`x ${at.x}, y ${at.y}`);
    if (chosen) {
      const [x0, y0, x1, y1] = chosen;
      parts.push(`region x ${x0} to ${x1 - 1}, y ${y0} to ${y1 - 1} (${x1 - x0} × ${y1 - y0})`);
    }
    readout.textContent = data.picker ? parts.join("; ") : "";
  }

  /** One step at a time, for each must start from what is shown; quick presses queue up. */
  function move(step, held) {
    if (closing) return;
    if (!link.waiting()) {
      const to = data.index + step;
      if (to >= 0 && to < data.total) link.send({ action: step < 0 ? "previous" : "next" });
    } else if (!held) queued += step;
  }

  function moveOn() {
    if (!queued || link.waiting()) return;
    const step = Math.sign(queued);
    queued -= step;
    move(step, true);
  }

  function leave() {
    if (!data.closable) return;
    closing = true;
    queued = 0;
    link.send({ action: "close" });
  }

  function setZoom(value) {
    // What is in the middle of the stage stays there.
    const x = (stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth;
    const y = (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight;
    zoom = clamp(value, 1, LARGEST_ZOOM);
    layout();
    stage.scrollLeft = x * stage.scrollWidth - stage.clientWidth / 2;
    stage.scrollTop = y * stage.scrollHeight - stage.clientHeight / 2;
  }

  function pixel(event) {
    const box = picture.getBoundingClientRect();
    const along = (from, size, count) => clamp(Math.floor((from * count) / size), 0, count - 1);
    return {
      x: along(event.clientX - box.left, box.width, data.image_width),
      y: along(event.clientY - box.top, box.height, data.image_height),
    };
  }

  function share(event) {
    const box = picture.getBoundingClientRect();
    const along = (from, size) => clamp(from / size, 0, 1);
    return {
      x: along(event.clientX - box.left, box.width),
      y: along(event.clientY - box.top, box.height),
    };
  }

  function span(a, b) {
    return [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x) + 1, Math.max(a.y, b.y) + 1];
  }

  function tell() {
    link.send({ region: chosen });
    paint();
  }

  picture.onpointerdown = (event) => {
    if (!data.picker || event.button) return;
    picture.setPointerCapture(event.pointerId);
    dragging = true;
    corner = at = pixel(event);
    chosen = span(corner, at);
    paint();
  };
  picture.onpointermove = (event) => {
    overlay.point(share(event));
    if (!data.picker) return;
    at = pixel(event);
    if (dragging) chosen = span(corner, at);
    paint();
  };
  picture.onpointerup = () => {
    if (!dragging) return;
    dragging = false;
    tell();
  };
  picture.onpointercancel = () => {
    dragging = false;
    chosen = data.region;
    paint();
  };
  picture.onpointerleave = () => {
    if (dragging) return;
    overlay.point(null);
    at = null;
    paint();
  };
  stage.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    setZoom(zoom * (event.deltaY < 0 ? 1.25 : 0.8));
  };
  stage.onblur = () => {
    overlay.point(null);
    at = null;
    paint();
  };
  // With the picture focused, arrows walk over its pixels instead of over the images.
  stage.onkeydown = (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!data.picker || event.ctrlKey || event.altKey || event.metaKey) return;
    const step = steps[event.key];
    if (step) {
      const from = at ?? { x: -step[0], y: -step[1] };
      if (event.shiftKey) corner ??= from;
      else corner = null;
      at = {
        x: clamp(from.x + step[0], 0, data.image_width - 1),
        y: clamp(from.y + step[1], 0, data.image_height - 1),
      };
      if (corner) chosen = span(corner, at);
      overlay.point({ x: (at.x + 0.5) / data.image_width, y: (at.y + 0.5) / data.image_height });
    } else if (event.key === "Enter" && at) {
      chosen = span(corner ?? at, at);
      tell();
    } else return;
    event.preventDefault();
    event.stopPropagation();
    paint();
  };

  previous.onclick = () => move(-1, false);
  next.onclick = () => move(1, false);
  close.onclick = leave;
  clear.onclick = () => {
    chosen = corner = null;
    tell();
  };
  smaller.onclick = () => setZoom(zoom / 1.5);
  larger.onclick = () => setZoom(zoom * 1.5);
  fit.onclick = () => setZoom(1);

  function onKey(event) {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    const focused = event.composedPath()[0];
    if (event.shiftKey || usesKeys(focused)) return;
    if (focused === stage && zoom > 1 && event.key.startsWith("Arrow")) return; // it scrolls
    if (event.key === "ArrowLeft") move(-1, event.repeat);
    else if (event.key === "ArrowRight") move(1, event.repeat);
    else if (event.key === "Escape" && data.closable) leave();
    else return;
    event.preventDefault();
  }
  document.addEventListener("keydown", onKey);

  const watcher = new ResizeObserver(() => data && layout());
  watcher.observe(root);

  async function show(src) {
    if (wanted === src) {
      if (here) showMap();
      return;
    }
    wanted = src;
    here = false;
    // The old picture stands until the new one is ready, so that nothing flashes.
    const loading = new Image();
    loading.src = src;
    const ready = await loading.decode().then(() => true, () => false);
    if (wanted !== src) return;
    lost.hidden = here = ready;
    if (ready) image.src = src;
    showMap();
    for (const ahead of data.preload) new Image().src = ahead;
  }

  /** The map goes and comes with its picture: it never lies over another one. */
  function showMap() {
    overlay.show(here ? data.overlay : null);
    picture.classList.toggle("mapped", here && data.overlay !== null);
  }

  return {
    update(update) {
      const first = data === null;
      const other = data?.src !== update.src;
      data = update;
      if (other) {
        zoom = 1;
        at = corner = null;
      }
      if (!dragging && !link.waiting()) chosen = update.region;
      // Once Python has heard of it, the page keeps the viewer until its run is over.
      closing = update.closing || (closing && link.waiting());
      image.alt = update.alt;
      name.textContent = name.title = update.title;
      const place = update.index + 1;
      const total = update.total.toLocaleString("en");
      position.textContent = update.listed
        ? `${place.toLocaleString("en")} of ${total}`
        : "not in the list";
      previous.disabled = update.index <= 0;
      next.disabled = update.index >= update.total - 1;
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", update.label);
      root.classList.toggle("picking", update.picker);
      picture.classList.toggle("pixelated", update.pixelated);
      stage.setAttribute("role", "group");
      stage.setAttribute("aria-label", update.picker ? PICKING : "Picture");
      close.hidden = !update.closable;
      clear.hidden = !update.picker;
      help.textContent =
        (update.picker ? "Drag a region or click a pixel; left" : "Left") +
        ` and right arrows${update.verdicts ? ", p and n," : ""} change the image` +
        (update.closable ? ", Escape closes" : "");
      layout();
      show(update.src);
      verdicts.update(update.verdicts);
      if (first && update.closable) {
        root.focus({ preventScroll: true });
        // It may have been opened from a tile far below.
        root.scrollIntoView({ block: "nearest" });
      }
      moveOn();
    },
    destroy() {
      document.removeEventListener("keydown", onKey);
      verdicts.destroy();
      watcher.disconnect();
      if (opener?.isConnected) opener.focus();
    },
  };
}

/** Whether an element makes something of its own of arrow keys or Escape. */
function usesKeys(element) {
  if (!(element instanceof Element)) return false;
  const roles = ["listbox", "grid", "application", "slider", "tab", "radio", "combobox", "menu"];
  const own = ["input:not([type=checkbox])", "textarea", "select", "[contenteditable=true]"];
  return Boolean(element.closest([...own, ...roles.map((role) => `[role=${role}]`)].join()));
}
