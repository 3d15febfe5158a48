const PLAY = "M5 3l8 5-8 5z";
const PAUSE = "M5.5 3v10M10.5 3v10";
const HINT = "Point at a panel, or focus the panels and use the arrow keys, to";
const SMALLEST_MARK = 7; // px, so that it shows around a tiny cell
const PICTURE_MS = 1500; // longest wait for a picture before its maps are shown without it

export default function (component) {
  return run(component, createOcclusion);
}

function createOcclusion(root, link) {
  const stepper = makeStepper(link);
  const play = make("button", { type: "button", class: "button play" });
  const reset = make("button", { type: "button", class: "button" }, "Reset");
  reset.title = "Stop, and show the whole maps again";
  const bar = make("div", { class: "bar" }, stepper.element, play, reset, makeMixing(root, 100));

  const board = make("div", {
    class: "board",
    tabindex: "0",
    role: "application",
    "aria-describedby": "keys",
  });
  const readout = make("div", { class: "readout" });
  const bars = Object.fromEntries(Object.keys(UNITS).map((kind) => [kind, makeScale(kind)]));
  const scales = make("div", { class: "scales" }, ...Object.values(bars).map((each) => each.element));
  const spoken = make("div", { class: "unseen", "aria-live": "polite" });
  const keys = make("div", { class: "unseen", id: "keys" });
  root.append(bar, board, readout, scales, spoken, keys);

  const frames = []; // of the image first, then one a map
  let latest = null; // what Python said last
  let data = null; // what is on screen: the same, once its picture is there
  let maps = []; // panels with their values decoded
  let shades = {}; // by kind, low and high and the colours between
  let at = null; // row and column of the position chosen
  let near = false; // whether pointer or keyboard are on the panels

  const player = makePlayer(() => data, showStep, showPlayer);

  function layout() {
    if (!root.clientWidth) return; // in a tab that is not open
    const size = arrange(root.clientWidth, frames.length, data);
    const device = window.devicePixelRatio || 1;
    board.style.gridTemplateColumns = `repeat(${size.columns}, ${size.side}px)`;
    board.style.columnGap = `${size.gap}px`;
    for (const { stage, picture, canvas } of frames) {
      stage.style.width = stage.style.height = `${size.side}px`;
      picture.style.width = `${size.width}px`;
      picture.style.height = `${size.height}px`;
      const [width, height] = [Math.round(size.width * device), Math.round(size.height * device)];
      // Setting a size clears a canvas, even to the same.
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
    }
    paint();
    mark();
  }

  function paint() {
    const [{ picture, note }] = frames;
    const blank = getComputedStyle(picture).backgroundColor;
    const looks = { blank, line: getComputedStyle(note).color };
    maps.forEach(({ kind, values }, index) => {
      paintMap(frames[index + 1].canvas, values, shades[kind], data, player.reached, looks);
    });
  }

  function mark() {
    const chosen = at !== null;
    frames.forEach(({ mark, picture }, index) => {
      mark.hidden = !chosen;
      const hides = index === 0 && data.patch !== null;
      if (chosen) put(mark, picture, hides ? patchBox(at, data) : cellBox(at, data));
    });
    frames[0].mark.style.backgroundColor = data.hidden ?? "transparent";
    const faint = chosen && !near && !player.playing;
    board.classList.toggle("faint", faint);
    readout.classList.toggle("idle", faint || !chosen);
    const hint = `${HINT} ${data.patch === null ? "read the values" : "put the patch"} there.`;
    readout.textContent = chosen ? sentence(at, maps, data) : hint;
  }

  function put(element, picture, [x0, y0, x1, y1]) {
    const across = picture.clientWidth / data.image_width;
    const down = picture.clientHeight / data.image_height;
    const [w, h] = [(x1 - x0) * across, (y1 - y0) * down];
    const [dx, dy] = [w, h].map((length) => Math.max(0, SMALLEST_MARK - length) / 2);
    element.style.left = `${x0 * across - dx}px`;
    element.style.top = `${y0 * down - dy}px`;
    element.style.width = `${w + 2 * dx}px`;
    element.style.height = `${h + 2 * dy}px`;
  }

  function choose(position, { speak = false } = {}) {
    at = position;
    near = true;
    mark();
    if (speak) spoken.textContent = sentence(at, maps, data);
  }

  function leave() {
    near = board.matches(":focus-visible");
    mark();
  }

  function showStep(reached) {
    const last = Math.min(reached, data.rows * data.columns) - 1;
    at = { row: Math.floor(last / data.columns), column: last % data.columns };
    paint();
    mark();
  }

  function showPlayer() {
    const name = player.playing ? "Pause" : "Play";
    if (play.dataset.name !== name) {
      play.dataset.name = name;
      play.title = `${player.playing ? "Stop" : "Slide"} the patch over all positions (space bar)`;
      play.replaceChildren(icon(player.playing ? PAUSE : PLAY), name);
    }
    reset.disabled = player.whole;
    if (!data) return;
    paint();
    mark();
  }

  function under(event) {
    const frame = frames.find(({ stage }) => event.composedPath().includes(stage));
    if (!frame) return null;
    const box = frame.picture.getBoundingClientRect();
    const x = ((event.clientX - box.left) * data.image_width) / box.width;
    const y = ((event.clientY - box.top) * data.image_height) / box.height;
    return nearest(x, y, data);
  }

  board.onpointermove = (event) => {
    if (player.playing) return; // the patch goes its own way
    const position = under(event);
    if (position) choose(position);
  };
  board.onpointerleave = leave;
  board.onclick = (event) => {
    const position = under(event);
    if (!position) return;
    player.pause();
    choose(position);
  };
  board.onfocus = () => {
    if (!board.matches(":focus-visible")) return;
    choose(at ?? middle(), { speak: true });
  };
  board.onblur = leave;
  board.onkeydown = (event) => {
    if (event.altKey || event.metaKey) return;
    const { row, column } = at ?? middle();
    const [bottom, right] = [data.rows - 1, data.columns - 1];
    const moves = {
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      PageUp: [row - 10, column],
      PageDown: [row + 10, column],
      Home: [event.ctrlKey ? 0 : row, 0],
      End: [event.ctrlKey ? bottom : row, right],
    };
    if (event.key in moves) {
      player.pause();
      const [down, along] = moves[event.key];
      const position = { row: clamp(down, 0, bottom), column: clamp(along, 0, right) };
      choose(position, { speak: true });
    } else if (event.key === " ") {
      if (!event.repeat) toggle();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  function middle() {
    return { row: Math.floor((data.rows - 1) / 2), column: Math.floor((data.columns - 1) / 2) };
  }

  function toggle() {
    if (data.patch === null) return;
    if (player.playing) player.pause();
    else player.play();
  }

  play.onclick = toggle;
  reset.onclick = () => player.reset();

  const watcher = new ResizeObserver(() => data && layout());
  watcher.observe(root);

  function fill(frame, title, note) {
    frame.title.textContent = frame.title.title = title;
    frame.note.textContent = note;
    if (frame.image.getAttribute("src") !== data.src) frame.image.src = data.src;
  }

  function showLost(lost) {
    frames[0].lost.hidden = !lost;
    board.classList.toggle("bare", lost);
  }

  function showPanels() {
    while (frames.length > maps.length + 1) frames.pop().element.remove();
    while (frames.length < maps.length + 1) {
      const frame = makePanel(frames.length > 0);
      frames.push(frame);
      board.append(frame.element);
    }
    const [first, ...others] = frames;
    const { image_width, image_height, patch, stride } = data;
    const steps = stride > 1 ? `, every ${stride} pixels` : "";
    const size = `${image_width} × ${image_height}`;
    fill(first, "Image", patch === null ? size : `${size}, patch ${patch} × ${patch}${steps}`);
    first.image.alt = "Image";
    first.image.onload = () => showLost(false);
    first.image.onerror = () => showLost(true);
    others.forEach((frame, index) => {
      const map = maps[index];
      fill(frame, map.title, map.note);
      frame.canvas.setAttribute("aria-label", summary(map, data));
    });
  }

  function showScales() {
    for (const [kind, { low, high, colours }] of Object.entries(data.scales)) {
      const same = shades[kind]?.colours.join() === colours.join();
      shades[kind] = { low, high, colours, shades: same ? shades[kind].shades : shadesOf(colours) };
      bars[kind].element.hidden = !maps.some((map) => map.kind === kind);
      bars[kind].update(shades[kind], kind === "probability" ? data.clean : null);
    }
  }

  function apply(next) {
    const before = data;
    const known = new Map(before?.panels.map(({ values }, index) => [values, maps[index].values]));
    data = next;
    maps = data.panels.map((panel) => {
      return { ...panel, values: known.get(panel.values) ?? decode(panel.values) };
    });
    if (at && before) {
      // Another grid: the patch stays at the pixels where it was.
      const [x, y] = [at.column, at.row].map((place) => place * before.stride + 0.5);
      at = nearest(x, y, data);
    }
    const same = ["src", "rows", "columns"].every((name) => before?.[name] === data[name]);
    if (!same) player.reset();
    board.classList.toggle("pixelated", data.pixelated);
    board.setAttribute("aria-label", data.label);
    play.disabled = !maps.length;
    play.hidden = reset.hidden = data.patch === null;
    keys.textContent =
      (data.patch === null
        ? "Arrow keys move over the maps"
        : "Arrow keys move the patch, the space bar plays") +
      (data.total > 1 ? ", p and n change the image." : ".");
    showPanels();
    showScales();
    layout();
    if (before && before.revealed !== data.revealed) root.scrollIntoView({ block: "nearest" });
  }

  showPlayer();

  return {
    async update(next) {
      latest = next;
      stepper.update(next);
      if (data && data.src !== next.src) {
        // Picture and maps change together: neither may stand beside one of another image.
        const loading = new Image();
        loading.src = next.src;
        const late = new Promise((resolve) => setTimeout(resolve, PICTURE_MS));
        await Promise.race([loading.decode().catch(() => {}), late]);
        if (latest !== next) return;
      }
      apply(next);
    },
    destroy() {
      latest = null;
      player.pause();
      stepper.destroy();
      watcher.disconnect();
    },
  };
}
