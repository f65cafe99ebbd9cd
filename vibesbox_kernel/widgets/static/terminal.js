// The terminal: xterm.js on a session. The bundle is 350 kB, so it does not travel with each widget: a page
// asks for it once, and keeps it under its hash.
const ALIVE_MS = 30000;
const ACK_BYTES = 65536; // less than this is not acknowledged; the kernel goes on up to 1 MB
const PIECE_CHARS = 65536; // of what is pasted, for each message
const SCREEN_MS = 10000; // what is on the screen goes to the notebook no more often
const QUIET_MS = 1000;
const PATIENCE_MS = 3000;
const SCROLLBACK_ROWS = 5000;
const TITLE_CHARS = 200;
const NO_KEYS = ["keydown", "keypress", "keyup", "paste", "copy", "cut", "contextmenu"];
const PLAIN = ["change:name", "change:state", "change:refusal", "change:folded", "change:notice"];
const RESET = "\x1bc";
const GONE = "The kernel of this terminal has ended: it shows how things were. %fg -w shows a new one.";
const LEFT_OUT = "\x1b[2m[vibesbox: earlier output is left out here; %tail has all of it]\x1b[m\r\n";

const libraries = (globalThis[Symbol.for("vibesbox.terminal")] ??= new Map()); // hash → a promise of its module

const bytesOf = (buffer) => new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);

// Each terminal asks its own kernel: another's may be gone, and never answer.
const loadLibrary = (model) => {
  const key = model.get("library");
  if (libraries.has(key)) return libraries.get(key);
  return new Promise((found) => {
    const onMessage = (message, buffers) => {
      if (message?.op !== "library" || message.key !== key) return;
      model.off("msg:custom", onMessage);
      if (!libraries.has(key)) {
        const url = URL.createObjectURL(new Blob([bytesOf(buffers[0])], { type: "text/javascript" }));
        libraries.set(
          key,
          import(url).finally(() => URL.revokeObjectURL(url)),
        );
      }
      found(libraries.get(key));
    };
    model.on("msg:custom", onMessage);
    model.send({ op: "library" });
  });
};

const themeOf = (node) => {
  const style = getComputedStyle(node);
  const value = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    background: value("--jp-layout-color0", "#ffffff"),
    foreground: value("--jp-content-font-color0", "#000000"),
    cursor: value("--jp-content-font-color1", "#000000"),
    cursorAccent: value("--jp-layout-color0", "#ffffff"),
    selectionBackground: value("--jp-editor-selected-focused-background", value("--jp-layout-color3", "#bdbdbd")),
  };
};

const fontOf = (node) => {
  const style = getComputedStyle(node);
  return {
    fontFamily: style.getPropertyValue("--jp-code-font-family").trim() || "monospace",
    fontSize: parseInt(style.getPropertyValue("--jp-code-font-size"), 10) || 13,
  };
};

// What the screen shows, as text: for the picture that stands here when no kernel is there.
const screenText = (term) => {
  const buffer = term.buffer.active;
  const lines = [];
  for (let row = 0; row < term.rows; row += 1) {
    lines.push(buffer.getLine(buffer.baseY + row)?.translateToString(true) ?? "");
  }
  return lines.join("\n").replace(/\n+$/, "");
};

// No piece ends within a character.
const piecesOf = (text) => {
  const pieces = [];
  for (let at = 0; at < text.length; ) {
    const end = at + PIECE_CHARS;
    const cut = text.codePointAt(end - 1) > 0xffff ? end - 1 : end;
    pieces.push(text.slice(at, cut));
    at = cut;
  }
  return pieces;
};

const isWayOut = (event) => event.key === "Escape" && event.ctrlKey && (event.shiftKey || event.altKey);

