// What can be done to a session, by which button and by which key.

// All that can be done to a session: how the button is called, and a word on it.
const ACTIONS = [
  ["interrupt", () => "Interrupt", "as Ctrl-C: SIGINT to what it waits for"],
  ["terminate", () => "Kill", "SIGINT, one second, then SIGKILL to the whole tree"],
  ["kill", () => "Kill at once", "SIGKILL to the whole tree"],
  ["shell", (row) => (row.foreground ? "To the background" : "Bring back"), "whether a cell, or this table, waits for it"],
  ["input", () => "Send input…", "types a line, keys or a secret"],
  ["log", () => "Log", "its whole output, live"],
  ["terminal", () => "Terminal", "its terminal, to work in"],
  ["rerun", () => "Run again", "its command once more, in the background"],
  ["command", () => "Copy command", ""],
  ["save", () => "Save log", "its whole output as a file of your browser's"],
  ["rename", () => "Rename…", ""],
  ["durable", (row) => (row.durable ? "Not durable" : "Make durable"), "whether it outlives the kernel"],
];
// What a button says while the kernel is at it.
const AT_IT = { terminate: "ending…", kill: "ending…", terminate_all: "ending…", save: "saving…" };
// The keys of a focused row: what they do, and what the help line calls it.
const ROW_KEYS = {
  i: ["interrupt", "I interrupt"],
  k: ["terminate", "K kill"],
  K: ["kill", "Shift+K kill at once"],
  b: ["shell", "B to the background or back"],
  s: ["input", "S send input"],
  l: ["log", "L log"],
  t: ["terminal", "T terminal"],
  r: ["rerun", "R run again"],
  c: ["command", "C copy command"],
  d: ["save", "D save log"],
  n: ["rename", "N rename"],
  p: ["durable", "P durable or not"],
};

const READS = ["log", "command", "save", "rerun"]; // can be done to every session, over or another program's

// can: the names of what this kernel can do; isGone: whether it is there no more; leave: moves the focus to a row.
const makeActions = ({ can, calls, isGone, leave }) => {
  const isPossible = (name, row) => {
    if (name === "shell") return row.alive && can.has(row.foreground ? "background" : "foreground");
    if (!can.has(name)) return false;
    if (name === "terminal") return row.alive && row.terminal;
    return row.alive || READS.includes(name);
  };
  const isRefused = (name, row) => Boolean(row.refusal) && !READS.includes(name);
  const atIt = (name, row) => {
    const same = { shell: ["background", "foreground"], terminate: ["terminate", "kill"] }[name] ?? [name];
    const mine = calls.find(row.id, same);
    return { mine, busy: Boolean(mine) || same.includes(row.busy) };
  };
  const isOpen = (name, row) => !isGone() && isPossible(name, row) && !isRefused(name, row) && !atIt(name, row).busy;

  // One button, wherever it stands; label is what it is called where its text does not say enough.
  const draw = (node, name, title, row, label = "") => {
    const possible = isPossible(name, row);
    if (!possible && node === document.activeElement) leave(row.id);
    setHidden(node, !possible);
    if (!possible) return;
    const { mine, busy } = atIt(name, row);
    const pending = calls.isPending(mine);
    setText(node, pending ? "pending" : busy ? (AT_IT[name] ?? title) : title);
    const refused = isRefused(name, row);
    const why = refused ? `: ${row.refusal}` : ""; // it can be focused, so that everybody learns why it does nothing
    setAttribute(node, "aria-label", label || why ? `${label || title}${why}` : null);
    const hint = pending ? "The kernel has not taken it yet: Python is busy." : (node.dataset.hint ?? "");
    setAttribute(node, "title", row.refusal && refused ? row.refusal : hint);
    setAttribute(node, "aria-disabled", String(isGone() || busy || refused));
    setAttribute(node, "aria-busy", String(busy));
  };

  return { isOpen, draw };
};
