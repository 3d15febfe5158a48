const TICK = "M3 8.5l3.2 3.2L13 4.8";
const CROSS = "M4 4l8 8M12 4l-8 8";
const SEARCH = "M7 3a4 4 0 1 1 0 8a4 4 0 0 1 0-8M10 10l4 4";

export default function (component) {
  return run(component, createGallery);
}

function createGallery(root, link) {
  const count = make("span", { class: "count", role: "status" });
  const all = make("button", { type: "button", class: "button" }, "Select page");
  const none = make("button", { type: "button", class: "button" }, "Clear");
  const hint = make("span", { class: "hint", id: "hint" });
  const bar = make("div", { class: "bar" }, count, all, none, hint);
  const list = make("div", {
    class: "list",
    role: "listbox",
    "aria-describedby": "hint",
  });
  const empty = make("div", { class: "empty" });
  root.append(bar, list, empty);

  const tiles = new Map(); // id -> element, in the order shown
  let told = new Set(); // what Python last said is selected on this page
  let chosen = new Set(); // what the user sees as selected
  let elsewhere = 0; // how many are selected on other pages
  let current = null; // id of the one tile that Tab reaches
  let anchor = null; // id from which Shift extends
  let selectable = true;
  let searchable = false;

  const ids = () => [...tiles.keys()];

  function paint() {
    for (const [id, tile] of tiles) {
      tile.setAttribute("aria-selected", String(chosen.has(id)));
      tile.tabIndex = id === current ? 0 : -1;
    }
    const parts = [`${plural(tiles.size, "image")} here`];
    const total = chosen.size + elsewhere;
    if (total) parts.push(`${total.toLocaleString("en")} selected`);
    if (elsewhere) parts.push(`${elsewhere.toLocaleString("en")} of them on other pages`);
    const text = parts.join(", ");
    // Setting the same text again would make a screen reader say it again.
    if (count.textContent !== text) count.textContent = text;
    all.disabled = chosen.size === tiles.size;
    none.disabled = !total;
  }

  function tell(more = {}) {
    link.send({
      added: [...chosen].filter((id) => !told.has(id)),
      removed: [...told].filter((id) => !chosen.has(id)),
      ...more,
    });
  }

  function select(next) {
    if (!selectable) return;
    chosen = next;
    paint();
    tell();
  }

  function toggle(id) {
    anchor = id;
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    select(next);
  }

  function extend(id) {
    const order = ids();
    const ends = [order.indexOf(tiles.has(anchor) ? anchor : id), order.indexOf(id)];
    const range = order.slice(Math.min(...ends), Math.max(...ends) + 1);
    select(new Set([...chosen, ...range]));
  }

  function focus(id) {
    current = id;
    paint();
    tiles.get(id)?.focus();
  }

  function columns() {
    const [first, ...rest] = [...tiles.values()];
    const index = rest.findIndex((tile) => tile.offsetTop !== first.offsetTop);
    return index < 0 ? tiles.size : index + 1;
  }

  list.onclick = (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const id = tile.dataset.id;
    current = id;
    if (event.target.closest(".search")) tell({ similar: id });
    else if (selectable && event.shiftKey) extend(id);
    else if (selectable && (event.ctrlKey || event.metaKey || event.target.closest(".check"))) toggle(id);
    else {
      anchor = id;
      paint();
      tell({ opened: id });
    }
  };

  list.onkeydown = (event) => {
    const order = ids();
    const at = order.indexOf(event.target.dataset?.id);
    if (at < 0 || event.altKey) return;
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns(),
      ArrowDown: columns(),
      Home: -at,
      End: order.length - 1 - at,
    };
    if (event.key in steps) {
      const to = at + steps[event.key];
      if (to >= 0 && to < order.length) {
        if (event.shiftKey && !tiles.has(anchor)) anchor = order[at];
        focus(order[to]);
        if (event.shiftKey) extend(order[to]);
      }
    } else if (event.key === "Enter" && !event.repeat) {
      anchor = order[at];
      tell({ opened: order[at] });
    } else if (searchable && event.key === "s" && !event.ctrlKey && !event.metaKey) {
      tell({ similar: order[at] });
    } else if (event.key === " ") {
      if (event.shiftKey) extend(order[at]);
      else toggle(order[at]);
    } else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
      select(new Set(order));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  all.onclick = () => select(new Set(tiles.keys()));
  none.onclick = () => {
    chosen = new Set();
    elsewhere = 0;
    paint();
    tell({ clear: true });
  };

  function show(items) {
    const focused = deepActive()?.dataset?.id;
    const before = new Map(tiles);
    tiles.clear();
    let place = list.firstElementChild;
    for (const item of items) {
      const tile = before.get(item.id) ?? makeTile(item.id);
      before.delete(item.id);
      fillTile(tile, item);
      tiles.set(item.id, tile);
      // A tile that stays where it is must not be moved: that would drop focus and image.
      if (tile === place) place = place.nextElementSibling;
      else list.insertBefore(tile, place);
    }
    for (const tile of before.values()) tile.remove();
    if (!tiles.has(current)) current = items[0]?.id ?? null;
    if (focused && tiles.has(focused)) tiles.get(focused).focus({ preventScroll: true });
  }

  return {
    update(data) {
      root.style.setProperty("--tile", `${data.tile_size}px`);
      list.classList.toggle("pixelated", data.pixelated);
      list.setAttribute("aria-label", data.label);
      empty.textContent = data.empty;
      empty.hidden = data.tiles.length > 0;
      selectable = data.selectable;
      list.hidden = data.tiles.length === 0;
      bar.hidden = list.hidden || !selectable;
      list.classList.toggle("selectable", selectable);
      searchable = data.searchable;
      list.classList.toggle("searchable", searchable);
      list.setAttribute("aria-multiselectable", String(selectable));
      hint.textContent = [
        "Arrows move, Enter opens",
        ...(selectable ? ["Space selects, Shift extends"] : []),
        ...(searchable ? ["s finds similar"] : []),
      ].join(", ");
      show(data.tiles);
      told = new Set(data.selected);
      if (!link.waiting()) {
        chosen = new Set(data.selected);
        elsewhere = data.elsewhere;
      }
      chosen = new Set([...chosen].filter((id) => tiles.has(id)));
      paint();
    },
    destroy() {},
  };
}

