// The verdicts that viewer.js lets a reviewer give on its image: a button and a key each.

const VERDICTS = {
  right: { key: "r", says: ({ given }) => `Right: ${given}` },
  wrong: { key: "w", says: ({ suggested }) => `Wrong: ${suggested}` },
  undecidable: { key: "u", says: () => "Undecidable" },
  bad: { key: "b", says: () => "Bad image" },
};

/**
 * Makes the verdicts' part of a viewer. `ready()` says whether the image they would be given on is
 * the one on screen, with nothing under way; `move(step)` goes on without a verdict.
 */
function makeVerdicts(link, ready, move) {
  const element = make("div", { class: "verdicts", role: "group", "aria-label": "Verdict" });
  const row = make("div", { class: "choices" });
  const other = make("div", { class: "choices" });
  const note = make("textarea", { rows: "1", maxlength: "2000", placeholder: "Note for the next verdict (t)" });
  note.setAttribute("aria-label", "Note");
  const status = make("div", { class: "told", role: "status" });
  element.append(row, other, note, status);

  const drafts = new Map(); // notes that went with no verdict yet, by image
  let data = null;
  let sent = null; // the last event, until Python has heard of it
  let turn = 0; // its number
  let patience = 0;
  let actions = {}; // what each key does

  function token() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((value) => value.toString(16).padStart(2, "0")).join("");
  }

  function say(text) {
    if (status.textContent !== text) status.textContent = text;
  }

  /** Sent again because no answer came, an event keeps its token, and is stored once. */
  function send(event) {
    if (!ready() || data.disabled) return;
    const same = sent && JSON.stringify({ ...sent, token: "" }) === JSON.stringify({ ...event, token: "" });
    sent = { ...event, token: same ? sent.token : token() };
    link.send(sent);
    turn = link.sent;
    say(event.action === "undo" ? "Taking back …" : "Storing …");
    clearTimeout(patience);
    patience = setTimeout(() => {
      if (sent) say("The server has not answered. Give it again: it is stored only once.");
    }, PATIENCE_MS);
  }

  function judge(verdict, decided) {
    const { sample_id, given } = data;
    send({ action: "verdict", verdict, decided, sample_id, given, note: note.value });
  }

  function decide(label) {
    judge(label === data.given ? "right" : "wrong", label === data.given ? null : label);
  }

  function choice(key, text, act, pressed) {
    const button = make("button", { type: "button", class: "button" });
    if (key) {
      button.append(make("kbd", {}, key));
      button.setAttribute("aria-keyshortcuts", key);
      actions[key] = act;
    }
    button.append(make("span", {}, text));
    if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
    button.disabled = data.disabled;
    button.onclick = act;
    return button;
  }

  /** One field for any class, where there are too many for a key each. */
  function field() {
    const names = make("datalist", { id: "classes" });
    names.append(...data.labels.map(({ name }) => make("option", { value: name })));
    const input = make("input", { list: "classes", placeholder: "Another label (l), Enter gives it" });
    input.setAttribute("aria-label", "Another label");
    input.disabled = data.disabled;
    input.onkeydown = (event) => {
      if (event.key === "Escape") input.blur();
      if (event.key !== "Enter" || event.repeat) return;
      const typed = input.value.trim().toLowerCase();
      const found = data.labels.find(({ name }) => name.toLowerCase() === typed);
      if (found) {
        input.blur();
        decide(found.name);
      } else say(`There is no class “${input.value}”.`);
    };
    actions.l = () => input.focus();
    return [input, names];
  }

  function fill() {
    const focused = deepActive()?.dataset?.choice;
    const { standing, labels } = data;
    actions = { n: () => move(1), p: () => move(-1), t: () => note.focus() };
    const buttons = Object.entries(VERDICTS).map(([verdict, { key, says }]) => {
      const decided = verdict === "wrong" ? data.suggested : null;
      const stands = standing?.verdict === verdict && standing.decided === decided;
      return choice(key, says(data), () => judge(verdict, decided), stands);
    });
    const undo = choice("z", "Undo", () => send({ action: "undo" }));
    undo.disabled ||= !data.undoable;
    undo.title = "Takes your latest verdict back";
    row.replaceChildren(...buttons, undo);
    const keyed = labels.filter(({ key }) => key);
    if (keyed.length) {
      const said = make("span", { class: "quiet" }, "It is");
      const rest = keyed.map(({ name, key }) => {
        const stands = standing?.verdict === "wrong" && standing.decided === name;
        // A name of one letter is its own key.
        return choice(key, name === key ? "" : name, () => decide(name), stands);
      });
      other.replaceChildren(said, ...rest);
    } else other.replaceChildren(...field());
    [...element.querySelectorAll("button")].forEach((button, at) => (button.dataset.choice = at));
    if (focused) element.querySelector(`button[data-choice="${focused}"]`)?.focus({ preventScroll: true });
  }

  // A key held down would judge images that nobody has looked at.
  element.onkeydown = (event) => {
    if (event.repeat && event.target.matches("button")) event.preventDefault();
  };
  note.oninput = () => drafts.set(data.sample_id, note.value);
  note.onkeydown = (event) => {
    if (event.key === "Escape") note.blur();
    event.stopPropagation();
  };

  // Before anybody else hears of it: Streamlit has uses of its own for some letters.
  function onKey(event) {
    if (!data || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const act = actions[event.key.toLowerCase()];
    if (!act || types(event.composedPath()[0])) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) act();
  }
  window.addEventListener("keydown", onKey, true);

  return {
    element,
    update(update) {
      const other = data?.sample_id !== update?.sample_id;
      if (sent && link.heard >= turn) {
        drafts.delete(sent.sample_id);
        sent = null;
        clearTimeout(patience);
        say("");
      }
      data = update;
      element.hidden = data === null;
      if (data === null) return;
      if (other) note.value = drafts.get(data.sample_id) ?? data.standing?.note ?? "";
      note.disabled = data.disabled;
      fill();
    },
    destroy() {
      clearTimeout(patience);
      window.removeEventListener("keydown", onKey, true);
    },
  };
}

/** Whether an element takes letters for itself. */
function types(element) {
  if (!(element instanceof Element)) return false;
  const fields = ["input:not([type=checkbox], [type=radio])", "textarea", "select", "[contenteditable=true]"];
  const roles = ["application", "combobox", "dialog", "grid", "menu", "textbox"];
  return Boolean(element.closest([...fields, ...roles.map((role) => `[role=${role}]`)].join()));
}