function render({ model, el }) {
  const view = crypto.randomUUID?.() ?? String(Math.random());
  const cleanups = [];
  let term = null;

  const root = element("section", "vb-terminal");
  root.tabIndex = -1;
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's shortcuts are keys like any other here
  const style = element("style"); // a live view hides its static twin
  style.textContent = `.vb-static-${model.get("twin")}{display:none}`;
  const open = element("button", "vb-open", "Open a terminal");
  open.type = "button";
  const bar = element("header");
  const name = element("strong");
  const state = element("span", "vb-state");
  const title = element("span", "vb-title");
  const reader = element("button", "vb-reader", "Screen reader");
  reader.type = "button";
  reader.title = "Have what the terminal shows read aloud";
  reader.ariaPressed = "false";
  const hint = element("span", "vb-hint", "Ctrl+Shift+Esc leaves");
  hint.title = "Ctrl+Shift+Escape, or Ctrl+Alt+Escape, takes the keyboard back to the notebook";
  bar.append(name, state, title, reader, hint);
  const screen = element("div", "vb-screen");
  const notice = element("p", "vb-notice");
  notice.setAttribute("role", "status");
  root.append(open, bar, screen, notice);
  el.append(style, root);

  const words = () => {
    const folded = model.get("folded");
    open.hidden = !folded;
    bar.hidden = screen.hidden = folded;
    root.ariaLabel = `Terminal of ${model.get("name")}`;
    open.ariaLabel = `Open a terminal for ${model.get("name")}`;
    setText(name, model.get("name"));
    setText(state, model.get("state"));
    if (model.get("notice")) setText(notice, model.get("notice"));
    if (!folded) begin();
  };
  let gone = false;
  const onEnd = () => {
    gone = true;
    open.hidden = true;
    setText(state, "");
    setText(notice, GONE);
  };
  const send = (message) => {
    if (!gone) model.send(message);
  };
  const leave = () => {
    send({ op: "left", view }); // from here on the cell asks for input again
    const notebook = root.closest(".jp-Notebook");
    (notebook ?? root).focus({ preventScroll: true });
  };

  const begin = async () => {
    if (term) return;
    term = {}; // only once
    const impatient = setTimeout(() => setText(notice, "Waiting for the kernel …"), PATIENCE_MS);
    cleanups.push(() => clearTimeout(impatient));
    const library = await loadLibrary(model);
    clearTimeout(impatient);
    if (cleanups.ended) return;
    setText(notice, model.get("notice"));
    term = await start(library);
  };

  const start = async (library) => {
    if (!document.getElementById("vb-xterm-css")) {
      const sheet = element("style");
      sheet.id = "vb-xterm-css";
      sheet.textContent = library.css;
      document.head.append(sheet);
    }
    const made = new library.Terminal({
      ...fontOf(root),
      theme: themeOf(root),
      scrollback: SCROLLBACK_ROWS,
      convertEol: true, // sessions' terminals leave a newline a newline
      minimumContrastRatio: 4.5,
      linkHandler: { activate: () => {} }, // a link's text may say something else than where it leads
      macOptionIsMeta: true,
    });
    const fit = new library.FitAddon();
    made.loadAddon(fit);
    let leading = false;
    let replaying = true; // until then xterm.js would answer questions of long ago
    let shown = false; // something was replayed: it was opened before
    let redraw = false;
    let unacknowledged = 0;
    let lines = true; // whether a newline begins a line, as the session's terminal is set
    let quiet = 0;
    let screenAt = -SCREEN_MS;

    const tell = (message) => send({ ...message, view });
    const take = (bytes) => {
      unacknowledged += bytes;
      if (unacknowledged < ACK_BYTES) return;
      tell({ op: "taken", bytes: unacknowledged });
      unacknowledged = 0;
    };
    const tellScreen = () => {
      if (quiet) return;
      quiet = setTimeout(() => {
        quiet = 0;
        screenAt = performance.now();
        if (leading) tell({ op: "screen", text: screenText(made) });
      }, Math.max(QUIET_MS, screenAt + SCREEN_MS - performance.now()));
    };
    const lead = (force) => {
      const size = screen.offsetParent ? fit.proposeDimensions() : undefined;
      if (!size || !(size.rows > 0 && size.cols > 0)) return;
      if (leading && !force && size.rows === made.rows && size.cols === made.cols) return;
      leading = true;
      made.resize(size.cols, size.rows);
      tell({ op: "size", rows: size.rows, columns: size.cols, redraw });
      redraw = false;
    };
    const type = (text, bytes) => {
      const byHand = globalThis.event instanceof UIEvent || globalThis.event instanceof ClipboardEvent;
      if (gone || (!byHand && (replaying || !leading))) return; // an answer of xterm.js: of long ago, or another gives it
      if (!leading) lead(true);
      if (model.get("refusal")) {
        setText(notice, model.get("refusal"));
        return;
      }
      for (const piece of piecesOf(text)) tell({ op: "type", text: piece, bytes });
    };
    const onMessage = (message, buffers) => {
      if (message?.op === "lead") {
        leading = leading && message.view === view;
        if (!leading) made.resize(message.columns, message.rows);
      }
      if (message?.view !== view) return;
      if (message.op === "refused") setText(notice, message.why);
      if (message.op !== "output" && message.op !== "replay") return;
      const data = bytesOf(buffers[0]);
      if (message.op === "output") {
        made.write("", () => {
          made.options.convertEol = message.lines; // from here on in the output
        });
        if (message.dropped) setText(notice, `${message.dropped} bytes of its output were dropped.`);
        made.write(data, () => take(data.length));
      } else {
        made.write(RESET, () => { // behind what is still to be drawn
          replaying = true;
          lines = message.lines;
          made.options.convertEol = true;
        });
        if (!message.whole) made.write(LEFT_OUT);
        made.write(data, () => {
          take(data.length);
          replaying = false;
          redraw = message.redraw;
          if (leading || !shown) lead(true);
          shown = true;
        });
      }
      tellScreen();
    };

    made.attachCustomKeyEventHandler((event) => {
      if (isWayOut(event)) {
        if (event.type === "keydown") leave();
        event.preventDefault();
        return false;
      }
      // As in JupyterLab's own terminal; the browser then copies or pastes.
      if (!event.ctrlKey || event.altKey || event.metaKey) return true;
      const key = event.key.toLowerCase();
      if (key === "c" && (event.shiftKey || made.hasSelection())) {
        if (event.type === "keydown" && event.shiftKey) {
          event.preventDefault(); // else Chromium opens its tools
          document.execCommand("copy");
        }
        return false;
      }
      return key !== "v";
    });
    made.parser.registerOscHandler(52, () => true); // a session has nothing to do with the clipboard
    // Of what is replayed nobody knows what a newline meant: on the whole screen, probably what it means now.
    made.buffer.onBufferChange((buffer) => {
      if (replaying) made.options.convertEol = buffer.type === "normal" || lines;
    });
    made.onTitleChange((text) => setText(title, text.slice(0, TITLE_CHARS)));
    made.onData((text) => type(text, false));
    made.onBinary((text) => type(text, true));
    screen.addEventListener("focusin", () => lead(!leading));
    reader.onclick = () => {
      made.options.screenReaderMode = !made.options.screenReaderMode;
      reader.ariaPressed = String(made.options.screenReaderMode);
    };

    // A view that has no place yet has no size: xterm.js would measure nothing.
    while (!screen.offsetParent && !cleanups.ended) await new Promise(requestAnimationFrame);
    if (cleanups.ended) return made;
    made.open(screen);
    made.textarea?.setAttribute("aria-label", `Input of the terminal of ${model.get("name")}; Ctrl+Shift+Escape leaves it`);
    const sizes = new ResizeObserver(() => requestAnimationFrame(() => leading && lead(false)));
    sizes.observe(screen);
    const themes = new MutationObserver(() => {
      made.options.theme = themeOf(root);
    });
    themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light"] });
    const alive = setInterval(() => tell({ op: "alive" }), ALIVE_MS);
    model.on("msg:custom", onMessage);
    tell({ op: "hello" });
    if (unfolded) made.focus();
    cleanups.push(() => {
      clearInterval(alive);
      clearTimeout(quiet);
      sizes.disconnect();
      themes.disconnect();
      model.off("msg:custom", onMessage);
      tell({ op: "bye" });
      made.dispose();
    });
    return made;
  };

  let unfolded = false;
  open.onclick = () => {
    unfolded = true;
    setText(open, "Opening …"); // it may take a while, where no click comes through while Python is busy
    send({ op: "unfold" });
  };
  const stop = (event) => event.stopPropagation();
  for (const key of NO_KEYS) screen.addEventListener(key, stop);
  for (const change of PLAIN) model.on(change, words);
  const forgetEnd = whenGone(model, onEnd);
  words();
  return () => {
    cleanups.ended = true;
    for (const change of PLAIN) model.off(change, words);
    forgetEnd();
    for (const cleanup of cleanups) cleanup();
  };
}

export default { render };
