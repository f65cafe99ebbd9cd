// What the kernel is asked to do, and what it answers.

const PENDING_MS = 400; // a kernel that has not said by then that it has a click can not: Python is blocked
const NOTE_MS = 8000;

// tell: sends a message; changed: draws what may look different now; announce: says something to who does not see;
// knows: whether a session has a row, in which the kernel says what went wrong.
const makeCalls = ({ me, tell, changed, announce, knows }) => {
  const open = new Map(); // call → what is to be done when the kernel answers
  const notes = new Map(); // session id → what the last action came to; "" for what belongs to no session
  let made = 0;

  const call = (action, id, more = {}, then = null) => {
    const name = `${me}-${++made}`;
    open.set(name, { action, id, then, took: false, sent: Date.now(), piece: null });
    tell({ op: "do", call: name, action, id, ...more });
    setTimeout(changed, PENDING_MS + 20);
    changed();
    return name;
  };
  const note = (id, words, isError = false) => {
    if (!words) return;
    notes.set(id, { words, isError });
    announce(id, words);
    setTimeout(() => {
      if (notes.get(id)?.words === words) notes.delete(id);
      changed();
    }, NOTE_MS);
    changed();
  };
  const took = (message) => {
    if (open.has(message.call)) open.get(message.call).took = true;
    changed();
  };
  const done = (message) => {
    const one = open.get(message.call);
    if (!one) return; // another page's
    open.delete(message.call);
    if (message.error && !knows(one.id)) note("", message.error, true);
    else if (message.error) announce(one.id, message.error);
    else if (one.then) one.then(message.text);
    else note(one.id, message.text);
    changed();
  };
  const isPending = (one) => Boolean(one) && !one.took && Date.now() - one.sent >= PENDING_MS;
  const find = (id, actions) => [...open.values()].find((one) => one.id === id && actions.includes(one.action));

  // A log as a file: its pieces are kept by the browser, which may put them on its disk, until all are there.
  const save = (row) => {
    const parts = [];
    let small = [];
    let size = 0;
    const name = fileName(row);
    const started = call("save", row.id, {}, (words) => {
      saveFile([...parts, ...small], name);
      note(row.id, `${words} to ${name}`);
    });
    open.get(started).piece = (data) => {
      small.push(data);
      size += data.byteLength;
      if (size < 1 << 22) return;
      parts.push(new Blob(small));
      [small, size] = [[], 0];
    };
  };
  const piece = (message, buffers) => {
    const one = open.get(message.call);
    if (!one?.piece) return; // another page's
    const data = buffers?.[0];
    if (data?.byteLength) one.piece(data.buffer ? data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) : data);
    tell({ op: "got", call: message.call, number: message.number });
  };

  return { call, note, noteOf: (id) => notes.get(id), took, done, isPending, find, save, piece };
};

const saveFile = (parts, name) => {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
};
const fileName = (row) => {
  const stem = row.name || row.command.split(/\s/)[0] || "session";
  return `${stem.replace(/[^\w.-]+/g, "-").slice(0, 60)}-${row.pid || row.id.slice(0, 8)}.log`;
};
