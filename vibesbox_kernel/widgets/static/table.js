// The process table. Rows are keyed by session id and patched in place: what stays is never made anew, so the focus,
// a pressed button and a selection of text survive every update. What sessions say is shown as text, never as HTML.

const PAGE_ROWS = 50;
const ALIVE_MS = 30000; // the kernel stops measuring CPU and memory some time after the last view fell silent
const GONE = "The kernel of this table has ended: it shows how things were. %ps -w shows a new one.";

function render({ model, el }) {
  const me = Math.random().toString(36).slice(2, 8);
  const can = new Set(model.get("actions"));
  const only = model.get("only");
  const rows = new Map(); // session id → the row as the kernel has it
  const views = new Map(); // session id → its nodes, of those on this page of the table
  const sparks = new Map(); // session id → { cpu: […], memory: […] }
  const details = new Map(); // session id → nodes of its details, while they are open
  let number = null; // of the last message with rows; null until there was one with all of them
  let clockSkew = 0; // the kernel's clock minus ours, in seconds
  let order = []; // ids, as they are sorted now
  let page = 0;
  let sort = { key: "began", down: false };
  let watched = "";
  let gone = false; // the kernel, or this table in it
  let focusId = null; // the row that the tab key leads to

  const style = element("style"); // a live table hides its static twin
  const frame = makeFrame({
    only,
    can,
    sortBy: (key) => sortBy(key),
    killShown: () => askToKillAll(),
    turn: (by) => turn(by),
  });
  const { root, scroller, table, caption, heads, body, width, nothing, notice, status } = frame;
  const { text, stateBox, hideBox, killAll, question } = frame;
  const { pager, earlier, later, where } = frame;
  el.append(style, root);

  // Calls

  const tell = (message) => {
    if (gone) return;
    try {
      model.send(message);
    } catch {
      onEnd(); // the connection is closed for good
    }
  };
  const calls = makeCalls({
    me,
    tell,
    changed: () => drawAll(),
    announce: (id, words) => setText(status, rows.has(id) ? `${refOf(rows.get(id))}: ${words}` : words),
    knows: (id) => rows.has(id),
  });
  const { call, note } = calls;

  // What a user does

  const actions = makeActions({ can, calls, isGone: () => gone, leave: (id) => focusRow(id) });
  const act = (name, id) => {
    const row = rows.get(id);
    if (!row || !actions.isOpen(name, row)) return;
    if (name === "input" || name === "rename") {
      openDetails(id);
      details.get(id)?.ask(name, row, { call, close: () => focusRow(id) });
    } else if (name === "durable") call(name, id, { durable: !row.durable });
    else if (name === "shell") call(row.foreground ? "background" : "foreground", id);
    else if (name === "command") call(name, id, {}, (command) => copied(id, command));
    else if (name === "save") calls.save(row);
    else call(name, id);
  };
  const copied = async (id, command) => {
    try {
      await copyText(command);
      note(id, "its command is on the clipboard");
    } catch (error) {
      note(id, `its command could not be copied: ${error.message}`, true);
    }
  };
  const askToKillAll = () => {
    const ids = order.filter((id) => actions.isOpen("terminate", rows.get(id)));
    question.replaceChildren();
    if (!ids.length) {
      note("", "none of the sessions that are shown can be ended");
      return;
    }
    const several = ids.length > 1 ? `${ids.length} sessions` : "1 session";
    const end = () => {
      hideQuestion();
      call("terminate_all", "", { ids });
    };
    const yes = button(`Kill ${several}`, end, "vb-button vb-danger");
    question.append(`End ${several} and all their processes? `, yes, button("Keep them", hideQuestion));
    question.ariaLabel = `Really kill ${several}?`;
    question.hidden = false;
    yes.focus();
  };
  const hideQuestion = () => {
    question.hidden = true;
    killAll.focus();
  };

  const openDetails = (id) => {
    const view = views.get(id);
    if (!view || details.has(id)) return;
    const detail = makeDetail(width, actions, (name) => act(name, id));
    details.set(id, detail);
    view.tr.after(detail.tr);
    view.setOpen(true);
    tell({ op: "open", view: me, id });
    drawRow(id);
  };
  const shutDetails = (id) => {
    const detail = details.get(id);
    if (!detail) return;
    if (detail.tr.contains(document.activeElement)) focusRow(id);
    detail.tr.remove();
    details.delete(id);
    views.get(id)?.setOpen(false);
    tell({ op: "shut", view: me, id });
  };
  const toggleDetails = (id) => (details.has(id) ? shutDetails(id) : openDetails(id));

  // Rows

  const secondsSo = (row) => (row.elapsed === null ? Date.now() / 1000 + clockSkew - row.started : secondsOf(row.elapsed));
  const elapsed = (row) => row.elapsed ?? (gone ? "" : duration(secondsSo(row)));
  const newRow = (id) =>
    makeRow(id, {
      actions,
      act: (name) => act(name, id),
      toggle: () => toggleDetails(id),
      focused: () => setFocusRow(id),
      proxied: model.get("proxied"),
    });
  const drawRow = (id) => {
    const row = rows.get(id);
    if (!row || !views.has(id)) return;
    views.get(id).draw(row, { elapsed: elapsed(row), note: details.has(id) ? null : calls.noteOf(id) });
    details.get(id)?.draw(row, calls.noteOf(id));
  };

  // Which rows, and in which order

  const sortKeys = makeSortKeys(secondsSo);
  const sortBy = (key) => {
    if (sort.key !== key) sort = { key, down: false };
    else if (!sort.down) sort = { key, down: true };
    else sort = { key: "began", down: false };
    for (const { key: one } of COLUMNS) {
      setAttribute(heads[one], "aria-sort", sort.key === one ? (sort.down ? "descending" : "ascending") : null);
    }
    page = 0;
    arrange(true);
  };
  const fits = (row) => {
    if (hideBox.checked && !row.alive) return false;
    const state = stateBox.value;
    if (state && (state === "alive" ? !row.alive : row.state !== state)) return false;
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { name, pid, word, title, line, where: from, progress, ports, id } = row;
    const found = [name, pid, word, title, line, from, progress, ports.join(" "), id].join(" ").toLowerCase();
    return wanted.every((word) => found.includes(word));
  };
  const isHeld = () => sort.key !== "began" && (body.matches(":hover") || body.contains(document.activeElement));

  // Nothing moves under the pointer of somebody who is about to press a button: then what is new goes to the end.
  const arrange = (now = false) => {
    const shown = [...rows.values()].filter(fits);
    const key = sortKeys[sort.key];
    const keys = new Map(shown.map((row) => [row.id, key(row)]));
    const places = new Map(order.map((id, index) => [id, index]));
    const held = !now && isHeld();
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    shown.sort((a, b) => {
      if (held) return (places.get(a.id) ?? Infinity) - (places.get(b.id) ?? Infinity) || a.began - b.began;
      return (sort.down ? -1 : 1) * compare(keys.get(a.id), keys.get(b.id)) || a.began - b.began;
    });
    order = shown.map((row) => row.id);
    place();
  };

  const place = () => {
    const pages = Math.max(1, Math.ceil(order.length / PAGE_ROWS));
    page = Math.min(Math.max(0, page), pages - 1);
    const ids = order.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
    const wanted = new Set(ids);
    const focused = document.activeElement;
    const had = body.contains(focused) ? focused.closest("tr[data-id]")?.dataset.id ?? focusId : null;
    const before = had === null ? -1 : [...views.keys()].indexOf(had);
    for (const [id, view] of views) {
      if (wanted.has(id)) continue;
      shutDetails(id);
      view.tr.remove();
      views.delete(id);
    }
    let previous = null;
    for (const id of ids) {
      if (!views.has(id)) views.set(id, newRow(id));
      const view = views.get(id);
      const at = previous ? previous.nextSibling : body.firstChild;
      if (at !== view.tr) body.insertBefore(view.tr, at);
      const detail = details.get(id)?.tr;
      if (detail && view.tr.nextSibling !== detail) view.tr.after(detail);
      previous = detail ?? view.tr;
      drawRow(id);
    }
    // A node that is moved loses the focus; one that went leaves it to the row in its place.
    if (had !== null && document.activeElement !== focused) {
      if (focused.isConnected) focused.focus({ preventScroll: true });
      else if (ids.length) focusRow(ids[Math.min(Math.max(before, 0), ids.length - 1)]);
      else root.focus({ preventScroll: true });
    }
    if (!views.has(focusId)) setFocusRow(ids[0] ?? null);
    setHidden(pager, pages === 1);
    setText(where, `${page * PAGE_ROWS + 1}–${page * PAGE_ROWS + ids.length} of ${order.length}`);
    setAttribute(earlier, "aria-disabled", String(page === 0));
    setAttribute(later, "aria-disabled", String(page === pages - 1));
    setAttribute(table, "aria-rowcount", String(order.length + 1));
    ids.forEach((id, index) => setAttribute(views.get(id).tr, "aria-rowindex", String(page * PAGE_ROWS + index + 2)));
    setHidden(nothing, order.length > 0);
    root.classList.toggle("vb-no-where", ![...rows.values()].some((row) => row.where));
    tellWhatIsSeen(ids);
  };
  const turn = (by) => {
    page += by;
    arrange();
    scroller.scrollTop = 0;
  };
  const tellWhatIsSeen = (ids) => {
    const seen = ids.join();
    if (seen === watched) return;
    watched = seen;
    tell({ op: "view", view: me, ids });
  };

  // The keyboard: one row is reached by the tab key, the others from there by arrows

  const setFocusRow = (id) => {
    if (views.has(focusId)) views.get(focusId).tr.tabIndex = -1;
    focusId = id;
    if (views.has(id)) views.get(id).tr.tabIndex = 0;
  };
  const focusRow = (id) => {
    const view = views.get(id);
    if (!view) return;
    setFocusRow(id);
    view.tr.focus();
  };
  const move = (by) => {
    const ids = [...views.keys()].sort((a, b) => order.indexOf(a) - order.indexOf(b));
    const at = ids.indexOf(focusId);
    focusRow(ids[Math.min(Math.max(at + by, 0), ids.length - 1)]);
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inBox = event.target.matches("input, select, textarea");
    if (event.key === "Escape" && !question.hidden) hideQuestion();
    else if (event.key === "Escape" && inBox && focusId) focusRow(focusId);
    else if (inBox) {
      event.stopPropagation();
      return;
    } else if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Home") move(-Infinity);
    else if (event.key === "End") move(Infinity);
    else if (event.key === "PageDown") turn(1);
    else if (event.key === "PageUp") turn(-1);
    else if (event.key === "/" && !only) text.focus();
    else if (event.key === "Enter" && event.target.matches("tr[data-id]")) toggleDetails(focusId);
    else if (event.key === "Escape" && details.has(focusId)) shutDetails(focusId);
    else if (ROW_KEYS[event.key] && event.target.matches("tr[data-id], tr[data-id] *")) act(ROW_KEYS[event.key][0], focusId);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  root.addEventListener("keydown", onKey);
  for (const [node, event] of [[text, "input"], [stateBox, "change"], [hideBox, "change"]]) {
    node.addEventListener(event, () => {
      page = 0;
      arrange(true);
    });
  }
  body.addEventListener("mouseleave", () => arrange());

  // What the kernel says

  const onRows = (message) => {
    if (message.full) {
      rows.clear();
    } else if (message.number !== (number ?? 0) + 1) {
      if (number !== null) tell({ op: "hello" });
      number = null; // what was missed comes with all rows
      return;
    }
    number = message.number;
    for (const [id, change] of Object.entries(message.put)) rows.set(id, { ...rows.get(id), ...change });
    for (const id of message.gone) {
      rows.delete(id);
      sparks.delete(id);
    }
    if (root.hidden) {
      root.hidden = false;
      style.textContent = `.vb-static-${model.get("twin")}{display:none}`;
    }
    arrange();
    if (only && rows.has(only) && message.full) openDetails(only);
  };
  const onSparks = (message) => {
    for (const [id, [cpu, memory]] of Object.entries(message.put)) sparks.set(id, { cpu, memory });
    drawSparks();
  };
  const drawSparks = () => {
    for (const [id, view] of views) view.drawSparks(rows.get(id)?.alive ? sparks.get(id) : null);
  };
  const tick = () => {
    for (const id of views.keys()) {
      const row = rows.get(id);
      if (!row?.alive) continue;
      views.get(id).drawElapsed(elapsed(row));
      if (!sparks.has(id)) sparks.set(id, { cpu: [], memory: [] });
      const known = sparks.get(id);
      for (const [key, value] of [["cpu", row.cpu ? row.load : -1], ["memory", bytesOf(row.memory)]]) {
        if (value >= 0) known[key] = [...known[key].slice(1 - SPARK_POINTS), value]; // before it was measured there is none
      }
    }
    drawSparks();
  };
  const drawAll = () => {
    for (const id of views.keys()) drawRow(id);
    const words = calls.noteOf("");
    setText(notice, gone ? GONE : [model.get("notice"), words?.words].filter(Boolean).join(" "));
    const ending = calls.find("", ["terminate_all"]);
    setText(killAll, calls.isPending(ending) ? "pending" : ending ? "ending…" : "Kill all shown…");
  };
  const drawFrame = () => {
    setText(caption, only ? "" : model.get("caption"));
    drawAll();
  };
  const onMessage = (message, buffers) => {
    switch (message?.op) {
      case "hello":
        clockSkew = message.now - Date.now() / 1000;
        break;
      case "rows":
        onRows(message);
        break;
      case "spark":
        onSparks(message);
        break;
      case "detail":
        details.get(message.id)?.show(message);
        break;
      case "took":
        calls.took(message);
        break;
      case "done":
        calls.done(message);
        break;
      case "piece":
        calls.piece(message, buffers);
        break;
    }
  };

  const onEnd = () => {
    if (gone) return;
    gone = true;
    root.classList.add("vb-gone");
    clearInterval(second);
    clearInterval(alive);
    setText(status, GONE);
    drawAll();
  };

  const CHANGES = ["change:caption", "change:notice"];
  for (const event of CHANGES) model.on(event, drawFrame);
  const forgetEnd = whenGone(model, onEnd);
  model.on("msg:custom", onMessage);
  const second = setInterval(tick, 1000);
  const alive = setInterval(() => tell({ op: number === null ? "hello" : "alive" }), ALIVE_MS);
  drawFrame();
  tell({ op: "hello" });
  return () => {
    clearInterval(second);
    clearInterval(alive);
    for (const id of details.keys()) tell({ op: "shut", view: me, id });
    tell({ op: "view", view: me, ids: [] });
    for (const event of CHANGES) model.off(event, drawFrame);
    forgetEnd();
    model.off("msg:custom", onMessage);
  };
}

export default { render };