function makeTile(id) {
  const image = make("img", { loading: "lazy", decoding: "async", draggable: "false" });
  const lost = make("span", { class: "lost", hidden: "" }, "This image cannot be shown");
  image.onerror = () => (lost.hidden = false);
  image.onload = () => (lost.hidden = true);
  const box = make("span", { class: "box" }, icon(TICK));
  const check = make("span", { class: "check", "aria-hidden": "true", title: "Select" }, box);
  const search = make("span", { class: "search", "aria-hidden": "true", title: "Similar images (s)" });
  search.append(make("span", { class: "box" }, icon(SEARCH)));
  const frame = make("div", { class: "frame" }, image, lost, check, search);
  const tile = make("div", { class: "tile", role: "option" }, frame);
  tile.append(make("div", { class: "caption" }));
  tile.dataset.id = id;
  return tile;
}

function fillTile(tile, item) {
  const image = tile.querySelector("img");
  image.alt = item.alt;
  if (image.getAttribute("src") !== item.src) image.src = item.src;
  const rows = [];
  if (item.mark || item.title) {
    const head = make("div", { class: "head" });
    if (item.mark) {
      const shape = icon(["right", "match"].includes(item.mark) ? TICK : CROSS);
      head.append(make("span", { class: "mark", "data-mark": item.mark }, shape, item.mark));
    }
    if (item.title) head.append(make("span", { class: "title" }, item.title));
    rows.push(head);
  }
  for (const line of item.lines) rows.push(make("div", { class: "line" }, line));
  const caption = tile.querySelector(".caption");
  caption.replaceChildren(...rows);
  caption.hidden = rows.length === 0;
  tile.title = [item.title, ...item.lines].filter(Boolean).join("\n");
}
