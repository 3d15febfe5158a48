const MODES = {
  lasso: { name: "Lasso", path: "M8 3c3.5 0 6 1.6 6 4s-2.5 4-6 4-6-1.6-6-4 2.5-4 6-4M5 10.5c0 2-1 2.5-2 3" },
  box: { name: "Box", path: "M2.5 3.5h11v9h-11z" },
  move: { name: "Move", path: "M8 2v12M2 8h12M8 2L6 4M8 2l2 2M8 14l-2-2M8 14l2-2M2 8l2-2M2 8l2 2M14 8l-2-2M14 8l-2 2" },
};
const UNITS = 10000; // of an outline: the longer side of the map
const VERTICES = 200; // most of one outline
const CLICK = 4; // pixels that a click may wander
const AXES_ROOM = 44; // pixels for the scales of a square
const REACH = 9; // pixels within which a pointer finds a point

export default function (component) {
  return run(component, createScatter);
}

function createScatter(root, link) {
  const tool = (name, ...content) =>
    make("button", { type: "button", class: "button", "aria-label": name, title: name }, ...content);
  const modes = make("div", { class: "modes", role: "group", "aria-label": "What dragging does" });
  const buttons = {};
  for (const [mode, { name, path }] of Object.entries(MODES)) {
    buttons[mode] = tool(`${name} (${name[0].toLowerCase()})`, icon(path), name);
    buttons[mode].onclick = () => setMode(mode);
    modes.append(buttons[mode]);
  }
  const clear = tool("Clear the selection (Escape)", "Clear");
  const inView = tool("Select all that is in view (v)", "Select view");
  const smaller = tool("Zoom out (-)", "−");
  const larger = tool("Zoom in (+)", "+");
  const fit = tool("Show the whole map (0)", "Reset view");
  const bar = make("div", { class: "bar" }, modes, inView, clear, smaller, larger, fit);

  let canvas = make("canvas", { "aria-hidden": "true" });
  const over = make("canvas", { "aria-hidden": "true" });
  const stage = make("div", { class: "stage", tabindex: "0", role: "application" }, canvas, over);
  const waiting = make("div", { class: "waiting" }, "Loading the points …");
  const picture = make("img", { alt: "" });
  const lines = make("div", { class: "lines" });
  const tip = make("div", { class: "tip", hidden: "" }, picture, lines);
  const frame = make("div", { class: "frame" }, stage, waiting, tip);
  const legend = make("div", { class: "legend" });
  const status = make("div", { class: "status", role: "status" });
  const foot = make("div", { class: "foot" }, status);
  root.append(bar, frame, legend, foot);

  let painter = null;
  let data = null;
  let points = null; // what /points answered
  let finder = null;
  let chosen = 0; // how many of the drawn points are selected
  let density = null; // picture of all points, where only a sample is drawn
  const view = { x: 0.5, y: 0.5, scale: 1, ratio: 1 };
  let least = 1; // scale at which the whole map fits
  let mode = "lasso";
  let drag = null;
  let outline = null; // vertices in units of the map, while drawn and until Python answers
  let hover = -1;
  let dimmed = null; // code of the legend entry pointed at
  let queued = 0;
  let gone = false;

  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim() || "#888";
  const toMap = (px, py) => [
    view.x + (px - stage.clientWidth / 2) / view.scale,
    view.y - (py - stage.clientHeight / 2) / view.scale,
  ];
  const toScreen = (x, y) => [
    stage.clientWidth / 2 + (x - view.x) * view.scale,
    stage.clientHeight / 2 - (y - view.y) * view.scale,
  ];

  function setMode(next) {
    mode = next;
    for (const [name, button] of Object.entries(buttons))
      button.setAttribute("aria-pressed", String(name === mode));
    stage.dataset.mode = mode;
  }

  function fitView() {
    if (!points) return;
    const [w, h] = points.size;
    const room = data.axes ? AXES_ROOM : 0;
    least = 0.94 * Math.min((stage.clientWidth - room) / w, (stage.clientHeight - room) / h);
    Object.assign(view, { x: w / 2, y: h / 2, scale: least });
    // The scales stand to the left and below.
    view.x -= room / 2 / least;
    view.y -= room / 2 / least;
    redraw();
  }

  function layout() {
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (!width || !height) return;
    const whole = Math.abs(view.scale / least - 1) < 1e-6;
    view.ratio = window.devicePixelRatio || 1;
    for (const each of [canvas, over]) {
      each.width = Math.round(width * view.ratio);
      each.height = Math.round(height * view.ratio);
    }
    if (whole || view.scale === 1) fitView();
    else redraw();
  }

  function zoom(factor, px = stage.clientWidth / 2, py = stage.clientHeight / 2) {
    const [x, y] = toMap(px, py);
    view.scale = clamp(view.scale * factor, least, least * 200);
    const [nx, ny] = toMap(px, py);
    view.x += x - nx;
    view.y += y - ny;
    redraw();
  }

  function pan(dx, dy) {
    view.x -= dx / view.scale;
    view.y += dy / view.scale;
    redraw();
  }

  function redraw() {
    if (!queued) queued = requestAnimationFrame(draw);
  }

  function radius() {
    const calm = clamp(3.4 * Math.sqrt(2500 / Math.max(1, points.drawn)), 1.5, 4.2);
    return calm * clamp((view.scale / least) ** 0.4, 1, 2.6);
  }

  function draw() {
    queued = 0;
    if (!points || !painter) return;
    placeDensity();
    const r = radius();
    const grey = points.drawn - chosen;
    painter.draw(view, [
      { from: 0, count: grey, radius: chosen ? r * 0.85 : r },
      { from: grey, count: chosen, radius: r * 1.15 },
    ]);
    drawOver(r);
  }

  function drawOver(r) {
    const context = over.getContext("2d");
    context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    context.clearRect(0, 0, stage.clientWidth, stage.clientHeight);
    const looks = { text: css("--st-text-color"), back: css("--st-background-color") };
    Object.assign(looks, { accent: css("--accent"), font: css("--st-font") });
    if (data.axes) drawAxes(context, data.axes, toScreen, { ...looks, quiet: css("--quiet") });
    if (outline?.length) drawOutline(context, outline, toScreen, looks);
    for (const mark of data.marks) drawMark(context, mark, toScreen, r, looks);
    if (hover < 0) return;
    const [x, y] = [points.places[2 * hover], points.places[2 * hover + 1]];
    ring(context, toScreen(x, y), r + 2, 2, looks.text);
  }

  function paint() {
    if (!points || !data) return;
    const arranged = arrange(points, data, dimmed, css("--st-text-color"), css("--st-background-color"));
    if (!arranged) return;
    chosen = arranged.chosen;
    painter.set(arranged.places, arranged.colours, arranged.shapes);
    redraw();
  }

  function paintDensity() {
    density?.remove();
    density = points.density ? densityPicture(points, readColour(css("--st-text-color"))) : null;
  }

  // The density lies under the points and follows the view.
  function placeDensity() {
    if (!density) return;
    if (!density.isConnected) stage.prepend(density);
    const [left, top] = toScreen(0, 1);
    Object.assign(density.style, {
      width: `${view.scale}px`,
      height: `${view.scale}px`,
      transform: `translate(${left}px, ${top}px)`,
    });
  }

  function showLegend() {
    fillLegend(legend, data, css("--quiet"), (code) => {
      if (dimmed === code) return;
      dimmed = code;
      paint();
    });
  }

  function say() {
    const parts = [`${plural(points.n, "image")}`];
    if (points.drawn < points.n)
      parts.push(`${points.drawn.toLocaleString("en")} drawn, a random sample; the shade is all of them`);
    if (data.selected !== null) parts.push(`${data.selected_total.toLocaleString("en")} selected`);
    const text = parts.join(" · ");
    if (status.textContent !== text) status.textContent = text;
    stage.setAttribute(
      "aria-label",
      `${data.label}. ${text}. Arrow keys move, plus and minus zoom, v selects what is in view, ` +
        "Escape clears, 0 shows the whole map.",
    );
    clear.disabled = data.selected === null;
  }

  function point(event) {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function find(px, py) {
    return finder ? finder(...toMap(px, py), (REACH + radius() / 2) / view.scale) : -1;
  }

  function showTip(px, py) {
    const found = drag ? -1 : find(px, py);
    if (found !== hover) {
      hover = found;
      redraw();
      if (hover >= 0) fillTip();
      stage.classList.toggle("over", hover >= 0);
    }
    tip.hidden = hover < 0;
    if (hover < 0) return;
    const [x, y] = toScreen(points.places[2 * hover], points.places[2 * hover + 1]);
    const right = x + 16 + tip.offsetWidth < stage.clientWidth;
    const low = clamp(y - tip.offsetHeight / 2, 4, stage.clientHeight - tip.offsetHeight - 4);
    tip.style.transform = `translate(${right ? x + 16 : x - 16 - tip.offsetWidth}px, ${low}px)`;
  }

  function fillTip() {
    picture.src = data.thumbnails + encodeURIComponent(points.ids[hover]);
    lines.replaceChildren(...describePoint(points, hover));
  }

  stage.onpointerdown = (event) => {
    if (event.button > 1 || !points) return;
    stage.setPointerCapture(event.pointerId);
    const at = point(event);
    const kind = event.button === 1 ? "move" : mode;
    drag = { kind, at, from: at, far: false, add: event.shiftKey };
    tip.hidden = true;
    if (event.button === 1) event.preventDefault();
  };

  stage.onpointermove = (event) => {
    const at = point(event);
    if (!drag) {
      showTip(...at);
      return;
    }
    if (!drag.far && Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) < CLICK) return;
    if (!drag.far && drag.kind === "lasso") outline = [toMap(...drag.from)];
    drag.far = true;
    if (drag.kind === "move") pan(at[0] - drag.at[0], at[1] - drag.at[1]);
    else if (drag.kind === "lasso") outline.push(toMap(...at));
    else outline = box(toMap(...drag.from), toMap(...at));
    drag.at = at;
    redraw();
  };

  stage.onpointerup = (event) => {
    const done = drag;
    drag = null;
    if (!done) return;
    if (!done.far) {
      const found = find(...point(event));
      if (found >= 0) link.send({ opened: points.ids[found] });
      else if (data.selected !== null) link.send({ clear: true });
    } else if (done.kind !== "move" && outline?.length > 2) select(outline, done.add);
  };

  stage.onpointercancel = () => {
    drag = outline = null;
    redraw();
  };
  stage.onpointerleave = () => {
    if (drag) return;
    hover = -1;
    tip.hidden = true;
    redraw();
  };
  stage.ondblclick = () => mode === "move" && fitView();
  stage.addEventListener(
    "wheel",
    (event) => {
      // The page scrolls on where there is nothing to zoom out of.
      if (!points || (event.deltaY > 0 && view.scale <= least * 1.001)) return;
      event.preventDefault();
      zoom(Math.exp(-clamp(event.deltaY, -200, 200) / 400), ...point(event));
      showTip(...point(event));
    },
    { passive: false },
  );

  function box([x0, y0], [x1, y1]) {
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  }

  function select(vertices, add) {
    const step = Math.max(1, Math.ceil(vertices.length / VERTICES));
    const kept = vertices.filter((_, i) => i % step === 0);
    link.send({ outline: kept.map((pair) => pair.map((v) => Math.round(v * UNITS))), add });
  }

  function selectView() {
    if (!points) return;
    outline = box(toMap(0, stage.clientHeight), toMap(stage.clientWidth, 0));
    select(outline, false);
  }

  clear.onclick = () => link.send({ clear: true });
  inView.onclick = selectView;
  smaller.onclick = () => zoom(1 / 1.4);
  larger.onclick = () => zoom(1.4);
  fit.onclick = fitView;

  stage.onkeydown = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    const keys = {
      "+": () => zoom(1.4),
      "=": () => zoom(1.4),
      "-": () => zoom(1 / 1.4),
      0: fitView,
      l: () => setMode("lasso"),
      b: () => setMode("box"),
      m: () => setMode("move"),
      v: selectView,
      Escape: () => data.selected !== null && link.send({ clear: true }),
    };
    if (steps[event.key]) pan(...steps[event.key]);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const watcher = new ResizeObserver(layout);
  watcher.observe(stage);

  function start() {
    painter = glPainter(canvas);
    canvas.addEventListener("webglcontextlost", () => {
      if (gone) return;
      goPlain();
      layout();
      paint();
    });
    if (!painter) goPlain();
    root.dataset.painter = painter.kind;
  }

  /** Without graphics, or once they are lost, a plain canvas does it. */
  function goPlain() {
    const fresh = make("canvas", { "aria-hidden": "true" });
    canvas.replaceWith(fresh);
    canvas = fresh;
    painter = plainPainter(canvas);
    root.dataset.painter = painter.kind;
  }

  let asked = null;
  async function load(url) {
    if (asked === url) return;
    asked = url;
    waiting.hidden = false;
    waiting.textContent = "Loading the points …";
    let got = null;
    try {
      const answer = await fetch(url);
      got = answer.ok ? readPoints(await answer.arrayBuffer()) : await answer.text();
    } catch {
      got = "The points could not be loaded. Reload the page.";
    }
    if (asked !== url) return;
    if (typeof got === "string") {
      waiting.textContent = got;
      return;
    }
    points = got;
    finder = makeFinder(points.places);
    hover = -1;
    waiting.hidden = true;
    paintDensity();
    view.scale = 1;
    layout();
    fitView();
    refresh();
    root.dataset.ready = String(points.drawn);
  }

  function refresh() {
    showLegend();
    say();
    paint();
  }

  setMode(mode);
  start();

  return {
    update(update) {
      data = update;
      stage.style.height = `${data.height}px`;
      picture.classList.toggle("pixelated", data.pixelated);
      if (!link.waiting() && !drag) outline = data.outline;
      if (asked === data.url && points) {
        paintDensity();
        refresh();
      } else load(data.url);
    },
    destroy() {
      watcher.disconnect();
      cancelAnimationFrame(queued);
      gone = true;
      painter.free();
    },
  };
}
