// The log of one session. Only the rows in sight (and some around them) are there; their lines are asked for by number
// and kept for a while. `top` is the truth about where we are: a line and a fraction of one. The scroll bar follows it.
const MAX_SPACE_PX = 8e6; // browsers cut taller elements; beyond that the scroll bar is scaled
const OVERSCAN_ROWS = 15;
const MAX_CACHED_LINES = 2000;
const MAX_WINDOW_LINES = 200;
const MAX_STEPS = 50;
const ANSWER_MS = 5000; // what is not answered by then is asked again
const EMPTY_MS = 500;
const PLACE_MS = 300;
const TYPING_MS = 250;
const ALIVE_MS = 30000;
const STDERR = 1;
const CUT = 4;
const GONE = "The kernel of this log has ended: it shows how things were. %tail -w shows a new one.";
const SEQUENCE = /\x1b\[([0-9;:]*)m/g;

const button = (className, text, label, onclick) => {
  const node = element("button", className, text);
  node.type = "button";
  node.title = node.ariaLabel = label;
  node.onclick = onclick;
  return node;
};

const number = new Intl.NumberFormat("en");
const count = (n, what) => `${number.format(n)} ${what}${n === 1 ? "" : "s"}`;
const size = (bytes) => {
  if (bytes < 1000) return count(bytes, "byte");
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${["", "kB", "MB", "GB"][power]}`;
};

// Colours and styles (SGR).
const level = (n) => (n ? 55 + 40 * n : 0);
const colour = (n) => {
  if (n < 16) return `var(--vb-ansi-${n})`;
  if (n > 231) return `rgb(${Array(3).fill(8 + 10 * (n - 232)).join()})`;
  return `rgb(${[Math.floor((n - 16) / 36), Math.floor((n - 16) / 6) % 6, (n - 16) % 6].map(level).join()})`;
};
const byte = (text) => Math.min(255, Number(text) || 0);
const longColour = (kind, rest) => {
  if (kind === "5") return colour(byte(rest[0]));
  return kind === "2" ? `rgb(${rest.slice(-3).map(byte).join()})` : null;
};
const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 8: "hidden", 9: "strike", 21: "underline" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 28: ["hidden"], 29: ["strike"], 39: ["fore"], 49: ["back"] };

const apply = (style, parameters) => {
  const codes = parameters.split(";");
  for (let at = 0; at < codes.length; at += 1) {
    const [code, ...inner] = codes[at].split(":");
    const n = Number(code || 0);
    if (n === 38 || n === 48) {
      const length = inner.length ? 0 : { 5: 2, 2: 4 }[codes[at + 1]] || codes.length;
      const [kind, ...rest] = inner.length ? inner : codes.slice(at + 1, at + 1 + length);
      style[n === 38 ? "fore" : "back"] = longColour(kind, rest);
      at += length;
    } else if (n === 0) for (const name of Object.keys(style)) delete style[name];
    else if (n === 4 && inner[0] === "0") delete style.underline;
    else if (ON[n]) style[ON[n]] = true;
    else if (OFF[n]) for (const name of OFF[n]) delete style[name];
    else if (n >= 30 && n <= 37) style.fore = colour(n - 30);
    else if (n >= 40 && n <= 47) style.back = colour(n - 40);
    else if (n >= 90 && n <= 97) style.fore = colour(n - 82);
    else if (n >= 100 && n <= 107) style.back = colour(n - 92);
  }
};

// Black and white are toned down for the page's own ground, and not on another.
const ON_COLOUR = { "var(--vb-ansi-0)": "#000", "var(--vb-ansi-7)": "#eee", "var(--vb-ansi-8)": "#444", "var(--vb-ansi-15)": "#fff" };
const styled = (tag, style, text) => {
  const node = element(tag, "", text);
  for (const name of ["bold", "dim", "italic", "underline", "strike", "hidden"]) if (style[name]) node.classList.add(`vb-${name}`);
  const [fore, back] = style.inverse
    ? [style.back || "var(--vb-paper)", style.fore || "var(--vb-ink)"]
    : [style.fore, style.back];
  if (fore) node.style.color = back ? ON_COLOUR[fore] || fore : fore;
  else if (back) node.style.color = "var(--vb-on-colour)";
  if (back) node.style.backgroundColor = back;
  return node;
};

// Appends text with its colours, and with marks on what was found; returns where in the line's plain text it ends.
const appendStyled = (parent, text, marks, start) => {
  const style = {};
  let at = start;
  const put = (piece) => {
    let from = at;
    at += piece.length;
    for (const [begin, end] of marks) {
      if (end <= from || begin >= at) continue;
      const [a, b] = [Math.max(begin, from), Math.min(end, at)];
      if (a > from) parent.append(styled("span", style, piece.slice(from - at + piece.length, a - at + piece.length)));
      parent.append(styled("mark", style, piece.slice(a - at + piece.length, b - at + piece.length)));
      from = b;
    }
    if (from === at - piece.length && !Object.keys(style).length) parent.append(piece);
    else if (from < at) parent.append(styled("span", style, piece.slice(from - at + piece.length)));
  };
  let last = 0;
  for (const match of text.matchAll(SEQUENCE)) {
    if (match.index > last) put(text.slice(last, match.index));
    apply(style, match[1]);
    last = match.index + match[0].length;
  }
  if (last < text.length) put(text.slice(last));
  return at;
};

const NOTES = {
  2: (bytes) => `${count(bytes, "byte")} of output ${bytes === 1 ? "was" : "were"} dropped here`,
  3: (bytes) => `a program drew on the whole screen here (${size(bytes)}, not shown)`,
};

const fillRow = (row, line, showMore) => {
  const text = element("span", "vb-text");
  const segments = typeof line === "string" ? [[0, line]] : line.s;
  const marks = line.m || [];
  let at = 0;
  for (const [kind, content] of segments) {
    if (kind === CUT) {
      const label = `${size(content)} of this line are not shown`;
      text.append(button("vb-more", `… ${size(content)} more`, `${label}: show them in pieces`, showMore));
    } else if (NOTES[kind]) text.append(element("span", "vb-note", NOTES[kind](content)));
    else if (kind === STDERR) {
      const part = element("span", "vb-stderr");
      part.title = "stderr";
      at = appendStyled(part, content, marks, at);
      text.append(part);
    } else at = appendStyled(text, content, marks, at);
  }
  row.classList.toggle("vb-has-stderr", segments.some(([kind]) => kind === STDERR));
  row.replaceChildren(text);
};

function render({ model, el }) {
  const view = Math.random().toString(36).slice(2, 10);
  const lines = new Map(); // number → { line, age }: the age is that of the search whose marks it has
  const rows = new Map(); // number → its node
  let state = { first: 0, total: 0, open: false, bytes: 0, size: 0, word: "", alive: true };
  let heard = false;
  let top = 0;
  let following = true;
  let seen = 0; // how many lines there were when following ended
  let rowPx = 18;
  let viewPx = 0;
  let setTo = 0; // where we have put the scroll bar
  let dragging = false;
  let wish = null; // the window of lines that was asked for
  let age = 0;
  let hit = null; // the line that a search has gone to
  let hitAt = 0; // which of the lines with a hit it is, from 1
  let wantsHit = false;
  let wantsSight = false; // the match that was gone to is to be in sight, however long its line is
  let steps = []; // to matches before (true) and after (false) that are still to be taken
  let download = null;
  let piece = null;
  let requests = 0;
  let told = ""; // the place, as the kernel knows it
  let frame = 0;
  const timers = {};

  let gone = false;
  const send = (message) => {
    if (!gone) model.send({ ...message, view });
  };
  const later = (name, wait, work) => {
    never(name);
    timers[name] = setTimeout(() => {
      timers[name] = 0;
      work();
    }, wait);
  };
  const never = (name) => {
    clearTimeout(timers[name]);
    timers[name] = 0;
  };

  // What it consists of.
  const style = element("style"); // a live log hides its static twin
  style.textContent = `.vb-static-${model.get("twin")}{display:none}`;
  const root = element("div", "vb-log");
  root.role = "region";
  root.dataset.lmSuppressShortcuts = "true"; // keys are for the log, not for the notebook
  const title = element("span", "vb-title");
  const facts = element("span", "vb-facts");
  const headButton = button("", "Head", "Go to the first line (Home)", () => go(state.first));
  const endButton = button("", "End", "Go to the last line (End)", () => follow(true));
  const followButton = button("", "Follow", "Follow what comes (f)", () => follow(!following));
  const saveButton = button("", "Download", "Download the whole output as it is", () => save(false));
  const textButton = button("", "as text", "Download the whole output as plain text", () => save(true));
  const bar = element("div", "vb-bar");
  bar.role = "toolbar";
  bar.ariaLabel = "Log";
  bar.append(title, facts, headButton, endButton, followButton, saveButton, textButton);

  const query = element("input", "vb-query");
  query.type = "search";
  query.placeholder = "Search";
  query.ariaLabel = "Search in the whole log";
  query.spellcheck = false;
  const toggle = (text, label) => {
    const node = button("vb-toggle", text, label, () => {
      node.ariaPressed = String(node.ariaPressed !== "true");
      search();
    });
    node.ariaPressed = "false";
    return node;
  };
  const caseButton = toggle("Aa", "Tell capital letters from small ones");
  const regexButton = toggle(".*", "Regular expression");
  const previousButton = button("", "↑", "Previous match (N)", () => step(true));
  const nextButton = button("", "↓", "Next match (n)", () => step(false));
  const found = element("span", "vb-found");
  found.role = "status";
  const searchBar = element("div", "vb-bar");
  searchBar.role = "search";
  searchBar.append(query, caseButton, regexButton, previousButton, nextButton, found);

  const box = element("div", "vb-lines");
  box.tabIndex = 0;
  box.role = "log";
  box.ariaLive = "off"; // nobody could listen to a busy one
  const space = element("div", "vb-space");
  const sheet = element("div", "vb-sheet");
  space.append(sheet);
  box.append(space);
  const frameBox = element("div", "vb-frame");
  const newButton = button("vb-new", "", "Go to the end and follow", () => follow(true));
  newButton.hidden = true;
  frameBox.append(box, newButton);

  const pieceBox = element("div", "vb-piece");
  pieceBox.role = "region";
  pieceBox.ariaLabel = "A long line";
  pieceBox.hidden = true;
  const pieceFacts = element("span", "vb-where");
  const beforeButton = button("", "← before", "The piece before", () => {
    if (piece.offset) openPiece(piece.line, Math.max(0, piece.offset - piece.step));
  });
  const afterButton = button("", "after →", "The next piece", () => {
    if (piece.end < piece.size) openPiece(piece.line, piece.end);
  });
  const pieceBar = element("div", "vb-bar");
  pieceBar.append(pieceFacts, beforeButton, afterButton, button("", "Close", "Close the long line", () => closePiece()));
  const pieceText = element("pre");
  pieceText.tabIndex = 0;
  pieceText.ariaLabel = "Text of the long line";
  pieceBox.append(pieceBar, pieceText);
  const notice = element("p", "vb-notice");
  notice.role = "status";
  root.append(bar, searchBar, frameBox, pieceBox, notice);
  el.append(style, root);

  // Where we are.
  const span = () => (state.total - state.first) * rowPx;
  const maxTop = () => Math.max(state.first, state.total - viewPx / rowPx);
  const place = () => {
    if (following && !dragging) top = maxTop();
    top = Math.min(Math.max(top, state.first), maxTop());
    const spacePx = Math.min(span(), MAX_SPACE_PX);
    const [most, mostOfBar] = [Math.max(0, span() - viewPx), Math.max(0, spacePx - viewPx)];
    const offset = (top - state.first) * rowPx;
    space.style.height = `${spacePx}px`;
    const wanted = most ? (offset / most) * mostOfBar : 0;
    if (!dragging && Math.abs(box.scrollTop - wanted) > 0.5) box.scrollTop = wanted;
    setTo = box.scrollTop;
    return setTo - offset; // where line `first` would be on the sheet
  };

  const fromBar = () => {
    const most = Math.max(0, span() - viewPx);
    const mostOfBar = Math.max(0, Math.min(span(), MAX_SPACE_PX) - viewPx);
    return state.first + (mostOfBar ? (box.scrollTop / mostOfBar) * most : 0) / rowPx;
  };

  const go = (line) => {
    follow(false);
    top = line;
    redraw();
  };
  const follow = (on) => {
    if (following && !on) seen = state.total;
    following = on;
    redraw();
  };
  const move = (count) => {
    const to = top + count;
    if (count < 0) follow(false);
    top = to;
    if (count > 0 && to >= maxTop()) follow(true);
    redraw();
  };
  const tellPlace = () => {
    const now = [following ? 0 : Math.floor(top), following, visibleRows()];
    if (String(now) === told) return;
    told = String(now);
    send({ op: "place", line: now[0], following, rows: now[2] });
  };
  const visibleRows = () => Math.ceil(viewPx / rowPx) + OVERSCAN_ROWS;

  // Drawing.
  const redraw = () => {
    if (!frame) frame = requestAnimationFrame(draw);
  };
  const draw = () => {
    frame = 0;
    if (!viewPx || !heard) return;
    const base = place();
    const from = Math.max(state.first, Math.floor(top) - OVERSCAN_ROWS);
    const to = Math.min(state.total, Math.ceil(top + viewPx / rowPx) + OVERSCAN_ROWS);
    for (const [n, row] of rows) {
      if (n >= from && n < to) continue;
      row.remove();
      rows.delete(n);
    }
    let previous = null;
    for (let n = from; n < to; n += 1) {
      const row = rows.get(n) || makeRow(n);
      const next = previous ? previous.nextSibling : sheet.firstChild;
      if (next !== row) sheet.insertBefore(row, next);
      drawRow(row, n);
      previous = row;
    }
    sheet.style.setProperty("--vb-gutter", `${number.format(state.total).length + 1}ch`);
    sheet.style.transform = `translateY(${base + (from - state.first) * rowPx}px)`;
    drawRest();
    ask(from, to);
    if (!timers.place) later("place", PLACE_MS, tellPlace);
  };
  const makeRow = (n) => {
    const row = element("div", "vb-row");
    row.dataset.n = number.format(n + 1);
    row.dataset.line = n;
    row.style.height = row.style.lineHeight = `${rowPx}px`;
    rows.set(n, row);
    return row;
  };
  const drawRow = (row, n) => {
    const entry = lines.get(n);
    row.classList.toggle("vb-hit", n === hit);
    if (row.shown !== entry) {
      row.shown = entry;
      if (entry) fillRow(row, entry.line, () => openPiece(n, 0));
      else row.replaceChildren();
    }
    if (n === hit && wantsSight && entry?.age === age) showAcross(row);
  };
  const showAcross = (row) => {
    wantsSight = false;
    const mark = row.querySelector("mark");
    const [left, right] = mark ? [mark.offsetLeft, mark.offsetLeft + mark.offsetWidth] : [0, 0];
    if (left - box.clientWidth / 4 < box.scrollLeft || right > box.scrollLeft + box.clientWidth) {
      box.scrollLeft = right < box.clientWidth ? 0 : left - box.clientWidth / 2;
    }
  };
  const drawRest = () => {
    const behind = state.total - seen;
    newButton.hidden = following || behind <= 0;
    setText(newButton, `${count(behind, "new line")} ↓`);
    followButton.ariaPressed = String(following);
    const known = state.total - state.first;
    const reading = state.size - state.bytes > 1e6 ? `, ${Math.floor((100 * state.bytes) / state.size)} % read` : "";
    setText(facts, `${gone ? "" : `${state.word} · `}${count(known, "line")}, ${size(state.bytes - state.oldest || 0)}${reading}`);
    setText(notice, gone ? GONE : model.get("notice"));
  };

  // Lines.
  const ask = (from, to) => {
    if (wish) return; // the answer draws again, and what is missing then is asked for
    let first = from;
    const isThere = (n) => lines.get(n)?.age === age;
    while (first < to && isThere(first)) first += 1;
    let behind = Math.min(to, first + MAX_WINDOW_LINES);
    while (behind > first && isThere(behind - 1)) behind -= 1;
    if (first >= behind) return;
    wish = { id: (requests += 1), age, first };
    send({ op: "lines", id: wish.id, first, count: behind - first });
    later("wish", ANSWER_MS, () => {
      wish = null;
      redraw();
    });
  };
  const keep = (first, list, ofAge) => {
    list.forEach((line, index) => lines.set(first + index, { line, age: ofAge }));
    if (lines.size <= MAX_CACHED_LINES) return;
    const near = MAX_CACHED_LINES / 4;
    for (const n of lines.keys()) if (n < top - near || n > top + viewPx / rowPx + near) lines.delete(n);
  };
  const onLines = (message) => {
    if (message.view !== view || message.id !== wish?.id) return;
    keep(message.first, message.lines, wish.age);
    const forget = () => {
      wish = null;
      redraw();
    };
    never("wish");
    if (lines.has(wish.first)) forget();
    else later("wish", EMPTY_MS, forget); // it is not stored any more; we are about to be told
  };
  const onState = (message) => {
    if (state.open) lines.delete(state.total - 1);
    const { tail, hello, ...facts } = message;
    const isNews = hello?.includes(view);
    state = facts;
    heard = true;
    for (const n of lines.keys()) if (n < state.first) lines.delete(n);
    if (isNews) {
      ({ following } = message.place);
      top = message.place.line;
      seen = state.total;
      restoreSearch(message.query);
    }
    if (tail && message.age === age) keep(tail.first, tail.lines, age);
    send({ op: "ack", n: message.n });
    redraw();
  };

  // Searching.
  const search = () => {
    never("typing");
    age += 1;
    hit = null;
    steps = [];
    wantsHit = query.value !== "";
    setText(found, "");
    send({ op: "search", text: query.value, regex: regexButton.ariaPressed === "true", case: caseButton.ariaPressed === "true", age });
    redraw();
  };
  const restoreSearch = (known) => {
    age = known.age;
    query.value = known.text;
    regexButton.ariaPressed = String(known.regex);
    caseButton.ariaPressed = String(known.case);
  };
  const step = (back) => {
    if (!query.value) {
      query.focus();
      return;
    }
    steps.push(back);
    if (steps.length === 1) sendStep(); // each begins where the one before it has led to
    steps.splice(MAX_STEPS);
  };
  const sendStep = () => {
    const [back] = steps;
    const from = hit === null ? Math.floor(top) - (back ? 0 : 1) : hit;
    send({ op: "goto", line: from, back, age });
    later("step", ANSWER_MS, () => (steps = []));
  };
  const onFound = (message) => {
    if (message.age !== age) return;
    const many = message.full ? `more than ${number.format(message.count)} lines` : count(message.count, "matching line");
    const at = hit !== null && hitAt ? `${number.format(hitAt)} of ` : "";
    const doing = message.error || (message.done ? "" : ` (${message.percent} % searched)`);
    setText(found, query.value ? (message.error ? doing : `${at}${many}${doing}`) : "");
    query.ariaInvalid = String(Boolean(message.error));
    if (message.count && wantsHit) step(false);
    wantsHit = wantsHit && !message.count;
  };
  const onGoto = (message) => {
    if (message.view !== view) return;
    never("step");
    steps.shift();
    if (message.line === null || message.age !== age) steps = [];
    else goTo(message);
    if (steps.length) sendStep();
  };
  const goTo = (message) => {
    hit = message.line;
    hitAt = message.at;
    wantsSight = true;
    follow(false);
    if (hit < top || hit > top + viewPx / rowPx - 2) top = hit - viewPx / rowPx / 3;
    redraw();
    onFound(message);
  };

  // A line that is too long to be shown.
  const openPiece = (line, offset) => {
    piece = { ...piece, line };
    send({ op: "piece", line, offset });
  };
  const closePiece = () => {
    piece = null;
    pieceBox.hidden = true;
    box.focus({ preventScroll: true });
  };
  const onPiece = (message) => {
    if (message.view !== view || !piece || message.line !== piece.line) return;
    piece = message;
    const range = `bytes ${number.format(message.offset)} to ${number.format(message.end)} of ${number.format(message.size)}`;
    setText(pieceFacts, `Line ${number.format(message.line + 1)}: ${range}`);
    beforeButton.ariaDisabled = String(message.offset === 0);
    afterButton.ariaDisabled = String(message.end >= message.size);
    pieceText.replaceChildren();
    appendStyled(pieceText, message.text, [], 0);
    pieceText.scrollTop = 0;
    if (!pieceBox.hidden) return;
    pieceBox.hidden = false;
    pieceText.focus({ preventScroll: true });
  };

  // Downloading.
  const save = (plain) => {
    if (download) return endDownload("Download cancelled.");
    download = { id: (requests += 1), parts: [], at: 0, plain };
    saveButton.textContent = "Cancel";
    saveButton.ariaLabel = saveButton.title = "Cancel the download";
    textButton.disabled = true;
    return askPart();
  };
  const askPart = () => {
    send({ op: "part", id: download.id, at: download.at, plain: download.plain });
    later("part", ANSWER_MS, () => download && askPart());
  };
  const endDownload = (text) => {
    never("part");
    if (download) send({ op: "stop", id: download.id });
    download = null;
    saveButton.textContent = "Download";
    saveButton.ariaLabel = saveButton.title = "Download the whole output as it is";
    textButton.disabled = false;
    setText(found, text);
  };
  const onPart = (message, buffers) => {
    if (message.view !== view || message.id !== download?.id || message.at !== download.at) return;
    if (buffers.length) download.parts.push(new Blob([buffers[0]])); // a Blob is the browser's to store, not the page's
    download.at = message.next;
    if (!message.done) {
      setText(found, `Downloading: ${Math.floor((100 * message.read) / Math.max(1, message.size))} %`);
      askPart();
      return;
    }
    const link = element("a");
    link.href = URL.createObjectURL(new Blob(download.parts, { type: "application/octet-stream" }));
    link.download = message.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    const gone = message.dropped ? ` ${count(message.dropped, "byte")} were not stored any more.` : "";
    endDownload(`Downloaded as ${message.name}.${gone}`);
  };

  // What comes in.
  const heed = { state: onState, lines: onLines, found: onFound, goto: onGoto, piece: onPiece, part: onPart };
  const onMessage = (message, buffers) => heed[message?.op]?.(message, buffers);
  const drawTitle = () => {
    setText(title, model.get("title"));
    root.ariaLabel = box.ariaLabel = `Log of ${model.get("title")}`;
    drawRest();
  };
  const onEnd = () => {
    gone = true;
    drawRest();
  };

  // What the user does.
  const page = () => Math.max(1, viewPx / rowPx - 1);
  const KEYS = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => move(page()),
    " ": () => move(page()),
    PageUp: () => move(-page()),
    Home: () => go(state.first),
    End: () => follow(true),
    f: () => follow(!following),
    n: () => step(false),
    N: () => step(true),
    "/": () => query.select(),
  };
  box.onkeydown = (event) => {
    if (event.target !== box || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  };
  query.onkeydown = (event) => {
    if (event.key === "Enter") {
      if (timers.typing) search();
      else step(event.shiftKey);
    } else if (event.key === "Escape") box.focus({ preventScroll: true });
    else return;
    event.preventDefault();
  };
  query.oninput = () => later("typing", TYPING_MS, search);
  const onWheel = (event) => {
    if (!event.deltaY || event.ctrlKey || event.shiftKey) return;
    if (event.deltaY < 0 && top > state.first) follow(false);
    if (span() <= MAX_SPACE_PX) return; // the browser scrolls better than we could
    const px = event.deltaMode ? event.deltaY * rowPx : event.deltaY;
    const isAtEdge = px < 0 ? top <= state.first : top >= maxTop();
    if (isAtEdge) return;
    event.preventDefault();
    move(px / rowPx);
  };
  box.addEventListener("wheel", onWheel, { passive: false });
  box.onscroll = () => {
    if (Math.abs(box.scrollTop - setTo) < 1) return;
    setTo = box.scrollTop;
    top = fromBar();
    const isAtEnd = top >= maxTop() - 0.5;
    if (isAtEnd !== following) follow(isAtEnd);
    redraw();
  };
  box.onpointerdown = (event) => {
    dragging = event.target === box && event.offsetX >= box.clientWidth;
  };
  const onPointerUp = () => {
    if (dragging) redraw();
    dragging = false;
  };
  const measure = () => {
    const wanted = Math.max(8, Math.ceil(parseFloat(getComputedStyle(box).fontSize) * 1.4));
    if (wanted !== rowPx) {
      rowPx = wanted;
      rows.clear();
      sheet.replaceChildren();
    }
    viewPx = box.clientHeight;
    redraw();
  };

  const sizes = new ResizeObserver(measure);
  sizes.observe(box);
  document.addEventListener("pointerup", onPointerUp);
  for (const event of ["change:title", "change:notice"]) model.on(event, drawTitle);
  const forgetEnd = whenGone(model, onEnd);
  model.on("msg:custom", onMessage);
  const alive = setInterval(() => send({ op: "alive", n: state.n || 0 }), ALIVE_MS);
  const hello = () => {
    if (heard) return;
    send({ op: "hello", rows: MAX_WINDOW_LINES / 2 });
    later("hello", ANSWER_MS, hello);
  };
  drawTitle();
  hello();
  return () => {
    clearInterval(alive);
    for (const timer of Object.values(timers)) clearTimeout(timer);
    cancelAnimationFrame(frame);
    sizes.disconnect();
    document.removeEventListener("pointerup", onPointerUp);
    for (const event of ["change:title", "change:notice"]) model.off(event, drawTitle);
    forgetEnd();
    model.off("msg:custom", onMessage);
    send({ op: "bye" });
  };
}

export default { render };
